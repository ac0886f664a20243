"""The search for a rate: which mean quality makes a file as large as it may be."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple, TypeVar

import numpy as np

from semapix.errors import ArgumentError

__all__ = ["PASSES", "Pass", "search", "watched_passes"]

PASSES = 4
"""No search codes a picture more often."""

_CLOSE = 0.004  # a file that leaves less of its budget is near enough
_RISE = 1e-9  # typical rates may stand still; a size must have one mean
_MARGINS = (0.002, 0.01, 0.03)
"""How far below the budget a search aims, in the logarithm: more for every pass in a row that exceeded it."""

File = TypeVar("File")


class Pass(NamedTuple):
    """One pass of a search: the mean quality, 0 to 1, and the logarithm of the bytes of the file."""

    mean: float
    log_size: float


_watching: ContextVar[list[Pass] | None] = ContextVar("_watching", default=None)


@contextmanager
def watched_passes() -> Iterator[list[Pass]]:
    """The passes that searches make within, in their order."""
    passes: list[Pass] = []
    token = _watching.set(passes)
    try:
        yield passes
    finally:
        _watching.reset(token)


def search(
    code: Callable[[float], tuple[int, File]], budget: float, rates: Sequence[float], *, reach: bool = False
) -> File:
    """The largest file of at most `budget` bytes that was found, by coding at most four times.

    `code`: a mean quality, 0 to 1, to the bytes of a file, and the file. `rates`: bytes of typical pictures of this
    size, at evenly spaced means from 0 to 1. At first the search supposes that this picture takes a constant factor
    more, then that the logarithm of its bytes is linear between the passes that are nearest to the budget.
    `reach`: whether a picture that cannot fill the budget is an error. Raises ArgumentError when the smallest file has
    more bytes, and with `reach` when the largest one has fewer.
    """
    means = np.linspace(0, 1, len(rates))
    typical = np.log(np.maximum.accumulate(np.asarray(rates, np.float64))) + _RISE * np.arange(len(rates))
    aim = math.log(budget)
    files: dict[Pass, File] = {}
    exceeded = 0  # passes in a row
    mean = float(np.interp(aim, typical, means))
    while len(files) < PASSES:
        size, file = code(mean)
        latest = Pass(mean, math.log(size))
        files[latest] = file
        if (watching := _watching.get()) is not None:
            watching.append(latest)
        fitting = [t for t in files if t.log_size <= aim]
        exceeding = [t for t in files if t.log_size > aim]
        if not fitting and mean == 0.0:
            raise ArgumentError(f"{budget:.0f} bytes are less than this picture takes at the least, {size}")
        if fitting and aim - max(t.log_size for t in fitting) < _CLOSE:
            break
        if latest in fitting and mean == 1.0:
            if reach:
                raise ArgumentError(f"{budget:.0f} bytes are more than this picture takes at the most, {size}")
            break
        exceeded = 0 if latest in fitting else exceeded + 1
        margin = _MARGINS[min(exceeded, len(_MARGINS) - 1)]
        if len(files) == PASSES - 1 and fitting:  # the last chance: a pass that exceeds would gain nothing
            margin = max(margin, min(_MARGINS[-1], (aim - max(t.log_size for t in fitting)) / 4))
        goal = aim - margin
        if len(files) == 1:
            offset = latest.log_size - float(np.interp(latest.mean, means, typical))
            mean = float(np.interp(goal - offset, typical, means))
        else:
            mean = _between(*_nearest(files, fitting, exceeding), goal)
        tried = any(t.mean == mean for t in files)
        if tried and fitting:
            break
        if not fitting and (tried or len(files) == PASSES - 1):
            mean = 0.0  # the last one must fit, if any does
    return files[max((t for t in files if t.log_size <= aim), key=lambda t: t.log_size)]


def _nearest(files: Collection[Pass], fitting: Sequence[Pass], exceeding: Sequence[Pass]) -> tuple[Pass, Pass]:
    """The two passes next to the budget: one on each side of it, if there are."""
    if fitting and exceeding:
        return max(fitting, key=lambda t: t.log_size), min(exceeding, key=lambda t: t.log_size)
    first, second, *_ = sorted(files, key=lambda t: t.log_size, reverse=not exceeding)
    return first, second


def _between(first: Pass, second: Pass, goal: float) -> float:
    """The mean, 0 to 1, at which the logarithm of the bytes is `goal` on the line through two passes."""
    rise = second.log_size - first.log_size
    if rise == 0.0:
        return first.mean
    return min(1.0, max(0.0, first.mean + (goal - first.log_size) / rise * (second.mean - first.mean)))
