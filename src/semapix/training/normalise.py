"""The range of pixel values that all networks work in."""

from __future__ import annotations

from torch import Tensor

__all__ = ["normalise"]


def normalise(pictures: Tensor) -> Tensor:
    """0 to 255 to about -2 to 2."""
    return (pictures - 127.5) / 64.0
