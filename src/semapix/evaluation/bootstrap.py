"""How sure a difference between two systems is: paired bootstrap over pictures.

B. Efron, "Bootstrap methods: another look at the jackknife" (Annals of Statistics, 1979); percentile intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semapix.errors import ArgumentError

__all__ = ["Interval", "bootstrap", "mean_of", "paired_difference"]

_ROUNDS = 2000
_LEVEL = 95.0


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:+.2f} ({self.low:+.2f} to {self.high:+.2f})"


def bootstrap(count: int, figure: Callable[[NDArray[np.intp]], float], rounds: int = _ROUNDS) -> Interval:
    """The 95 % interval of `figure(numbers)` over random choices of `count` pictures, with repetition.

    `figure` takes the numbers of the chosen pictures, intp (count,). The same choices are made in every call, so
    figures of several systems are paired. A choice for which `figure` raises ArgumentError (curves that do not
    overlap) is left out; when more than a tenth are, the others would tell a biased story. Raises ArgumentError then,
    for less than two pictures, and when all pictures together have no figure.
    """
    if count < 2:
        raise ArgumentError(f"an interval needs two pictures or more, not {count}")
    random = np.random.default_rng(0)
    value = figure(np.arange(count))
    figures = []
    for _ in range(rounds):
        try:
            figures.append(figure(random.integers(0, count, count)))
        except ArgumentError:
            continue
    if len(figures) < 0.9 * rounds:
        raise ArgumentError(f"only {len(figures)} of {rounds} choices of pictures have a figure")
    low, high = np.percentile(figures, [50 - _LEVEL / 2, 50 + _LEVEL / 2])
    return Interval(value, float(low), float(high))


def mean_of(figures: Sequence[float] | NDArray[np.float64]) -> Interval:
    """The mean of figures of pictures. Raises ArgumentError for less than two pictures."""
    values = np.asarray(figures, np.float64)
    return bootstrap(len(values), lambda chosen: float(values[chosen].mean()))


def paired_difference(test: Sequence[float], reference: Sequence[float]) -> Interval:
    """Mean of `test` less mean of `reference`, figures of the same pictures in the same order."""
    if len(test) != len(reference):
        raise ArgumentError(f"paired figures must be of the same pictures, not of {len(test)} and {len(reference)}")
    return mean_of(np.asarray(test, np.float64) - np.asarray(reference, np.float64))
