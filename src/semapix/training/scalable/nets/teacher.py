"""The network that stage `lfrnet` learns from: a residual one, several times the work of the transform."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from semapix.training.classifier import Classifier
from semapix.training.groups import group_shares
from semapix.training.normalise import normalise

__all__ = ["Teacher"]


class Teacher(nn.Module):
    """A residual `Classifier` of fine labels; the probability of a coarse one is the sum of those of its fine ones.

    `widths`, `blocks`: channels and blocks of each stage, the first at half of the picture's resolution. `labels`:
    names of the `coarse` and `fine` ones, and `parents`, the coarse label of each fine one. `forward`: pictures
    (B, 3, H, W), 0 to 255, to coarse and fine logits, float32.
    """

    def __init__(self, widths: Sequence[int], blocks: Sequence[int], labels: dict[str, list[Any]]) -> None:
        super().__init__()
        self.classifier = Classifier("residual", widths, blocks, len(labels["fine"])).to(
            memory_format=torch.channels_last
        )
        self.coarse_classes = len(labels["coarse"])
        self.register_buffer("parents", torch.tensor(labels["parents"]))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        fine = self.classifier(normalise(pictures).contiguous(memory_format=torch.channels_last)).float()
        return group_shares(fine, self.parents, self.coarse_classes).log(), fine
