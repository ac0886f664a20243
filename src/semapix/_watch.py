"""What searches for a rate did, for those who measure them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

__all__ = ["Coding", "note_coding", "watched_codings"]


class Coding(NamedTuple):
    """A file that a search made: mean quality, 0 to 1; thrift, 0 for what a pass gives; the logarithm of its bytes."""

    mean: float
    thrift: float
    log_size: float


_watching: ContextVar[list[Coding] | None] = ContextVar("_watching", default=None)


@contextmanager
def watched_codings() -> Iterator[list[Coding]]:
    """The files that searches make within, in their order; those of thrift 0 are the passes."""
    codings: list[Coding] = []
    token = _watching.set(codings)
    try:
        yield codings
    finally:
        _watching.reset(token)


def note_coding(coding: Coding) -> None:
    """Tell of a file to who watches."""
    if (watching := _watching.get()) is not None:
        watching.append(coding)
