"""What decoded symbols cost by their tables: the rate that a model expects, to be set beside the bytes of a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Information", "counted_information", "current"]


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
