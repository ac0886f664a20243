"""Pixels as networks see them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["denormalise", "normalise"]


def normalise(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """uint8 (H, W, 3) to float32 (1, 3, H, W), about -2 to 2."""
    return ((pixels.astype(np.float32) - 127.5) / 64.0).transpose(2, 0, 1)[None]


def denormalise(x: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The inverse of `normalise`, rounded and clipped."""
    values = np.rint(x[0].transpose(1, 2, 0) * 64.0 + 127.5)
    return values.clip(0, 255).astype(np.uint8)
