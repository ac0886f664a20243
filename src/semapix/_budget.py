"""The most bytes that a file may have, and what is said of one that cannot be kept, in the unit it was asked for in."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from semapix.errors import ArgumentError

__all__ = ["Budget", "TooSmall"]

_DECIMALS = 4  # of bits per pixel


class TooSmall(ArgumentError):
    """No file is as small as the budget; the smallest one has `least` bytes."""

    def __init__(self, message: str, least: int) -> None:
        super().__init__(message, least)  # both, for pickle
        self.least = least

    def __str__(self) -> str:
        return str(self.args[0])


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
        return TooSmall(self._rule(f"{self._amount(least, math.ceil)} or more: {why}"), least)

    def too_large(self, most: int, why: str) -> ArgumentError:
        """The error for a budget above `most` bytes, the most that can be filled."""
        return ArgumentError(self._rule(f"{self._amount(most, math.floor)} or less: {why}"))

    def _rule(self, rule: str) -> str:
        asked = f"max_bytes (={self.bytes})" if self.rate is None else f"bpp (={self.rate.bpp})"
        return f"{asked} must be {rule}"

    def _amount(self, size: int, whole: Callable[[float], int]) -> str:
        """Bytes in the unit of the budget, rounded so that who asks for what it says gets a file."""
        if self.rate is None:
            return str(size)
        return f"{whole(size * 8 / self.rate.pixels * 10**_DECIMALS) / 10**_DECIMALS:.{_DECIMALS}f}"
