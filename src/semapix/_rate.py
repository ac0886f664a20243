"""The search for a rate: which mean quality makes a file as large as it may be."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple, TypeVar

import numpy as np

from semapix.errors import ArgumentError

__all__ = ["PASSES", "Pass", "search", "watched_passes"]

PASSES = 4
"""No search codes a picture more often."""

_CLOSE = 0.004  # a file that leaves less of its budget is near enough
_MARGINS = (0.002, 0.01, 0.03, 0.08)
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
    more, then that the logarithm of its bytes is linear between the nearest passes on both sides of the budget.
    `reach`: whether a picture that cannot fill the budget is an error. Raises ArgumentError when the smallest file has
    more bytes, and with `reach` when the largest one has fewer.
    """
    means = np.linspace(0, 1, len(rates))
    typical = np.log(np.maximum.accumulate(np.asarray(rates, np.float64))) + 1e-9 * np.arange(len(rates))
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
        goal = aim - _MARGINS[min(exceeded, len(_MARGINS) - 1)]
        if fitting and exceeding:
            low, high = max(fitting, key=lambda t: t.log_size), min(exceeding, key=lambda t: t.log_size)
            mean = low.mean + (goal - low.log_size) / (high.log_size - low.log_size) * (high.mean - low.mean)
        else:
            offset = latest.log_size - float(np.interp(latest.mean, means, typical))
            mean = float(np.interp(goal - offset, typical, means))
        if any(t.mean == mean for t in files):
            break
    fitting = [t for t in files if t.log_size <= aim]
    if not fitting:
        least = min(math.exp(t.log_size) for t in files)
        raise ArgumentError(f"{budget:.0f} bytes are less than this picture takes at the least, some {least:.0f}")
    return files[max(fitting, key=lambda t: t.log_size)]
