"""How a caller steers where the bits of a picture go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from semapix.codecs._importance import BLOCK, STRATEGIES, block_means
from semapix.errors import ArgumentError

__all__ = ["Region", "Steering"]

_OUTSIDE = 0.5  # importance outside of the regions, beside what the strategy says


class Region(NamedTuple):
    """A box of a picture in pixels: `x`, `y` of its upper left corner, `width`, `height`."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Steering:
    """`strategy`: one of `STRATEGIES`. `importance`: a map of the caller's own in its place, (H, W), uint8 or 0..1.

    `regions`: boxes that matter most, whatever else says. Raises ArgumentError for an unknown strategy, and for a
    strategy beside a map.
    """

    strategy: str | None = None
    importance: NDArray[Any] | None = None
    regions: tuple[Region, ...] = ()

    def __post_init__(self) -> None:
        if self.strategy is not None and self.strategy not in STRATEGIES:
            raise ArgumentError(f"strategy (={self.strategy!r}) must be one of: {', '.join(STRATEGIES)}")
        if self.strategy is not None and self.importance is not None:
            raise ArgumentError(f"strategy (={self.strategy!r}) and a quality map exclude each other; give one of them")

    @property
    def asked(self) -> bool:
        """Whether the caller steers at all."""
        return self.strategy is not None or self.importance is not None or bool(self.regions)

    def own_map(self, width: int, height: int) -> NDArray[np.float32] | None:
        """The caller's map as means of blocks, 0..1. Raises ArgumentError when it does not fit the picture."""
        if self.importance is None:
            return None
        values = np.asarray(self.importance)
        if values.shape != (height, width):
            shape = "x".join(map(str, values.shape[::-1]))
            raise ArgumentError(f"the quality map is {shape}, the picture {width}x{height}: they must be of one size")
        if values.dtype.kind not in "buif":
            raise ArgumentError(f"the quality map has values of type {values.dtype}; uint8, or floats from 0 to 1")
        scaled = values.astype(np.float32) / (255 if values.dtype == np.uint8 else 1)
        if not (np.isfinite(scaled).all() and scaled.min() >= 0 and scaled.max() <= 1):
            raise ArgumentError(
                f"the quality map has values from {values.min()} to {values.max()}; uint8, or floats from 0 to 1"
            )
        return block_means(np.pad(scaled, ((0, -height % BLOCK), (0, -width % BLOCK)), "edge"))

    def with_regions(self, values: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
        """A map of blocks with the regions at 1 and the rest lowered. Raises ArgumentError for one outside."""
        if not self.regions:
            return values
        raised = np.zeros(values.shape, bool)
        for region in self.regions:
            x, y, wide, tall = region
            if min(wide, tall) < 1 or min(x, y) < 0 or x + wide > width or y + tall > height:
                raise ArgumentError(
                    f"region {x},{y},{wide},{tall} (x, y, width, height) must be of 1x1 pixels or more, and lie within "
                    f"the picture, {width}x{height}"
                )
            raised[y // BLOCK : -(-(y + tall) // BLOCK), x // BLOCK : -(-(x + wide) // BLOCK)] = True
        return np.where(raised, 1.0, values * _OUTSIDE).astype(np.float32)
