"""Groups of classes: their probabilities are the sums over their classes (DeepSIC, section V)."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["group_shares"]


def group_shares(classes: Tensor, parents: Tensor, count: int) -> Tensor:
    """Probabilities (B, count) of groups from logits of classes (B, C); `parents`: the group of each class (C,)."""
    shares = torch.softmax(classes, dim=1)
    groups = shares.new_zeros(len(classes), count).index_add_(1, parents, shares)
    return groups.clamp(min=1e-9)
