"""What must not be rounded, whatever precision a stage trains in."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["in_float32"]


def in_float32(layer: nn.Module, x: Tensor) -> Tensor:
    """Run a layer in float32: bfloat16 has 8 bits, too few for a latent of a hundred steps."""
    with torch.autocast(x.device.type, enabled=False):
        result: Tensor = layer(x.float())
    return result
