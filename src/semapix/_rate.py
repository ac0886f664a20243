"""The search for a rate, of a codec whose bytes rise in steps: which mean quality, and which thrift, fill it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from semapix._budget import Budget
from semapix._watch import Coding, note_coding

__all__ = ["PASSES", "search"]

PASSES = 4
"""A search runs the encoder's networks over its picture no more often."""

_CLOSE = 0.004  # a file that leaves less of its budget is taken at once; all of these are logarithms of bytes
_ENOUGH = 0.01  # and this one when thrift was tried
_GOAL = 0.001  # so far below the budget files are aimed
_LAST_GOAL = 0.005  # the last coding of a pass: to fit matters more than to fill
_NEAR = 0.02  # what thrift brings to the budget at no loss to speak of
_RISE = 1e-9  # typical rates may stand still; a size must have one mean
_CODINGS = 4  # of what one pass made, with thrift
_YIELD = 0.03  # of thrift 1; the first step supposes it, the others know
_LEAST_THRIFT, _MOST_THRIFT = 0.2, 4.0
_DOUBTFUL = 0.15  # means below it may turn out to be below 0
_CAREFUL = 0.25  # the first of two passes must fit, or the second goes to the lowest quality: so far below it is aimed

File = TypeVar("File")

Coder = Callable[[float], tuple[int, File]]
"""Codes what the networks made of a picture: thrift to the bytes of a file, and the file."""


def search(
    analyse: Callable[[float], Coder[File]],
    budget: Budget,
    rates: Sequence[float],
    *,
    passes: int = PASSES,
    reserve: int = 0,
) -> File:
    """The largest file within `budget` that was found, by analysing at most `passes` times.

    `analyse`: a mean quality, 0 to 1, to what codes the picture as the networks see it under that quality; thrift 1
    halves the worth of an error against that of a bit, -1 doubles it. `rates`: bytes of typical pictures of this size,
    at evenly spaced means from 0 to 1. `reserve`: how many passes are left when it says that it cannot keep the budget,
    for other means that follow then; two below `passes` at most.

    At first the search supposes that this picture takes a constant factor more, then that the logarithm of its bytes
    is linear between the passes that are nearest to the budget. Sizes rise in steps, as maps have whole numbers: what
    comes near to the budget is coded again with other thrift, which takes no network and knows no steps. Raises
    TooSmall when the smallest file has more bytes, and TooLarge for a rate when the largest one has fewer.
    """
    means = np.linspace(0, 1, len(rates))
    typical = np.log(np.maximum.accumulate(np.asarray(rates, np.float64))) + _RISE * np.arange(len(rates))
    aim = math.log(budget.bytes)
    made: list[tuple[float, float]] = []
    plain: dict[float, Coder[File]] = {}  # of passes that were coded without thrift alone
    fitting: dict[int, File] = {}
    first_aim = aim - _CAREFUL if passes == 2 else aim
    mean = 0.0 if passes == 1 else float(np.interp(first_aim, typical, means))
    while True:
        plain[mean] = _watched(mean, analyse(mean))
        size, file = plain[mean](0.0)
        log_size = math.log(size)
        made.append((mean, log_size))
        left = passes - len(made)
        if size <= budget.bytes:
            fitting[size] = file
        elif mean == 0.0 and not fitting:
            if log_size - aim < _NEAR:
                fitting = _with_thrift(plain.pop(mean), log_size, aim)
            if not fitting:
                raise budget.too_small(size, "this picture takes that at the lowest quality")
        if _unused(fitting, aim) < _CLOSE:
            break
        if mean == 1.0 and size <= budget.bytes:
            if aim - log_size < _NEAR:
                fitting |= _with_thrift(plain.pop(mean), log_size, aim)
            if budget.rate is not None and _unused(fitting, aim) >= _ENOUGH:
                raise budget.too_large(max(fitting))
            break
        if len(made) == 1:
            offset = log_size - float(np.interp(mean, means, typical))
            mean = float(np.interp(aim - _GOAL - offset, typical, means))
        else:
            first, second = _next_to(aim, made)
            # The last one had rather be above the budget, by what the line may miss it: thrift can save more than fill.
            lift = min(_NEAR, abs(second[1] - first[1]) / 16) if left == 1 else 0.0
            mean = _beyond(made, aim, min(1.0, max(0.0, _where(aim - _GOAL + lift, first, second))))
        tried = any(one == mean for one, _ in made)
        nearest, its_size = min(made, key=lambda one: abs(one[1] - aim))
        now = abs(its_size - aim) < _NEAR or tried or left == 0 or (left == 1 and not fitting)
        if now and (code := plain.pop(nearest, None)):
            fitting |= _with_thrift(code, its_size, aim)
        if _unused(fitting, aim) < _ENOUGH or left == 0 or (tried and fitting):
            break
        if not fitting and (tried or left == 1 + reserve or (reserve and mean < _DOUBTFUL)):
            mean = 0.0  # this one must fit, if any does
    return fitting[max(fitting)]


def _watched(mean: float, code: Coder[File]) -> Coder[File]:
    """A coder that tells of its files to who watches."""

    def watched(thrift: float) -> tuple[int, File]:
        size, file = code(thrift)
        note_coding(Coding(mean, thrift, math.log(size)))
        return size, file

    return watched


def _unused(fitting: dict[int, File], aim: float) -> float:
    """What the largest file leaves of the budget, in the logarithm."""
    return aim - math.log(max(fitting)) if fitting else math.inf


def _with_thrift(code: Coder[File], log_size: float, aim: float) -> dict[int, File]:
    """Files of one pass that fit the budget, by their bytes, the last ones mostly next to it.

    `log_size`: of the file at thrift 0.
    """
    fitting: dict[int, File] = {}
    points = [(0.0, log_size)]
    thrift = (log_size - aim + _GOAL) / _YIELD
    thrift = math.copysign(max(abs(thrift), _LEAST_THRIFT), log_size - aim)
    while len(points) <= _CODINGS and _unused(fitting, aim) >= _CLOSE:
        thrift = min(_MOST_THRIFT, max(-_MOST_THRIFT, thrift))
        if any(one == thrift for one, _ in points):
            break
        size, file = code(thrift)
        points.append((thrift, math.log(size)))
        if points[-1][1] <= aim:
            fitting[size] = file
        further = 2 * thrift
        goal = _LAST_GOAL if len(points) == _CODINGS else _GOAL
        thrift = _where(aim - goal, *_ends(aim, points))
        if len({one <= aim for _, one in points}) == 1:  # a small file may not feel a small step
            thrift = max(thrift, further) if further > 0 else min(thrift, further)
    return fitting


def _ends(aim: float, points: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], tuple[float, float]]:
    """The ends of the line that says where to code next: `_next_to`, or after two codings on one side of `aim` with
    the far end at half of its distance (the Illinois method), or else steps would shrink before they are there."""
    first, second = _next_to(aim, points)
    fits = points[-1][1] <= aim
    if (points[-2][1] <= aim) == fits and len({one <= aim for _, one in points}) == 2:
        if fits:
            second = second[0], (second[1] + aim) / 2
        else:
            first = first[0], (first[1] + aim) / 2
    return first, second


def _next_to(aim: float, points: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], tuple[float, float]]:
    """The two of some places, each with the logarithm of its bytes, that are nearest to `aim`, on both sides if any."""
    fitting = sorted((one for one in points if one[1] <= aim), key=lambda one: -one[1])
    exceeding = sorted((one for one in points if one[1] > aim), key=lambda one: one[1])
    first, second = (fitting[0], exceeding[0]) if fitting and exceeding else (fitting or exceeding)[:2]
    return first, second


def _beyond(made: Sequence[tuple[float, float]], aim: float, mean: float) -> float:
    """The mean to try next: `mean`; 1 if all passes fit and it is above none, 0 if none fits and it is below none.

    `made`: of each pass its mean and the logarithm of its bytes; `aim`: that of the budget's. Bytes of a plain picture
    may stand still or fall where quality rises, and a line through two of them leads away.
    """
    tried = [one for one, _ in made]
    if all(size <= aim for _, size in made) and mean <= max(tried):
        return 1.0
    if all(size > aim for _, size in made) and mean >= min(tried):
        return 0.0
    return mean


def _where(goal: float, first: tuple[float, float], second: tuple[float, float]) -> float:
    """The place where the logarithm of the bytes is `goal`, on the line through two."""
    rise = second[1] - first[1]
    return first[0] if rise == 0.0 else first[0] + (goal - first[1]) / rise * (second[0] - first[0])
