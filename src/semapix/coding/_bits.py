"""Bits under probabilities that change from bit to bit: one of 256 tables each, on a range coder of their own.

The coder is that of `RangeEncoder`; bits of one call are coded table by table, in the order given within a table.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semapix.coding._information import current
from semapix.coding._rangecoder import Grouped, open_reader, read, seal
from semapix.coding._tables import PRECISION

__all__ = ["BIT_TABLES", "BitDecoder", "BitEncoder", "BitTables", "bit_counts"]

BIT_TABLES = 256
"""Number of tables; table i stands for log odds of (i - 128) / 16."""


def bit_counts() -> NDArray[np.int32]:
    """Counts of ones, of 2^24, in each table: computed at export, stored in the bundle, never computed again."""
    odds = [(table - BIT_TABLES // 2) / 16.0 for table in range(BIT_TABLES)]
    shares = np.array([1.0 / (1.0 + math.exp(-value)) for value in odds])
    return np.round(shares * 2**PRECISION).astype(np.int32)


class BitTables:
    """Tables of two symbols; `ones`: counts of ones of 2^24, (256,)."""

    def __init__(self, ones: NDArray[np.int32]) -> None:
        if len(ones) != BIT_TABLES or ones.min() < 1 or ones.max() >= 2**PRECISION:
            raise ValueError(f"there must be {BIT_TABLES} counts between 1 and 2^{PRECISION} - 1")
        self._ones = ones
        self._models: list[Any] = [None] * BIT_TABLES
        shares = ones / float(2**PRECISION)
        self.cost = -np.log2(np.stack([1.0 - shares, shares], axis=1))
        """Bits that a 0 and a 1 cost under each table, (256, 2)."""

    def model(self, table: int) -> Any:
        """The constriction model of a table."""
        model = self._models[table]
        if model is None:
            import constriction

            share = self._ones[table] / float(2**PRECISION)
            model = constriction.stream.model.Categorical(np.array([1.0 - share, share]), perfect=True)
            self._models[table] = model
        return model


class BitEncoder:
    """Collects bits, then gives their bytes."""

    def __init__(self, tables: BitTables) -> None:
        import constriction

        self._tables = tables
        self._coder = constriction.stream.queue.RangeEncoder()

    def code(self, tables: NDArray[np.uint8], bits: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Code bits under `tables`, arrays of equal length; returns the bits."""
        groups = Grouped(tables)
        ordered = bits[groups.order].astype(np.int32)
        for table, start, end in groups:
            self._coder.encode(ordered[start:end], self._tables.model(table))
        return bits

    def finish(self) -> bytes:
        """The shortest bytes that decode to what was coded when zero bytes follow them."""
        return seal(self._coder)


class BitDecoder:
    """Reads what `BitEncoder` wrote, in the same order and with the same tables."""

    def __init__(self, data: bytes, tables: BitTables) -> None:
        self._tables = tables
        self._coder = open_reader(data)

    def code(self, tables: NDArray[np.uint8], bits: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """The bits under `tables`; those given are not looked at. Raises CorruptLayer when the bytes do not decode."""
        groups = Grouped(tables)
        ordered = np.empty(len(tables), np.uint8)
        for table, start, end in groups:
            ordered[start:end] = read(self._coder, self._tables.model(table), end - start)
        decoded = np.empty_like(ordered)
        decoded[groups.order] = ordered
        information = current.get()
        if information is not None:
            information.bits += float(self._tables.cost[tables, decoded].sum())
        return decoded
