"""Graphs over tiles of a picture, so that memory stays bounded.

Tiles overlap by a margin that covers what a graph sees, so that the result does not depend on the tiling.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from semapix.codecs._pixels import denormalise
from semapix.imaging import Box, tiles

__all__ = ["grid_of", "picture_of"]

Array = NDArray[np.float32]


def grid_of(size: tuple[int, int], stride: int, tile: int, margin: int, run: Callable[[Box], Array]) -> Array:
    """A grid (1, C, ceil(H/stride), ceil(W/stride)) of a picture of a `size` (width, height).

    `run`: a part of the picture, in pixels, to its grid, (1, C, h, w), of at least ceil of its sides over `stride`.
    """
    width, height = size
    whole: Array | None = None
    for inner, outer in tiles(height, width, tile, margin):
        result = run(outer)
        if whole is None:
            whole = np.empty((1, result.shape[1], -(-height // stride), -(-width // stride)), np.float32)
        top, left = inner.top // stride, inner.left // stride
        bottom, right = -(-inner.bottom // stride), -(-inner.right // stride)
        y, x = top - outer.top // stride, left - outer.left // stride
        whole[:, :, top:bottom, left:right] = result[:, :, y : y + bottom - top, x : x + right - left]
    assert whole is not None
    return whole


def picture_of(
    size: tuple[int, int], stride: int, tile: int, margin: int, run: Callable[[Box], Array]
) -> NDArray[np.uint8]:
    """A picture, uint8 (H, W, 3), of a `size` (width, height).

    `run`: a part of the grid, `stride` pixels a position, to its pixels, (1, 3, h, w) in the range of `normalise`.
    """
    width, height = size
    picture = np.empty((height, width, 3), np.uint8)
    for inner, outer in tiles(height, width, tile, margin):
        part = Box(outer.top // stride, outer.left // stride, -(-outer.bottom // stride), -(-outer.right // stride))
        result = denormalise(run(part))
        y, x = inner.top - outer.top, inner.left - outer.left
        picture[inner.top : inner.bottom, inner.left : inner.right] = result[
            y : y + inner.bottom - inner.top, x : x + inner.right - inner.left
        ]
    return picture
