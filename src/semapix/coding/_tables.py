"""Probability tables as integer counts: computed once at export, stored in the bundle, never computed again."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["GAUSSIAN_REACH", "LEVELS", "SCALE_HIGH", "SCALE_LOW", "TableBank", "gaussian_counts", "scale_of_level"]

PRECISION = 24
"""Every table's counts add up to 2^24."""

LEVELS = 64
"""Number of tables in a bank."""

SCALE_LOW, SCALE_HIGH = 0.11, 64.0
"""Standard deviations of the first and the last table; those between are spaced evenly in the logarithm."""

GAUSSIAN_REACH = 5
"""Standard deviations of a Gaussian that its table covers, on each side."""

_ESCAPE_FLOOR = 2**8  # an escape costs 16 bits at most, plus the escaped value itself


def scale_of_level(level: NDArray[np.floating[Any]] | float) -> Any:
    """Standard deviation of a table, from its level 0 to `LEVELS` - 1 (fractions allowed, for training)."""
    return np.exp(math.log(SCALE_LOW) + np.asarray(level) * (math.log(SCALE_HIGH / SCALE_LOW) / (LEVELS - 1)))


def gaussian_counts() -> list[NDArray[np.int32]]:
    """The bank of zero-mean Gaussians, integrated over unit bins.

    Table i has the symbols -R..R and, last, the escape; R covers `GAUSSIAN_REACH` standard deviations. Each table holds
    2R + 2 positive counts that add up to 2^24.
    """
    bank = []
    for scale in scale_of_level(np.arange(LEVELS, dtype=np.float64)):
        reach = int(np.ceil(GAUSSIAN_REACH * scale))
        edges = (np.arange(-reach, reach + 2) - 0.5) / (scale * math.sqrt(2.0))
        cumulative = np.array([0.5 * math.erfc(-edge) for edge in edges])
        mass = np.diff(cumulative)
        escape = max(_ESCAPE_FLOOR, math.ceil((1.0 - mass.sum()) * 2**PRECISION))
        counts = np.maximum(1, np.floor(mass / mass.sum() * (2**PRECISION - escape - len(mass)))).astype(np.int64)
        counts = np.append(counts, escape)
        counts[reach] += 2**PRECISION - counts.sum()
        bank.append(counts.astype(np.int32))
    return bank


class TableBank:
    """Tables ready for the range coder.

    `counts`: one array of 2R + 2 positive integers per table, for the symbols -R..R and the escape; they add up to
    2^24, so that constriction's fixed-point model is exactly these integers.
    """

    def __init__(self, counts: list[NDArray[np.int32]]) -> None:
        for number, table in enumerate(counts):
            if table.sum(dtype=np.int64) != 2**PRECISION or table.min() < 1 or len(table) % 2:
                raise ValueError(f"table {number} must have 2R + 2 positive counts that add up to 2^{PRECISION}")
        self._counts = counts
        self._models: list[Any] = [None] * len(counts)

    def __len__(self) -> int:
        return len(self._counts)

    def reach(self, level: int) -> int:
        """Largest magnitude that table `level` codes without an escape."""
        return len(self._counts[level]) // 2 - 1

    def bits(self, level: int, symbols: NDArray[np.int32]) -> NDArray[np.float64]:
        """What each of the symbols (0 to 2R + 1, the last one being the escape) costs under table `level`."""
        shares = self._counts[level][symbols] / float(2**PRECISION)
        bits: NDArray[np.float64] = -np.log2(shares)
        return bits

    @cached_property
    def reaches(self) -> NDArray[np.int32]:
        """The largest magnitude that each table codes without an escape, (tables,)."""
        return np.array([self.reach(level) for level in range(len(self))], np.int32)

    @cached_property
    def magnitude_bits(self) -> NDArray[np.float32]:
        """What a magnitude costs under each table, in bits: (tables, N); 0 where the table would escape."""
        bits = np.zeros((len(self), self.reaches.max() + 1), np.float32)
        for level, counts in enumerate(self._counts):
            reach = self.reach(level)
            bits[level, : reach + 1] = PRECISION - np.log2(counts[reach : 2 * reach + 1])
        return bits

    def model(self, level: int) -> Any:
        """The constriction model of table `level`."""
        model = self._models[level]
        if model is None:
            import constriction  # training makes tables, and needs no coder

            probabilities = self._counts[level] / float(2**PRECISION)
            model = self._models[level] = constriction.stream.model.Categorical(probabilities, perfect=True)
        return model

    def counts(self, level: int) -> NDArray[np.int32]:
        """The counts of table `level`."""
        return self._counts[level]

    @staticmethod
    def pack(counts: list[NDArray[np.int32]]) -> NDArray[np.int32]:
        """All tables as one array, each behind its length: how a bundle stores them."""
        return np.concatenate([np.append(np.int32(len(table)), table) for table in counts]).astype(np.int32)

    @classmethod
    def unpack(cls, packed: NDArray[np.int32]) -> TableBank:
        """The inverse of `pack`."""
        counts, position = [], 0
        while position < len(packed):
            length = int(packed[position])
            counts.append(packed[position + 1 : position + 1 + length])
            position += 1 + length
        return cls(counts)
