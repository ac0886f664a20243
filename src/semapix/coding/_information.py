"""What coders tell of their symbols: what they cost by their tables, and which they were."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Information", "counted_information", "current", "shown_symbols", "watcher"]


@dataclass
class Information:
    """Bits of all symbols that were decoded so far."""

    bits: float = 0.0
    each: list[NDArray[np.float32]] | None = None
    """Of each row of symbols that a range decoder has read the bits of each symbol, but for what escapes add; None
    where nobody asked for it."""


current: ContextVar[Information | None] = ContextVar("current", default=None)
"""Where decoders add to; None when nobody wants to know."""


@contextmanager
def counted_information(*, each: bool = False) -> Iterator[Information]:
    """Counts the information in all that is decoded within: -log2 of each symbol's share of its table.

    `each`: keep that of each symbol, too.
    """
    token = current.set(Information(each=[] if each else None))
    try:
        found = current.get()
        assert found is not None
        yield found
    finally:
        current.reset(token)


watcher: ContextVar[Callable[[NDArray[Any], NDArray[Any]], None] | None] = ContextVar("watcher", default=None)
"""Whom encoders show their symbols; None when nobody wants to know."""


@contextmanager
def shown_symbols(watch: Callable[[NDArray[Any], NDArray[Any]], None]) -> Iterator[None]:
    """Shows `watch` all values that are encoded within, and the table of each: arrays (N,)."""
    token = watcher.set(watch)
    try:
        yield
    finally:
        watcher.reset(token)
