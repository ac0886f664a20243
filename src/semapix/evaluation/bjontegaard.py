"""Differences between rate-quality curves as one number: BD-rate, and BD-quality (BD-PSNR, BD-accuracy).

G. Bjontegaard, "Calculation of average PSNR differences between RD-curves" (VCEG-M33, 2001), with the interpolation
that video coding groups use now: PCHIP through all points, the rate in the logarithm, averaged over the range that
both curves reach.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from semapix.errors import ArgumentError
from semapix.evaluation._pchip import Pchip

__all__ = ["BdQuality", "BdRate", "Curve", "bd_quality", "bd_rate"]


@dataclass(frozen=True)
class Curve:
    """A codec's curve: `rates` (bits per pixel, or any unit) and `qualities` (dB, percent right) of its points.

    Points may come in any order. Raises ArgumentError for less than two points, equal rates, a rate that is not above
    zero, or a number that is not finite.
    """

    rates: Sequence[float]
    qualities: Sequence[float]

    def __post_init__(self) -> None:
        if len(self.rates) < 2 or len(self.rates) != len(self.qualities):
            raise ArgumentError(
                f"a curve needs two points or more, not {len(self.rates)} rates and {len(self.qualities)} qualities"
            )
        rates, qualities = self._sorted
        if not np.isfinite([rates, qualities]).all() or rates[0] <= 0:
            raise ArgumentError(f"rates must be above zero, and all numbers finite: {self.points}")
        if (np.diff(rates) <= 0).any():
            raise ArgumentError(f"two points of a curve must not have the same rate: {self.points}")

    @cached_property
    def _sorted(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        order = np.argsort(self.rates, kind="stable")
        return np.asarray(self.rates, np.float64)[order], np.asarray(self.qualities, np.float64)[order]

    @property
    def points(self) -> list[tuple[float, float]]:
        """Rate and quality of all points, by rising rate."""
        return [(float(rate), float(quality)) for rate, quality in zip(*self._sorted, strict=True)]

    @property
    def rising(self) -> Curve:
        """The points that are better than every cheaper one: what a user would choose, of accuracies that scatter.

        Raises ArgumentError when there is one alone.
        """
        rates, qualities = self._sorted
        best = np.maximum.accumulate(qualities)
        kept = np.append(True, qualities[1:] > best[:-1])
        return Curve(rates[kept].tolist(), qualities[kept].tolist())

    @cached_property
    def log_rate(self) -> Pchip:
        """The natural logarithm of the rate as a function of quality.

        Raises ArgumentError when the quality does not rise with the rate.
        """
        rates, qualities = self._sorted
        if (np.diff(qualities) <= 0).any():
            raise ArgumentError(f"the quality must rise with the rate, which it does not in {self.points}")
        return Pchip(qualities, np.log(rates))

    @cached_property
    def quality(self) -> Pchip:
        """The quality as a function of the natural logarithm of the rate."""
        rates, qualities = self._sorted
        return Pchip(np.log(rates), qualities)

    def rate_at(self, quality: float) -> float:
        """The rate at a quality between those of the curve's ends."""
        return float(np.exp(self.log_rate(quality)))


@dataclass(frozen=True)
class BdRate:
    """How many more bits one codec takes than another for the same quality."""

    percent: float
    """Mean difference in rate; below zero when the tested codec takes fewer bits."""
    qualities: tuple[float, float]
    """The overlap: lowest and highest quality that both curves reach."""
    rates: tuple[float, float]
    """Rates of the tested codec at these two."""
    reference_rates: tuple[float, float]
    """Rates of the reference at these two."""


@dataclass(frozen=True)
class BdQuality:
    """How much better one codec is than another at the same rate."""

    difference: float
    """Mean difference in quality, in its unit; above zero when the tested codec is better."""
    rates: tuple[float, float]
    """The overlap: lowest and highest rate that both curves reach."""


def bd_rate(test: Curve, reference: Curve) -> BdRate:
    """Compare the rates of two curves over the qualities that both reach.

    Raises ArgumentError when there are none, or a curve's quality does not rise with its rate.
    """
    low, high = _overlap(test.qualities, reference.qualities, "qualities")
    difference = test.log_rate.mean(low, high) - reference.log_rate.mean(low, high)
    return BdRate(
        100.0 * float(np.expm1(difference)),
        (low, high),
        (test.rate_at(low), test.rate_at(high)),
        (reference.rate_at(low), reference.rate_at(high)),
    )


def bd_quality(test: Curve, reference: Curve, within: tuple[float, float] | None = None) -> BdQuality:
    """Compare the qualities of two curves over the rates that both reach: BD-PSNR, or BD-accuracy.

    The mean is over the logarithm of the rate; the quality need not rise with it. `within`: lowest and highest rate
    that count, all by default. Raises ArgumentError when the curves have no rates in common, or none within these.
    """
    low, high = _overlap(test.rates, reference.rates, "rates")
    if within is not None:
        if max(low, within[0]) >= min(high, within[1]):
            raise ArgumentError(
                f"both curves reach rates {low:.3f} to {high:.3f}, none within {within[0]:g} to {within[1]:g}"
            )
        low, high = max(low, within[0]), min(high, within[1])
    span = float(np.log(low)), float(np.log(high))
    return BdQuality(test.quality.mean(*span) - reference.quality.mean(*span), (low, high))


def _overlap(test: Sequence[float], reference: Sequence[float], what: str) -> tuple[float, float]:
    low, high = float(max(min(test), min(reference))), float(min(max(test), max(reference)))
    if low >= high:
        raise ArgumentError(
            f"the curves do not overlap: {what} {min(test):.3f} to {max(test):.3f} against "
            f"{min(reference):.3f} to {max(reference):.3f}"
        )
    return low, high
