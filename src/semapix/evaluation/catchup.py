"""Accuracy on decoded pictures at rising rates, and the rate at which it catches up with another accuracy.

The question is that of Table 2 of the scalable paper: what a classifier says of reconstructions falls with the rate,
what one says of features does not. Between the settings of a codec accuracy is linear in the logarithm of the rate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semapix.errors import ArgumentError
from semapix.evaluation.bootstrap import Interval, bootstrap

__all__ = ["AccuracyCurve", "CatchUp"]

Array = NDArray[np.float64]

_ROUNDS = 1000


@dataclass(frozen=True, eq=False)
class AccuracyCurve:
    """One classifier on what one codec decodes. `bpp`, `right`: (settings, pictures); right is 100 or 0.

    Raises ArgumentError unless both are of one shape, with a setting and a picture at least.
    """

    bpp: Array
    right: Array

    def __post_init__(self) -> None:
        if self.bpp.shape != self.right.shape or self.bpp.ndim != 2 or not self.bpp.size:
            raise ArgumentError(f"bpp {self.bpp.shape} and right {self.right.shape} must both be (settings, pictures)")

    def points(self, chosen: NDArray[np.intp] | slice = slice(None)) -> tuple[Array, Array]:
        """Mean rate and accuracy, percent, of each setting over the chosen pictures, by rising rate."""
        rates, shares = self.bpp[:, chosen].mean(1), self.right[:, chosen].mean(1)
        order = np.argsort(rates, kind="stable")
        return rates[order], shares[order]

    def lead_over(self, reference: Array, rate: float) -> Interval | None:
        """How many points another accuracy is ahead at a rate; None where no setting is as low, or none as high.

        `reference`: 100 or 0 for the same pictures, (pictures,). Raises ArgumentError for less than two pictures.
        """
        rates, _ = self.points()
        if not rates[0] <= rate <= rates[-1]:
            return None

        def lead(chosen: NDArray[np.intp]) -> float:
            rates, shares = self.points(chosen)
            return float(reference[chosen].mean() - np.interp(np.log(rate), np.log(rates), shares))

        return bootstrap(len(reference), lead, _ROUNDS)

    def catch_up(self, reference: Array, margin: float = 0.0) -> CatchUp:
        """The lowest rate at which accuracy is no more than `margin` points below another one of the same pictures.

        The first crossing counts, though a curve that noise bends may fall again: that is in favour of pictures.
        Raises ArgumentError for less than two pictures.
        """
        lowest, highest = (float(rate) for rate in self.points()[0][[0, -1]])

        def crossing(chosen: NDArray[np.intp]) -> float:
            rates, shares = self.points(chosen)
            wanted = reference[chosen].mean() - margin
            reached = np.flatnonzero(shares >= wanted)
            if not len(reached):
                return highest
            after = reached[0]
            if after == 0:
                return lowest
            share = (wanted - shares[after - 1]) / (shares[after] - shares[after - 1])
            logs = np.log(rates[after - 1 : after + 1])
            return float(np.clip(np.exp(logs[0] + share * (logs[1] - logs[0])), lowest, highest))

        return CatchUp(bootstrap(len(reference), crossing, _ROUNDS), lowest, highest)


@dataclass(frozen=True)
class CatchUp:
    """A rate with its 95 % interval, bits per pixel, cut at the `lowest` and `highest` rate that were measured.

    An end at `highest` says that accuracy catches up there or further on, or never.
    """

    rate: Interval
    lowest: float
    highest: float

    def __str__(self) -> str:
        value, low, high = (f"{self._sign(r)}{r:.3g}" for r in (self.rate.value, self.rate.low, self.rate.high))
        return f"{value} ({low} to {high})"

    def times(self, rate: float) -> str:
        """How many times another rate it is, with a sign where it is cut."""
        return f"{self._sign(self.rate.value)}{self.rate.value / rate:.1f}"

    def _sign(self, rate: float) -> str:
        return "≥ " if rate >= self.highest else "≤ " if rate <= self.lowest else ""
