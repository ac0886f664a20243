"""Spatial feature transforms and the blocks around them (HEVRC, section III; backbone: Song, Choi, Han, ICCV 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["SLOPE", "ConditionedBlock", "FeatureTransform", "Gdn"]

SLOPE = 0.2
"""Of the leaky ReLUs within residual blocks."""
_NEAR_ZERO = 1e-5  # of weights that count by their magnitude, whose gradient at zero is zero


class FeatureTransform(nn.Module):
    """Scales and shifts features by what a condition says of each position: x (1 + scale(c)) + shift(c).

    `x`: (B, C, H, W); `condition`: (B, P, H, W). Starts as the identity.
    """

    def __init__(self, channels: int, conditions: int, hidden: int, kernel: int) -> None:
        super().__init__()
        self.hidden = nn.Conv2d(conditions, hidden, kernel, padding=kernel // 2)
        self.both = nn.Conv2d(hidden, 2 * channels, kernel, padding=kernel // 2)
        nn.init.zeros_(self.both.weight)
        assert self.both.bias is not None
        nn.init.zeros_(self.both.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.both(torch.relu(self.hidden(condition))).chunk(2, dim=1)
        return torch.addcmul(x + shift, x, scale)


class ConditionedBlock(nn.Module):
    """SFTResblk: a residual path of two feature transforms, each before a 3x3 convolution. Starts as the identity."""

    def __init__(self, channels: int, inner: int, conditions: int, hidden: int, kernel: int) -> None:
        super().__init__()
        self.before = FeatureTransform(channels, conditions, hidden, kernel)
        self.first = nn.Conv2d(channels, inner, 3, padding=1)
        self.between = FeatureTransform(inner, conditions, hidden, kernel)
        self.second = nn.Conv2d(inner, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        assert self.second.bias is not None
        nn.init.zeros_(self.second.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        y = self.first(functional.leaky_relu(self.before(x, condition), SLOPE))
        y = self.second(functional.leaky_relu(self.between(y, condition), SLOPE))
        return x + y


class Gdn(nn.Module):
    """Divisive normalisation with magnitudes: x / (1 + sum gamma |x|), or its approximate inverse, the product.

    Starts near the identity. Ballé et al., "End-to-end optimized image compression" (ICLR 2017), simplified as in the
    backbone.
    """

    def __init__(self, channels: int, *, inverse: bool = False) -> None:
        super().__init__()
        self.inverse = inverse
        self.gamma = nn.Conv2d(channels, channels, 1)
        nn.init.constant_(self.gamma.weight, _NEAR_ZERO)
        assert self.gamma.bias is not None
        nn.init.constant_(self.gamma.bias, _NEAR_ZERO)

    def forward(self, x: Tensor) -> Tensor:
        norm = 1.0 + functional.conv2d(x.abs(), self.gamma.weight.abs(), self.gamma.bias.abs())
        return x * norm if self.inverse else x / norm
