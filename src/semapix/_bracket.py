"""The search for a rate, of a codec whose bytes rise evenly with quality: which quality fills it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from semapix._budget import Budget
from semapix._watch import Coding, note_coding

__all__ = ["bracket"]

_CLOSE = 0.004  # a file that leaves less of its budget will do; all of these are logarithms of bytes
_ENOUGH = 0.01  # a rate of which the largest file leaves more is not filled
_GOAL = 0.002  # so far below the budget files are aimed
_RISE = 1e-9  # typical rates may stand still; a size must have one mean
_FINEST = 1 / 2048  # means nearer to each other make one file
_FAR = 0.02  # the line alone does well nearer to the budget
_BEYOND = 1.2  # a second step in one direction goes somewhat further, so that the budget lies between
_INNER = 0.05  # share of a bracket at either end that is not tried: each coding must narrow it

File = TypeVar("File")

Point = tuple[float, float]
"""A mean quality, and the logarithm of the bytes there."""


def bracket(
    code: Callable[[float], tuple[int, File]],
    budget: Budget,
    rates: Sequence[float],
    *,
    passes: int,
    reserve: int = 0,
) -> File:
    """The largest file within `budget` that was found, by coding at most `passes` times.

    `code`: a mean quality, 0 to 1, to the bytes of a file, and the file. `rates`: bytes of typical pictures of this
    size, at evenly spaced means from 0 to 1. Until one file fits and another does not, the search supposes that this
    picture takes a constant factor more than typical ones; then, that the logarithm of its bytes is linear between the
    two. If nothing else fits it goes to the lowest quality, early enough for `reserve` passes to be left. Raises
    TooSmall when the smallest file has more bytes, and TooLarge for a rate when the largest one has fewer.
    """
    means = np.linspace(0, 1, len(rates))
    typical = np.log(np.maximum.accumulate(np.asarray(rates, np.float64))) + _RISE * np.arange(len(rates))
    aim = math.log(budget.bytes)
    low: Point | None = None
    high: Point | None = None
    fitting: dict[int, File] = {}
    topped = False
    mean = 0.0 if passes <= reserve + 1 else float(np.interp(aim - _GOAL, typical, means))
    for left in reversed(range(passes)):
        size, file = code(mean)
        before, point = high or low, (mean, math.log(size))
        note_coding(Coding(mean, 0.0, point[1]))
        far = abs(point[1] - aim) > _FAR
        if size <= budget.bytes:
            fitting[size] = file
            topped = mean == 1.0
            if topped or aim - point[1] < _CLOSE:
                break
            high = _nearer(high, aim) if low and far else high
            low = point
        elif mean == 0.0:
            raise budget.too_small(size, "this picture takes that at the lowest quality")
        else:
            low = _nearer(low, aim) if high and far else low
            high = point
        if low and high:
            width = high[0] - low[0]
            if width < 2 * _FINEST:
                break
            share = (aim - _GOAL - low[1]) / (high[1] - low[1])
            mean = low[0] + min(1 - _INNER, max(_INNER, share)) * width
        elif high and left <= reserve + 1:
            mean = 0.0  # this one must fit, if any does
        else:
            missing = aim - _GOAL - point[1]
            offset = point[1] - float(np.interp(mean, means, typical))
            step = abs(float(np.interp(aim - _GOAL - offset, typical, means)) - mean)
            if before and (gave := (point[1] - before[1]) / (mean - before[0])) > 0:
                step = max(step, min(_BEYOND * abs(missing) / gave, 4 * step))
            mean = min(1.0, max(0.0, mean + math.copysign(max(step, _FINEST), missing)))
    largest = max(fitting)
    if topped and budget.rate is not None and aim - math.log(largest) >= _ENOUGH:
        raise budget.too_large(largest)
    return fitting[largest]


def _nearer(end: Point | None, aim: float) -> Point | None:
    """An end of the line, when the other one moved, at half of its distance to `aim`: as the Illinois method does, so
    that both ends draw near."""
    return end and (end[0], (end[1] + aim) / 2)
