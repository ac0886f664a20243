"""The range of pixel values that all networks work in."""

from __future__ import annotations

from torch import Tensor

__all__ = ["denormalise", "denormalise_float", "normalise"]


def normalise(pictures: Tensor) -> Tensor:
    """0 to 255 to about -2 to 2."""
    return (pictures - 127.5) / 64.0


def denormalise_float(x: Tensor) -> Tensor:
    """The inverse of `normalise`."""
    return x * 64.0 + 127.5


def denormalise(x: Tensor) -> Tensor:
    """The inverse of `normalise`, rounded and clipped."""
    return denormalise_float(x).round().clamp(0, 255)
