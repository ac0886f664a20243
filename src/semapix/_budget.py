"""The most bytes that a file may have, and what is said of one that cannot be kept, in the unit it was asked for in."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from semapix.errors import ArgumentError

__all__ = ["MOST_BPP", "Budget", "TooLarge", "TooSmall"]

MOST_BPP = 100
"""The highest rate that can be asked for: four times what pixels take as they are."""

_DECIMALS = 4  # of bits per pixel


class _OutOfRange(ArgumentError):
    """No file has what the budget asks for; the nearest one has `nearest` bytes."""

    def __init__(self, message: str, nearest: int) -> None:
        super().__init__(message, nearest)  # both, for pickle
        self.nearest = nearest

    def __str__(self) -> str:
        return str(self.args[0])


class TooSmall(_OutOfRange):
    """No file is as small as the budget."""


class TooLarge(_OutOfRange):
    """No file fills the budget."""


@dataclass(frozen=True)
class _Rate:
    """`bpp` bits for each of `pixels` pixels."""

    bpp: float
    pixels: int


@dataclass(frozen=True)
class Budget:
    """At most `bytes` bytes; `rate`: what they were asked for as, if not as bytes (see `of_rate`)."""

    bytes: int
    rate: _Rate | None = None

    @classmethod
    def of_rate(cls, bpp: float, pixels: int) -> Budget:
        """The budget of a rate; one of less than a byte is one byte, which no file keeps either."""
        return cls(max(1, int(bpp * pixels / 8)), _Rate(bpp, pixels))

    def too_small(self, least: int, why: str) -> TooSmall:
        """The error for a budget below `least` bytes, the least that can be made."""
        if self.rate is not None and 8 * least > MOST_BPP * self.rate.pixels:  # no rate that can be asked for
            return TooSmall(f"bpp (={self.rate.bpp}) must be a number of bytes, {least} or more: {why}", least)
        return TooSmall(self._rule(f"{self._amount(least, math.ceil)} or more: {why}"), least)

    def too_large(self, most: int, variant: str | None = None) -> TooLarge:
        """The error for a budget above `most` bytes, the most that can be filled at the highest quality.

        `variant`: the one that was asked for, if there are larger ones.
        """
        way_out = f"max_bytes (={self.bytes}) makes its largest file"
        why = f"this picture takes no more at the highest quality; {way_out}"
        if variant is not None:
            why = f"variant {variant} takes no more at the highest quality; leave it out, or {way_out}"
        return TooLarge(self._rule(f"{self._amount(most, math.floor)} or less: {why}"), most)

    def between(self, most: int, least: int) -> ArgumentError:
        """The error for a budget above `most` bytes, the most at a smaller size, and below `least`, the least here."""
        smaller, larger = self._amount(most, math.floor), self._amount(least, math.ceil)
        why = f"this picture takes none between them; max_bytes (={self.bytes}) makes the largest file below"
        return ArgumentError(self._rule(f"{smaller} or less, or {larger} or more: {why}"))

    def _rule(self, rule: str) -> str:
        asked = f"max_bytes (={self.bytes})" if self.rate is None else f"bpp (={self.rate.bpp})"
        return f"{asked} must be {rule}"

    def _amount(self, size: int, whole: Callable[[float], int]) -> str:
        """Bytes in the unit of the budget, rounded so that who asks for what it says gets a file."""
        if self.rate is None:
            return str(size)
        steps = whole(size * 8 / self.rate.pixels * 10**_DECIMALS)
        if whole is math.ceil and Budget.of_rate(steps / 10**_DECIMALS, self.rate.pixels).bytes < size:
            steps += 1  # 1.14 bits for each of 400 pixels are 56.999... bytes, not 57
        return f"{steps / 10**_DECIMALS:.{_DECIMALS}f}"
