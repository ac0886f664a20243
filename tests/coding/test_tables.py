"""Tables: positive integers that add up to 2^24, and models that are exactly these integers."""

import numpy as np
import pytest

from semapix.coding import LEVELS, RangeEncoder, TableBank, gaussian_counts, scale_of_level


def test_every_table_adds_up_and_reaches_five_deviations():
    bank = gaussian_counts()
    assert len(bank) == LEVELS
    for level, counts in enumerate(bank):
        assert counts.sum(dtype=np.int64) == 2**24
        assert counts.min() >= 1
        reach = len(counts) // 2 - 1
        assert reach >= 5 * scale_of_level(level) - 1e-9
        assert np.array_equal(counts[:reach], counts[2 * reach : reach : -1])


def test_packing_keeps_the_tables():
    bank = gaussian_counts()
    packed = TableBank.pack(bank)
    again = TableBank.unpack(packed)
    assert len(again) == len(bank)
    assert all(again.reach(i) == len(bank[i]) // 2 - 1 for i in range(len(bank)))


@pytest.mark.parametrize("counts", [[2**24 - 1, 2], [2**24, 0], [2**24 - 2, 1, 1]])
def test_wrong_tables_are_refused(counts):
    with pytest.raises(ValueError, match="table 0 must have 2R \\+ 2 positive counts that add up to 2\\^24"):
        TableBank([np.array(counts, np.int32)])


@pytest.mark.parametrize("level", [0, 20, 40, 63])
def test_a_symbol_costs_what_its_count_says(level):
    counts = gaussian_counts()[level]
    tables = TableBank([counts])
    for value in (0, 1, -1):
        coder = RangeEncoder(tables)
        coder.encode(np.full(4000, value, np.int32), np.zeros(4000, np.uint8))
        share = counts[tables.reach(0) + value] / 2**24
        assert 8 * len(coder.finish()) == pytest.approx(-4000 * np.log2(share), abs=64)
