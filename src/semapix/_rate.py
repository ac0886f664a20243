"""The search for a rate: which mean quality makes a file as large as it may be."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from semapix.errors import ArgumentError

__all__ = ["PASSES", "search"]

PASSES = 4
"""No search codes a picture more often."""

_CLOSE = 0.004  # a file that leaves less of its budget is near enough
_LEAST_MARGIN = 0.002  # how far below the budget a search aims, in the logarithm
_EXCESS_MARGIN = 0.3  # the same after two passes that exceeded it, as a share of the smaller excess
_NEAR_MARGIN = 0.08  # the same of the last pass, as a share of the nearest one's distance from the budget ...
_LEFT_MARGIN = 0.04  # ... and of what the best file so far leaves of it, up to the largest gap
_LARGEST_GAP = 0.2
_GRID = 4097  # means at which the size of a file is expected
_RISE = 1e-3  # what the logarithm of a size rises by at the least, so that each size has its mean
_LEAST_STEP = 0.1  # from one typical rate to the next

File = TypeVar("File")


class _Pass(NamedTuple):
    mean: float
    log_size: float


def search(
    code: Callable[[float], tuple[int, File]], budget: float, rates: Sequence[float], *, reach: bool = False
) -> File:
    """The largest file of at most `budget` bytes that was found, by coding at most four times.

    `code`: a mean quality, 0 to 1, to the bytes of a file, and the file. `rates`: bytes of typical pictures of this
    size, at evenly spaced means from 0 to 1. The search supposes that this picture takes a factor more than they do,
    one whose logarithm is linear between the passes. `reach`: whether a picture that cannot fill the budget is an
    error. Raises ArgumentError when the smallest file has more bytes, and with `reach` when the largest one has fewer.
    """
    aim = math.log(budget)
    files: dict[_Pass, File] = {}
    while len(files) < PASSES:
        fitting = [t for t in files if t.log_size <= aim]
        mean = _expected(aim - _margin(aim, files), sorted(files), rates)
        tried = any(t.mean == mean for t in files)
        if fitting and tried:
            break
        if not fitting and (tried or len(files) == PASSES - 1):
            mean = 0.0  # the last one must fit, if any does
        size, file = code(mean)
        latest = _Pass(mean, math.log(size))
        files[latest] = file
        if mean == 0.0 and latest.log_size > aim:
            raise ArgumentError(f"{budget:.0f} bytes are less than this picture takes at the least, {size}")
        if 0 <= aim - latest.log_size < _CLOSE:
            break
        if mean == 1.0 and latest.log_size <= aim:
            if reach:
                raise ArgumentError(f"{budget:.0f} bytes are more than this picture takes at the most, {size}")
            break
    return files[max((t for t in files if t.log_size <= aim), key=lambda t: t.log_size)]


def _margin(aim: float, passes: Collection[_Pass]) -> float:
    """How far below the budget the next pass aims, in the logarithm: more where a miss would be lost."""
    near = min((abs(aim - t.log_size) for t in passes), default=0.0)
    left = min((aim - t.log_size for t in passes if t.log_size <= aim), default=math.inf)
    if len(passes) == PASSES - 1:
        return max(_LEAST_MARGIN, _NEAR_MARGIN * near, _LEFT_MARGIN * min(left, _LARGEST_GAP))
    if len(passes) == PASSES - 2 and math.isinf(left):
        return max(_LEAST_MARGIN, _EXCESS_MARGIN * near)
    return _LEAST_MARGIN


def _expected(goal: float, passes: Sequence[_Pass], rates: Sequence[float]) -> float:
    """The mean at which a file should have `goal` for the logarithm of its bytes; `passes` in the order of their means.

    Between two passes on both sides of the goal it is between theirs.
    """
    means = np.linspace(0, 1, _GRID)
    logs = np.log(rates)
    logs[1:] = logs[0] + np.cumsum(np.maximum(np.diff(logs), _LEAST_STEP))
    typical = np.interp(means, np.linspace(0, 1, len(rates)), logs)
    known = np.array([t.mean for t in passes])
    offsets = np.array([t.log_size for t in passes]) - np.interp(known, means, typical)
    expected = typical + (_joined(means, known, offsets) if passes else 0.0)
    rising = np.maximum.accumulate(expected) + _RISE * means
    mean = float(np.interp(goal, rising, means))
    low = max((t.mean for t in passes if t.log_size <= goal), default=0.0)
    high = min((t.mean for t in passes if t.log_size > goal), default=1.0)
    return min(max(mean, low), high) if low < high else mean


def _joined(x: NDArray[np.float64], known: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear between known points, and beyond them as between the last two."""
    if len(known) == 1:
        return np.full_like(x, values[0])
    slopes = np.diff(values) / np.diff(known)
    inside = np.interp(x, known, values)
    return inside + slopes[0] * np.minimum(x - known[0], 0) + slopes[-1] * np.maximum(x - known[-1], 0)
