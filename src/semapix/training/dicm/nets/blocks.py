"""What the blocks of DICM's networks share: a norm over channels, depthwise convolutions, fully connected halves."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from semapix.training.precision import in_float32

__all__ = ["ChannelNorm", "Depthwise", "pointwise"]


class ChannelNorm(nn.Module):
    """Layer norm over the channels of each position, without a bias."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        normed = functional.layer_norm(x.permute(0, 2, 3, 1), self.weight.shape, self.weight, None, 1e-6)
        return normed.permute(0, 3, 1, 2)


class Depthwise(nn.Module):
    """A depthwise convolution, on processors in float32: those with matrix units for bfloat16 are slow in it there."""

    def __init__(self, channels: int, kernel: int, bias: bool = True) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        if x.is_cuda:
            result: Tensor = self.convolution(x)
            return result
        return in_float32(self.convolution, x).to(x.dtype)


def pointwise(channels: int, expansion: int, active: nn.Module, *, bias: bool = True) -> nn.Sequential:
    """Two 1x1 convolutions, `expansion` times as wide in the middle."""
    inner = expansion * channels
    return nn.Sequential(nn.Conv2d(channels, inner, 1, bias=bias), active, nn.Conv2d(inner, channels, 1, bias=bias))
