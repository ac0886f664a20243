"""The range coder: every integer survives, the bytes are few, damage is an error of ours."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semapix.coding import RangeDecoder, RangeEncoder, TableBank, gaussian_counts, scale_of_level
from semapix.errors import CorruptLayer

TABLES = TableBank(gaussian_counts())

symbols = st.lists(
    st.tuples(st.integers(-(2**31) + 1, 2**31 - 1) | st.integers(-4, 4), st.integers(0, 63)), max_size=60
)


def code(values: np.ndarray, levels: np.ndarray) -> bytes:
    coder = RangeEncoder(TABLES)
    coder.encode(values, levels)
    return coder.finish()


@given(symbols)
@settings(max_examples=200, deadline=None)
def test_any_integers_survive(pairs):
    values = np.array([value for value, _ in pairs], np.int64)
    levels = np.array([level for _, level in pairs], np.uint8)
    assert np.array_equal(RangeDecoder(code(values, levels), TABLES).decode(levels), values)


def test_several_calls_share_one_coder():
    rng = np.random.default_rng(0)
    parts = [(rng.integers(-9, 9, n), rng.integers(0, 64, n).astype(np.uint8)) for n in (0, 1, 7, 300)]
    coder = RangeEncoder(TABLES)
    for values, levels in parts:
        coder.encode(values, levels)
    decoder = RangeDecoder(coder.finish(), TABLES)
    for values, levels in parts:
        assert np.array_equal(decoder.decode(levels), values)


def test_the_rate_is_that_of_the_tables():
    rng = np.random.default_rng(1)
    levels = rng.integers(0, 64, 20_000).astype(np.uint8)
    values = np.rint(rng.normal(size=20_000) * scale_of_level(levels)).astype(np.int32)
    bank = gaussian_counts()
    ideal = 0.0
    for value, level in zip(values, levels, strict=True):
        reach = len(bank[level]) // 2 - 1
        ideal -= np.log2(bank[level][min(reach + abs(value), 2 * reach + 1)] / 2**24)
        if abs(value) > reach:
            ideal += 2 + 2 * np.floor(np.log2(abs(value) - reach))
    assert 8 * len(code(values, levels)) == pytest.approx(ideal, rel=2e-4)


def test_nothing_takes_no_bytes():
    assert code(np.zeros(0, np.int32), np.zeros(0, np.uint8)) == b""


def test_a_value_beyond_the_escape_is_refused():
    with pytest.raises(ValueError, match=f"a latent of {2**40} is beyond the escape's 31 bits"):
        code(np.array([2**40]), np.zeros(1, np.uint8))


def test_garbage_decodes_to_integers_or_to_an_error():
    rng = np.random.default_rng(2)
    levels = rng.integers(0, 64, 500).astype(np.uint8)
    outcomes = []
    for _ in range(200):
        try:
            outcomes.append(str(len(RangeDecoder(rng.bytes(int(rng.integers(0, 60))), TABLES).decode(levels))))
        except CorruptLayer as error:
            outcomes.append(str(error))
    assert len(outcomes) == 200
    assert all(x == "500" or "bytes end before" in x or "escaped value is longer" in x for x in outcomes)


def test_an_escape_beyond_32_bits_is_damage():
    tables = TableBank([gaussian_counts()[63]])
    symbols = RangeEncoder(tables)
    symbols._coder.encode(np.array([2 * tables.reach(0) + 1], np.int32), tables.model(0))
    symbols._escape(2**31, 1)
    with pytest.raises(CorruptLayer, match=r"an escaped value of magnitude .* does not fit into 32 bits"):
        RangeDecoder(symbols.finish(), tables).decode(np.zeros(1, np.uint8))
