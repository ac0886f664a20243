"""What a metric is, and what all metrics ask of their pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from semapix.errors import ArgumentError

__all__ = ["Metric", "Pixels", "Plane", "check", "check_pair", "luma"]

Pixels = NDArray[np.uint8]
Plane = NDArray[np.float64]

_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Metric:
    """One way to judge a picture. The figure of a data set is the mean of the figures of its pictures.

    `name`: as it is asked for, such as "psnr-y". `label`: as it stands in tables, such as "PSNR (luma)".
    `unit`: "dB", or "" for none. `better`: which figures are the good ones. `smallest_side`: in pixels; `measure`
    refuses pictures with a shorter one. `needs_reference`: False when the original is not looked at.
    `measure`: the figure of (picture, original), both uint8 (H, W, 3); raises ArgumentError for other arrays.
    """

    name: str
    label: str
    unit: str
    better: Literal["higher", "lower"]
    smallest_side: int
    needs_reference: bool
    measure: Callable[[Pixels, Pixels], float]
    scale: Callable[[float], float] = float
    """From means over pictures to the scale on which curves are drawn and compared, where higher is better."""
    axis: str = ""
    """What that scale is called, where it is another one than `label` in `unit`."""

    @property
    def axis_label(self) -> str:
        """What stands beside the axis of a plot."""
        return self.axis or (f"{self.label} ({self.unit})" if self.unit else self.label)

    @property
    def decimals(self) -> int:
        """How many are worth printing."""
        return 2 if self.unit else 4


def check(pixels: Pixels, smallest_side: int = 1, label: str = "a metric") -> None:
    """Raises ArgumentError when `pixels` are not uint8 (H, W, 3), or a side is shorter than `smallest_side`."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ArgumentError(f"pixels must be uint8 of shape (H, W, 3), not {pixels.dtype} {pixels.shape}")
    if min(pixels.shape[:2]) < smallest_side:
        raise ArgumentError(f"{label} needs sides of {smallest_side} pixels or more, not {pixels.shape[:2]}")


def check_pair(picture: Pixels, original: Pixels, smallest_side: int = 1, label: str = "a metric") -> None:
    """`check` of both, and that they are of one size."""
    check(picture)
    check(original)
    if picture.shape != original.shape:
        raise ArgumentError(f"the pictures differ in size: {picture.shape} and {original.shape}")
    check(picture, smallest_side, label)


def luma(pixels: Pixels) -> Plane:
    """Y of BT.601 in full range, as in JPEG, not rounded: uint8 (H, W, 3) to float64 (H, W), 0 to 255."""
    return pixels @ np.array(_LUMA)
