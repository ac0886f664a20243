"""The most bytes that a file may have, and what is said of one that cannot be kept, in the unit it was asked for in."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from semapix.errors import ArgumentError

__all__ = ["Budget"]

_DECIMALS = 4  # of bits per pixel


@dataclass(frozen=True)
class Budget:
    """At most `bytes` bytes: as they are, or as `bpp` bits for each of `pixels` pixels."""

    bytes: int
    bpp: float | None = None
    pixels: int = 0

    @classmethod
    def of_rate(cls, bpp: float, pixels: int) -> Budget:
        """The budget of a rate; one of less than a byte is one byte, which no file keeps either."""
        return cls(max(1, int(bpp * pixels / 8)), bpp, pixels)

    def too_small(self, least: int, why: str) -> ArgumentError:
        """The error for a budget below `least` bytes, the least that can be made."""
        return self._error(f"{self._amount(least, math.ceil)} or more: {why}")

    def too_large(self, most: int, why: str) -> ArgumentError:
        """The error for a budget above `most` bytes, the most that can be filled."""
        return self._error(f"{self._amount(most, math.floor)} or less: {why}")

    def _error(self, rule: str) -> ArgumentError:
        asked = f"max_bytes (={self.bytes})" if self.bpp is None else f"bpp (={self.bpp})"
        return ArgumentError(f"{asked} must be {rule}")

    def _amount(self, size: int, whole: Callable[[float], int]) -> str:
        """Bytes in the unit of the budget, rounded so that who asks for what it says gets a file."""
        if self.bpp is None:
            return str(size)
        return f"{whole(size * 8 / self.pixels * 10**_DECIMALS) / 10**_DECIMALS:.{_DECIMALS}f}"
