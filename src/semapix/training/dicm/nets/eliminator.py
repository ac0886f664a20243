"""The redundancy elimination (RE): ConvFormer blocks down to a bottleneck and up again (paper, Fig. 2).

ConvFormer blocks are those of W. Yu et al., "MetaFormer baselines for vision" (TPAMI 2024). The bottleneck is coded
nowhere: its estimated rate constrains what self-supervised training may keep.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from semapix.training.dicm.nets.blocks import ChannelNorm, Depthwise, pointwise
from semapix.training.dicm.recipe import DicmModel

__all__ = ["Eliminator", "FactorisedDensity"]


class _StarRelu(nn.Module):
    """s relu(x)^2 + b; the start gives a standard normal input mean 0 and variance 1."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.8944))
        self.bias = nn.Parameter(torch.tensor(-0.4472))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * torch.relu(x).square() + self.bias


class _ConvFormer(nn.Module):
    """x + separable convolution of the normed x, then x + fully connected of the normed x."""

    def __init__(self, channels: int, kernel: int, expansion: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([ChannelNorm(channels), ChannelNorm(channels)])
        self.mixer = nn.Sequential(
            nn.Conv2d(channels, 2 * channels, 1, bias=False),
            _StarRelu(),
            Depthwise(2 * channels, kernel, bias=False),
            nn.Conv2d(2 * channels, channels, 1, bias=False),
        )
        self.connected = pointwise(channels, expansion, _StarRelu(), bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.mixer(self.norms[0](x))
        return x + self.connected(self.norms[1](x))


class Eliminator(nn.Module):
    """encoder_RE and decoder_RE: features f1 (B, C, h, w) to f2 of the same shape, h and w multiples of 4."""

    def __init__(self, model: DicmModel) -> None:
        super().__init__()
        widths, counts = model.eliminator_widths, model.eliminator_blocks

        def blocks(scale: int) -> list[nn.Module]:
            sizes = widths[scale], model.eliminator_kernel, model.eliminator_expansion
            return [_ConvFormer(*sizes) for _ in range(counts[scale])]

        def down(scale: int) -> list[nn.Module]:
            return [ChannelNorm(widths[scale]), nn.Conv2d(widths[scale], widths[scale + 1], 3, 2, 1)]

        def up(scale: int) -> list[nn.Module]:
            enlarged = nn.Conv2d(widths[scale], 4 * widths[scale - 1], 1)
            return [ChannelNorm(widths[scale]), enlarged, nn.PixelShuffle(2)]

        self.encoder = nn.Sequential(*blocks(0), *down(0), *blocks(1), *down(1), *blocks(2))
        self.decoder = nn.Sequential(*blocks(2), *up(2), *blocks(1), *up(1), *blocks(0))

    def forward(self, features: Tensor) -> Tensor:
        kept: Tensor = self.decoder(self.encoder(features))
        return kept


class FactorisedDensity(nn.Module):
    """A logistic density for each channel: bits of integers with uniform noise of one unit in place of rounding."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(channels, 1, 1))
        self.scale = nn.Parameter(torch.zeros(channels, 1, 1))  # logarithms

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Values (B, C, h, w) with noise, rounded when not training, and bits of each picture (B,)."""
        with torch.autocast(values.device.type, enabled=False):
            values = values.float()
            noisy = values + torch.rand_like(values) - 0.5 if self.training else torch.round(values)
            distance, spread = (noisy - self.mean).abs(), self.scale.exp()
            # The mass of a bin of the logistic, by its lower tails: 1 - sigmoid would lose small numbers.
            upper, lower = torch.sigmoid((0.5 - distance) / spread), torch.sigmoid((-0.5 - distance) / spread)
            bits = -torch.log((upper - lower).clamp(min=2.0**-20)) / math.log(2)
            return noisy, bits.sum(dim=(1, 2, 3))
