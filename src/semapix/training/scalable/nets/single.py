"""One RAFC unit for all bands of the transform at once: what layers are compared with."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from semapix.codecs import QUALITIES
from semapix.training.entropy import Rates
from semapix.training.scalable.nets.lifting import Lifting
from semapix.training.scalable.nets.rafc import PredictionUnit, RafcUnit
from semapix.training.scalable.recipe import ScalableModel

__all__ = ["SingleUnit"]


@dataclass(frozen=True)
class _Shape:
    """Of a band: channels and side."""

    channels: int
    side: int


class SingleUnit(nn.Module):
    """All bands, brought to one grid, coded by one unit without layers, predictions or machine layers.

    `channels`: inside of the unit. The grid lies in the middle of the bands' sizes, 8x8 for a core of 64x64; finer
    bands are unshuffled to it, coarser ones shuffled.
    """

    def __init__(self, model: ScalableModel, channels: int) -> None:
        super().__init__()
        levels = len(model.lifting_hidden)
        shapes = [_Shape(3 * 2**k, model.core_side >> k) for k in range(1, levels + 1)]  # duals, finest first
        self._shapes = [*shapes, shapes[-1]]  # and the main band
        self._side = shapes[-1].side << (levels - 1) // 2
        bands = 3 * (model.core_side // self._side) ** 2
        self.unit = RafcUnit(
            bands,
            channels,
            bands,
            0,
            model.unit_blocks,
            model.unit_kernel,
            QUALITIES,
            model.unit_features,
            carried=0,
            enlarge=False,
        )
        self.post = PredictionUnit(3, model.predictor_channels, 3, model.unit_kernel)

    def gather(self, main: Tensor, duals: list[Tensor]) -> Tensor:
        """All bands on the grid, (B, C, side, side); `duals`: finest first, as `Lifting` gives them."""
        return torch.cat([_resampled(band, self._side) for band in (*duals, main)], dim=1)

    def scatter(self, gathered: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The inverse of `gather`: the main band, and the dual ones."""
        sizes = [shape.channels * shape.side**2 // self._side**2 for shape in self._shapes]
        parts = torch.split(gathered, sizes, dim=1)
        *duals, main = (_resampled(part, shape.side) for part, shape in zip(parts, self._shapes, strict=True))
        return main, duals

    def core(self, lifting: Lifting, gathered: Tensor) -> Tensor:
        """The core (B, 3, side, side) of decoded bands."""
        band, duals = self.scatter(gathered)
        for step, dual in zip(reversed(lifting.steps), reversed(duals), strict=True):
            band = step.inverse(band, dual)
        post: Tensor = self.post(band)
        return band + post

    def forward(self, lifting: Lifting, main: Tensor, duals: list[Tensor], quality: Tensor) -> tuple[Tensor, Rates]:
        """The decoded core and its rates at quality levels `quality`, int64 (B,)."""
        decoded, rates, _ = self.unit(self.gather(main, duals), quality)
        return self.core(lifting, decoded), rates


def _resampled(band: Tensor, side: int) -> Tensor:
    """A band at another side: pixels to channels, or channels to pixels."""
    if band.shape[2] >= side:
        return functional.pixel_unshuffle(band, band.shape[2] // side)
    return functional.pixel_shuffle(band, side // band.shape[2])
