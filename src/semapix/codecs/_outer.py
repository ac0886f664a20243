"""Outer scales: from the decoded core to full size, each scale predicted from the decoded one below.

One unit serves all scales. Latents of a whole scale are coded at once; pixels are worked on in tiles, whose margins
cover the unit's field of view, so that the result does not depend on the tiling.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from semapix.bundle import Bundle
from semapix.codecs._pixels import denormalise, normalise
from semapix.codecs._unit import Unit
from semapix.coding import TableBank
from semapix.graphs import Graphs
from semapix.imaging import pad_to, reduce, resize, tiles

__all__ = ["OuterCodec", "scale_sizes"]

Array = NDArray[np.float32]
Pixels = NDArray[np.uint8]

_TILE = 2048  # seams are worked on twice: a tile of 1024 costs a fifth more, one of 2048 some 150 MB


def scale_sizes(width: int, height: int, side: int, factor: int, reach: int) -> list[tuple[int, int]]:
    """Width and height of the outer scales, smallest first.

    The last is the full size; a picture that fits into the core has none. Where a scale is more than `reach` times as
    large as the core, one smaller by `factor`, rounded up, comes before it.
    """
    sizes: list[tuple[int, int]] = [] if max(width, height) <= side else [(width, height)]
    while sizes and max(sizes[0]) > reach * side:
        sizes.insert(0, (-(-sizes[0][0] // factor), -(-sizes[0][1] // factor)))
    return sizes


class OuterCodec:
    """Codes the outer scales of a picture, one layer a scale, with its sub-layers."""

    def __init__(self, bundle: Bundle, graphs: Graphs, tables: TableBank) -> None:
        self._unit = Unit(bundle, graphs, tables, "outer")
        outer = bundle.manifest["outer"]
        self._latents: int = outer["latents"]
        self._levels: int = outer["levels"]
        self._finer: int = outer["finer_by_scale"]
        self._margin: int = outer["margin"]
        # What bundles of version 0.1 do not state is as it was then.
        self.factor: int = outer.get("factor", 2)
        self.reach: int = outer.get("reach", self.factor)
        self._stride: int = outer.get("stride", 16)  # pixels for one latent position
        self._groups: int = outer.get("groups", 1)
        self._error_weight: float | None = outer.get("error_weight")
        self._split_pixels: int = outer.get("split_pixels", 1)

    def sublayers(self, size: tuple[int, int]) -> int:
        """How many sub-layers a scale of a size (width, height) has: one for each group, unless it is small."""
        return self._groups if size[0] * size[1] >= self._split_pixels else 1

    def level(self, quality: float, scales_above: int) -> float:
        """The unit's quality level for a scale: smaller scales are coded more finely, for all others rest on them."""
        return min(quality - 1 + self._finer * scales_above, self._levels - 1)

    def encode(
        self, pixels: Pixels, below: Pixels, sizes: Sequence[tuple[int, int]], quality: float
    ) -> list[list[bytes]]:
        """The sub-layers of each scale, smallest first, from the picture (H, W, 3) and the decoded core."""
        scales = [pixels]
        for _ in sizes[:-1]:
            scales.insert(0, reduce(scales[0], self.factor))
        written = []
        for number, (scale, size) in enumerate(zip(scales, sizes, strict=True)):
            above = len(sizes) - 1 - number
            level = self.level(quality, above)
            prediction = resize(below, size, "bicubic")
            latent = self._analyse(scale, prediction, level)
            hyper = self._unit.graph("hyper", latent)[0]
            data, decoded = self._unit.encode(latent, hyper, level, None, self.sublayers(size), self._error_weight)
            written.append(data)
            if above:
                below = self._synthesise(decoded.latent[None], prediction, level)
        return written

    def decode(
        self, layers: Sequence[Sequence[bytes]], below: Pixels, sizes: Sequence[tuple[int, int]], quality: float
    ) -> Pixels:
        """The picture (H, W, 3) at full size; scales whose layer is missing are enlarged from the one below.

        `layers`: the sub-layers of each scale; the last one may lack some of its last.
        """
        for number, (data, size) in enumerate(zip(layers, sizes, strict=False)):
            level = self.level(quality, len(sizes) - 1 - number)
            latent = self.latent(data, size, level)
            below = self._synthesise(latent, resize(below, size, "bicubic"), level)
        return below if len(layers) == len(sizes) else resize(below, sizes[-1], "bicubic")

    def latent(self, data: Sequence[bytes], size: tuple[int, int], level: float) -> Array:
        """The decoded latent (1, M, rows, columns) of the leading sub-layers of one scale of a size (width, height)."""
        shape = (self._latents, -(-size[1] // self._stride), -(-size[0] // self._stride))
        return self._unit.decode(data, shape, level, sublayers=self.sublayers(size)).latent[None]

    def _analyse(self, scale: Pixels, prediction: Pixels, level: float) -> Array:
        unit = self._unit
        rows = (unit.row("analysis_scale", level), unit.row("gain", level))
        height, width = scale.shape[:2]
        latent = np.empty((1, self._latents, -(-height // self._stride), -(-width // self._stride)), np.float32)
        for inner, outer in tiles(height, width, _TILE, self._margin):
            view = normalise(pad_to(outer.of(scale), self._stride))
            seen = normalise(pad_to(outer.of(prediction), self._stride))
            result = unit.graph("analysis", view, seen, *rows)[0]
            top, left = inner.top // self._stride, inner.left // self._stride
            bottom, right = -(-inner.bottom // self._stride), -(-inner.right // self._stride)
            y, x = top - outer.top // self._stride, left - outer.left // self._stride
            latent[:, :, top:bottom, left:right] = result[:, :, y : y + bottom - top, x : x + right - left]
        return latent

    def _synthesise(self, latent: Array, prediction: Pixels, level: float) -> Pixels:
        unit = self._unit
        rows = (unit.row("synthesis_scale", level), unit.row("inverse_gain", level))
        height, width = prediction.shape[:2]
        picture = np.empty_like(prediction)
        for inner, outer in tiles(height, width, _TILE, self._margin):
            seen = normalise(pad_to(outer.of(prediction), self._stride))
            top, left = outer.top // self._stride, outer.left // self._stride
            part = latent[:, :, top : top + seen.shape[2] // self._stride, left : left + seen.shape[3] // self._stride]
            result = denormalise(unit.graph("synthesis", np.ascontiguousarray(part), seen, *rows)[0])
            y, x = inner.top - outer.top, inner.left - outer.left
            picture[inner.top : inner.bottom, inner.left : inner.right] = result[
                y : y + inner.bottom - inner.top, x : x + inner.right - inner.left
            ]
        return picture
