"""The 6-bit quantiser of DeepSIC with its gains, and the rate that training sees (paper, section III).

Levels of quality scale the features before they are quantised: one model serves all rates. The paper rounds up to
multiples of 2^-5 within (-1, 1]; here features are counted in these steps and shifted by half a step, so that zero
lies in the middle of a bin.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from semapix.codecs import QUALITIES

__all__ = ["HIGHEST", "LOWEST", "Quantiser"]

LOWEST, HIGHEST = -32, 31
"""The 64 values of a quantised feature."""


class Quantiser(nn.Module):
    """Gains, quantiser and relaxed rate of `channels` features.

    The density of a value is logistic; its mean and scale depend on the four neighbours before it in raster order, for
    the arithmetic coder's contexts do.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.zeros(QUALITIES, channels))  # logarithms
        self.inverse_gain = nn.Parameter(torch.zeros(QUALITIES, channels))
        self.mean = nn.Parameter(torch.zeros(QUALITIES, channels))
        self.scale = nn.Parameter(torch.zeros(QUALITIES, channels))  # logarithms
        self.from_neighbours = nn.Parameter(torch.zeros(channels, 4))
        self.from_activity = nn.Parameter(torch.full((channels,), -1.5))  # logarithms

    def forward(self, features: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        """Dequantised features, with the gradient of the identity, and bits of each picture (B,).

        `features`: (B, C, h, w). `level`: (B,), quality minus 1.
        """
        value = (features.float() * self.gain[level].exp()[:, :, None, None]).clamp(LOWEST, HIGHEST)
        rounded = value + (torch.round(value) - value).detach()
        noisy = value + torch.rand_like(value) - 0.5 if self.training else torch.round(value)
        return rounded * self.inverse_gain[level].exp()[:, :, None, None], self._bits(noisy, level)

    def _bits(self, value: Tensor, level: Tensor) -> Tensor:
        mean = self.mean[level][:, :, None, None]
        centred = functional.pad(value - mean, (1, 1, 1, 0))
        height, width = value.shape[2:]
        before = [centred[:, :, y : y + height, x : x + width] for y, x in ((1, 0), (0, 1), (0, 0), (0, 2))]
        weights = self.from_neighbours[:, :, None, None]
        expected = sum(weights[:, i] * neighbour for i, neighbour in enumerate(before))
        activity = sum(neighbour.abs() for neighbour in before) / 4
        spread = self.scale[level].exp()[:, :, None, None]
        spread = spread + self.from_activity.exp()[:, None, None] * activity
        distance = (value - mean - expected).abs()
        upper, lower = -(distance - 0.5) / spread, -(distance + 0.5) / spread
        mass = (torch.sigmoid(upper) - torch.sigmoid(lower)).clamp(min=2.0**-16)
        return -torch.log2(mass).sum(dim=(1, 2, 3))

    @torch.no_grad()
    def start(self, features: Tensor, steps: Tensor) -> None:
        """Gains that give each level its step, as far as 64 values reach; `features`: of training pictures."""
        spread = features.std(dim=(0, 2, 3))
        reach = torch.quantile(features.abs().transpose(0, 1).flatten(1)[:, ::7], 0.995, dim=1)
        gain = torch.minimum(1 / steps[:, None], HIGHEST / reach.clamp(min=1e-3))
        self.gain.copy_(gain.log())
        self.inverse_gain.copy_(-self.gain)
        self.scale.copy_((gain * spread * math.sqrt(3) / math.pi * 0.6).clamp(min=0.05).log())
