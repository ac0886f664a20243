"""PCHIP: the piecewise cubic through points that rises and falls only where they do.

F. N. Fritsch and J. Butland, "A method for constructing local monotone piecewise cubic interpolants" (SIAM J. Sci.
Stat. Comput., 1984). Written here because SciPy, which has it, is 100 MB.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Pchip"]

Values = NDArray[np.float64]


class Pchip:
    """The interpolant through points (x, y), two or more, x rising."""

    def __init__(self, x: Values, y: Values) -> None:
        self._x = x
        self._width = np.diff(x)
        slope = np.diff(y) / self._width
        derivative = _derivatives(self._width, slope)
        first, last = derivative[:-1], derivative[1:]
        square = (3 * slope - 2 * first - last) / self._width
        cube = (first + last - 2 * slope) / self._width**2
        self._coefficients = np.stack([y[:-1], first, square, cube])  # of t^0 to t^3, t from the left end of a piece

    def __call__(self, x: float) -> float:
        """The value at x, between the first point and the last."""
        piece = min(int(np.searchsorted(self._x, x, "right")) - 1, len(self._width) - 1)
        return float(self._coefficients[:, piece] @ (x - self._x[piece]) ** np.arange(4))

    def mean(self, low: float, high: float) -> float:
        """The mean over `low` to `high`, both between the first point and the last; exact."""
        from_low, to_high = (self._integrals(np.clip(end - self._x[:-1], 0.0, self._width)) for end in (low, high))
        return float(np.sum(to_high - from_low)) / (high - low)

    def _integrals(self, t: Values) -> Values:
        """The integral of each piece from its left end over a length t."""
        powers = np.arange(1, 5)[:, None]
        integrals: Values = np.sum(self._coefficients * t**powers / powers, axis=0)
        return integrals


def _derivatives(width: Values, slope: Values) -> Values:
    """Derivatives at all points: weighted harmonic means inside, three-point formulas at the ends."""
    if len(slope) == 1:
        return np.repeat(slope, 2)
    inside = np.zeros(len(slope) - 1)  # where the slope changes its sign
    (same,) = np.nonzero(slope[:-1] * slope[1:] > 0)
    before, after = 2 * width[same + 1] + width[same], width[same + 1] + 2 * width[same]
    inside[same] = (before + after) / (before / slope[same] + after / slope[same + 1])
    return np.concatenate([[_end(width, slope)], inside, [_end(width[::-1], slope[::-1])]])


def _end(width: Values, slope: Values) -> float:
    """The derivative at the first point, limited so that the first piece stays monotone."""
    value = float(((2 * width[0] + width[1]) * slope[0] - width[0] * slope[1]) / (width[0] + width[1]))
    if value * slope[0] <= 0:
        return 0.0
    if slope[0] * slope[1] <= 0 and abs(value) > 3 * abs(slope[0]):
        return float(3 * slope[0])
    return value
