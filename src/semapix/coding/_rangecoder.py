"""One range coder per layer: integers under grouped tables, with an escape for every value outside of them.

The coder is constriction's default range coder (32-bit words, 64-bit state, 24-bit probabilities); docs/format.md
states it to the bit. Symbols of one call are coded table by table, in raster order within a table: one call into
constriction for each table. It is imported where it is needed: training codes nothing, and runs without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semapix.coding._information import current, watcher
from semapix.coding._tables import TableBank
from semapix.errors import CorruptLayer

__all__ = ["Grouped", "RangeDecoder", "RangeEncoder", "open_reader", "read", "seal"]

_MOST_ESCAPE_BITS = 30  # an escaped magnitude is below 2^31


@cache
def _bit_model() -> Any:
    """Two symbols of equal probability."""
    import constriction

    return constriction.stream.model.Categorical(np.array([0.5, 0.5]), perfect=True)


class Grouped:
    """Positions of symbols in the order of their tables, tables in rising order, in raster order within a table.

    Iterating gives (table, start, end) of each run of `order` that has one table.
    """

    def __init__(self, tables: NDArray[np.uint8]) -> None:
        self.order = np.argsort(tables, kind="stable")
        counts = np.bincount(tables)
        self._present = np.flatnonzero(counts)
        self._ends = np.cumsum(counts[self._present])

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        starts = [0, *self._ends[:-1].tolist()]
        return zip(self._present.tolist(), starts, self._ends.tolist(), strict=False)


def seal(coder: Any) -> bytes:
    """The shortest bytes that decode to what a constriction encoder holds when zero bytes follow them."""
    position, (low, span) = coder.pos()
    written = coder.get_compressed().astype(">u4").tobytes()
    size = 4 * position + 8
    sealed = int.from_bytes(written.ljust(size, b"\0"), "big")
    # `pos` gives the lower end of the interval modulo 2^64; the sealed point lies inside of the interval.
    low = sealed - (sealed - low) % 2**64
    for length in range(max(0, 4 * position - 4), size + 1):
        unit = 8 * (size - length)
        point = -(-low >> unit)
        if point << unit < low + span:
            return point.to_bytes(length, "big")
    raise AssertionError("an interval always holds a point of full length")


def open_reader(data: bytes) -> Any:
    """A constriction decoder of bytes that `seal` gave."""
    import constriction

    padded = data + bytes(-len(data) % 4 + 12)  # `seal` leaves out at most the last three words
    return constriction.stream.queue.RangeDecoder(np.frombuffer(padded, ">u4").astype(np.uint32))


def read(coder: Any, model: Any, count: int) -> NDArray[np.int32]:
    """The next `count` symbols under a model. Raises CorruptLayer when the bytes end before them."""
    try:
        symbols: NDArray[np.int32] = coder.decode(model, count)
    except AssertionError as error:  # how constriction says that the data are at their end
        raise CorruptLayer(f"the layer's bytes end before its symbols do ({error})") from None
    return symbols


class RangeEncoder:
    """Collects integers, then gives the bytes of the layer."""

    def __init__(self, tables: TableBank) -> None:
        import constriction

        self.tables = tables
        self._coder = constriction.stream.queue.RangeEncoder()

    def encode(self, values: NDArray[np.integer[Any]], levels: NDArray[np.uint8]) -> None:
        """Code `values` (any integers of less than 31 bits) under tables `levels`, arrays of equal length."""
        if (watch := watcher.get()) is not None:
            watch(values, levels)
        groups = Grouped(levels)
        for level, start, end in groups:
            positions = groups.order[start:end]
            reach = self.tables.reach(level)
            group = values[positions].astype(np.int64)
            outside = np.abs(group) > reach
            symbols = np.where(outside, 2 * reach + 1, group + reach).astype(np.int32)
            self._coder.encode(symbols, self.tables.model(level))
            for value in group[outside].tolist():
                self._escape(value, reach)

    def _escape(self, value: int, reach: int) -> None:
        """Sign, then Elias gamma of the magnitude beyond the table, in equiprobable bits."""
        excess = abs(value) - reach  # 1 or more
        length = excess.bit_length() - 1
        if length > _MOST_ESCAPE_BITS:
            raise ValueError(f"a latent of {value} is beyond the escape's 31 bits")
        bits = [int(value < 0)] + [1] * length + [0] + [excess >> i & 1 for i in reversed(range(length))]
        self._coder.encode(np.array(bits, np.int32), _bit_model())

    def finish(self) -> bytes:
        """The shortest bytes that decode to what was coded when zero bytes follow them."""
        return seal(self._coder)


class RangeDecoder:
    """Reads what `RangeEncoder` wrote, in the same order and with the same tables."""

    def __init__(self, data: bytes, tables: TableBank) -> None:
        self._tables = tables
        self._coder = open_reader(data)

    def decode(self, levels: NDArray[np.uint8]) -> NDArray[np.int32]:
        """Values under tables `levels`, in the order of `levels`.

        Raises CorruptLayer when the bytes do not decode to as many values.
        """
        values = np.empty(len(levels), np.int32)
        information = current.get()
        each = None if information is None or information.each is None else np.zeros(len(levels), np.float32)
        groups = Grouped(levels)
        for level, start, end in groups:
            positions = groups.order[start:end]
            reach = self._tables.reach(level)
            symbols = read(self._coder, self._tables.model(level), len(positions))
            if information is not None:
                bits = self._tables.bits(level, symbols)
                information.bits += float(bits.sum())
                if each is not None:
                    each[positions] = bits
            group = symbols - reach
            for i in np.flatnonzero(symbols == 2 * reach + 1):
                group[i] = self._escaped(reach)
            values[positions] = group
        if information is not None and information.each is not None and each is not None:
            information.each.append(each)
        return values

    def _bit(self) -> int:
        information = current.get()
        if information is not None:
            information.bits += 1
        return int(read(self._coder, _bit_model(), 1)[0])

    def _escaped(self, reach: int) -> int:
        negative = self._bit()
        length = 0
        while self._bit():
            length += 1
            if length > _MOST_ESCAPE_BITS:
                raise CorruptLayer(f"an escaped value is longer than {_MOST_ESCAPE_BITS} bits")
        excess = 1
        for _ in range(length):
            excess = excess << 1 | self._bit()
        magnitude = excess + reach
        if magnitude >= 2**31:
            raise CorruptLayer(f"an escaped value of magnitude {magnitude} does not fit into 32 bits")
        return -magnitude if negative else magnitude
