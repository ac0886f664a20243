"""Tables of hyper-latents that are counted while training goes on: what their bits are estimated by."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from semapix.coding import GAUSSIAN_REACH, LEVELS, SCALE_HIGH, SCALE_LOW, TableBank
from semapix.training.fitted_tables import bands_of

__all__ = ["CountedDensity"]

_LEAST_SHARE = 1e-5
_SHARE_SPEED = 1e-3  # of the shares of symbols: a memory of a thousand pictures


class CountedDensity(nn.Module):
    """A table for each channel of a hyper-latent, for every few quality levels, counted while training goes on.

    It stands for the tables that are counted at export. The density of a symbol with uniform noise lies between those
    of its two neighbours, so bits have gradients towards likelier symbols. With several devices the first one counts.
    """

    reach = 48
    """Symbols -reach..reach have a share of their own; beyond, each step further costs a bit."""

    bands: Tensor
    shares: Tensor

    def __init__(self, levels: int, channels: int) -> None:
        super().__init__()
        bands = bands_of(levels, channels)
        self.register_buffer("bands", torch.tensor(bands), persistent=False)
        symbols = torch.arange(-self.reach, self.reach + 1)
        start = torch.softmax(-symbols.abs().float(), dim=0)
        self.register_buffer("shares", start.repeat(bands[-1] + 1, channels, 1))

    def forward(self, values: Tensor, quality: Tensor) -> Tensor:
        """Bits (B,) of values (B, Z, h, w), whole or with noise, at quality levels (B,)."""
        inside = values.clamp(-self.reach, self.reach)
        place = inside + self.reach
        below = place.detach().floor().clamp(max=2 * self.reach - 1).long()
        table = self.shares + _LEAST_SHARE
        table = table / table.sum(dim=2, keepdim=True)
        channels, symbols = table.shape[1:]
        row = self.bands[quality][:, None] * channels + torch.arange(channels, device=values.device)
        at = below + row[:, :, None, None] * symbols
        low, high = table.flatten()[at], table.flatten()[at + 1]
        bits = -torch.log2(low + (place - below) * (high - low)) + (values - inside).abs()
        return bits.sum(dim=(1, 2, 3))

    @torch.no_grad()
    def count(self, symbols: Tensor, quality: Tensor) -> None:
        """Let the shares follow those of whole symbols (B, Z, h, w) at quality levels (B,)."""
        place = (symbols.clamp(-self.reach, self.reach) + self.reach).long().flatten(2)  # (B, Z, h * w)
        bands = self.bands[quality]
        count, channels, reach = self.shares.shape
        row = bands[:, None] * channels + torch.arange(channels, device=symbols.device)
        at = (row[:, :, None] * reach + place).flatten()
        # All bands at once, without asking the device for what it has counted.
        seen = self.shares.new_zeros(self.shares.numel()).scatter_add_(0, at, torch.ones_like(at, dtype=torch.float32))
        pictures = self.shares.new_zeros(count).scatter_add_(0, bands, torch.ones_like(bands, dtype=torch.float32))
        speed = 1 - (1 - _SHARE_SPEED) ** pictures  # 0 where there are none
        share = seen.view_as(self.shares) / (pictures.clamp(min=1) * place.shape[2])[:, None, None]
        self.shares.lerp_(share, speed[:, None, None])

    def take(self, tables: TableBank, levels: NDArray[np.uint8]) -> None:
        """Take the shares from `tables`, those of each quality level and channel by their numbers `levels` (Q, Z)."""
        self.shares.zero_()
        for quality, band in enumerate(self.bands.tolist()):
            for channel, table in enumerate(levels[quality].tolist()):
                counts = tables.counts(table)[:-1]  # without escapes
                span = min(len(counts) // 2, self.reach)
                kept = counts[len(counts) // 2 - span : len(counts) // 2 + span + 1].astype(np.float64)
                row = self.shares[band, channel, self.reach - span : self.reach + span + 1]
                row.copy_(torch.from_numpy(kept / kept.sum()))

    def levels(self) -> NDArray[np.uint8]:
        """For each quality level the narrowest Gaussian table of each channel that reaches what counts: (Q, Z)."""
        magnitude = torch.arange(-self.reach, self.reach + 1).abs()
        largest = ((self.shares.cpu() > _LEAST_SHARE) * magnitude).amax(dim=2).clamp(min=1).double()
        fraction = torch.log(largest / (GAUSSIAN_REACH * SCALE_LOW)) / (math.log(SCALE_HIGH / SCALE_LOW) / (LEVELS - 1))
        return fraction.ceil().clamp(0, LEVELS - 1).numpy().astype(np.uint8)[self.bands.tolist()]
