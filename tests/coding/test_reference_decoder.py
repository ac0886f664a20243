"""docs/format.md, "Range coder" and "A group of values", as a decoder of a few lines in Python's own integers."""

import numpy as np

from semapix.coding import RangeEncoder, TableBank, gaussian_counts, scale_of_level

BANK = [counts.tolist() for counts in gaussian_counts()]
BIT = [2**23, 2**23]


class ReferenceDecoder:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0
        self.low, self.range = 0, 2**64 - 1
        self.point = self.word() << 32 | self.word()

    def word(self) -> int:
        self.at += 4
        return int.from_bytes(self.data[self.at - 4 : self.at].ljust(4, b"\0"), "big")

    def symbol(self, counts: list[int]) -> int:
        scale = self.range >> 24
        q = (self.point - self.low) % 2**64 // scale
        left = 0
        for symbol, count in enumerate(counts):  # noqa: B007
            if q < left + count:
                break
            left += count
        self.low = (self.low + scale * left) % 2**64
        self.range = scale * count
        if self.range < 2**32:
            self.low = (self.low << 32) % 2**64
            self.range <<= 32
            self.point = (self.point << 32) % 2**64 | self.word()
        return symbol

    def group(self, levels: list[int]) -> list[int]:
        values: dict[int, int] = {}
        for level in sorted(set(levels)):
            reach = len(BANK[level]) // 2 - 1
            positions = [i for i, other in enumerate(levels) if other == level]
            for i in positions:
                values[i] = self.symbol(BANK[level]) - reach
            for i in positions:
                if values[i] == reach + 1:
                    negative = self.symbol(BIT)
                    n = 0
                    while self.symbol(BIT):
                        n += 1
                    e = 1
                    for _ in range(n):
                        e = e << 1 | self.symbol(BIT)
                    values[i] = -(reach + e) if negative else reach + e
        return [values[i] for i in range(len(levels))]


def test_the_page_is_enough_to_decode():
    rng = np.random.default_rng(0)
    tables = TableBank(gaussian_counts())
    for spread in (0.0, 1.0, 4.0):
        coder = RangeEncoder(tables)
        groups = []
        for size in (1, 3, 0, 40, 200):
            levels = rng.integers(0, 64, size).astype(np.uint8)
            values = np.rint(rng.normal(size=size) * scale_of_level(levels) * spread).astype(np.int32)
            coder.encode(values, levels)
            groups.append((levels.tolist(), values.tolist()))
        decoder = ReferenceDecoder(coder.finish())
        for levels, values in groups:
            assert decoder.group(levels) == values
