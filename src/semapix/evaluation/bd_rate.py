"""BD-rate: how many more bits one codec takes than another for the same quality, on average.

G. Bjontegaard, "Calculation of average PSNR differences between RD-curves" (VCEG-M33, 2001), with the interpolation
that video coding groups use now: the logarithm of the rate as a function of quality, through all points by PCHIP,
averaged over the qualities that both curves reach.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from semapix.errors import ArgumentError
from semapix.evaluation._pchip import Pchip

__all__ = ["BdRate", "Curve", "bd_rate"]


@dataclass(frozen=True)
class Curve:
    """A codec's rate-distortion curve: `rates` (bits per pixel, or any unit) and `qualities` (dB) of its points.

    Raises ArgumentError for less than two points, a rate that is not above zero, or a quality that does not rise with
    the rate.
    """

    rates: Sequence[float]
    qualities: Sequence[float]

    def __post_init__(self) -> None:
        if len(self.rates) < 2 or len(self.rates) != len(self.qualities):
            raise ArgumentError(
                f"a curve needs two points or more, not {len(self.rates)} rates and {len(self.qualities)} qualities"
            )
        points = sorted(zip(map(float, self.rates), map(float, self.qualities), strict=True))
        rates, qualities = (np.array(values) for values in zip(*points, strict=True))
        if not np.isfinite([rates, qualities]).all() or rates[0] <= 0:
            raise ArgumentError(f"rates must be above zero, and all numbers finite: {points}")
        if (np.diff(rates) <= 0).any() or (np.diff(qualities) <= 0).any():
            raise ArgumentError(f"the quality must rise with the rate, which it does not in {points}")

    @cached_property
    def log_rate(self) -> Pchip:
        """The natural logarithm of the rate as a function of quality."""
        order = np.argsort(self.rates)
        return Pchip(np.asarray(self.qualities, float)[order], np.log(np.asarray(self.rates, float)[order]))

    def rate_at(self, quality: float) -> float:
        """The rate at a quality between those of the curve's ends."""
        return float(np.exp(self.log_rate(quality)))


@dataclass(frozen=True)
class BdRate:
    """The result of a comparison."""

    percent: float
    """Mean difference in rate at the same quality; below zero when the tested codec takes fewer bits."""
    qualities: tuple[float, float]
    """The overlap: lowest and highest quality that both curves reach."""
    rates: tuple[float, float]
    """Rates of the tested codec at these two."""
    reference_rates: tuple[float, float]
    """Rates of the reference at these two."""


def bd_rate(test: Curve, reference: Curve) -> BdRate:
    """Compare two curves over the qualities that both reach. Raises ArgumentError when there are none."""
    low = float(max(min(test.qualities), min(reference.qualities)))
    high = float(min(max(test.qualities), max(reference.qualities)))
    if low >= high:
        raise ArgumentError(
            f"the curves do not overlap: qualities {min(test.qualities):.3f} to {max(test.qualities):.3f} against "
            f"{min(reference.qualities):.3f} to {max(reference.qualities):.3f}"
        )
    difference = test.log_rate.mean(low, high) - reference.log_rate.mean(low, high)
    return BdRate(
        100.0 * float(np.expm1(difference)),
        (low, high),
        (test.rate_at(low), test.rate_at(high)),
        (reference.rate_at(low), reference.rate_at(high)),
    )
