"""The information in symbols, beside the bytes that they take."""

import numpy as np
import pytest

from semapix.coding import RangeDecoder, RangeEncoder, TableBank, counted_information, gaussian_counts


@pytest.fixture(scope="module")
def tables():
    return TableBank(gaussian_counts())


def _coded(tables, values, levels):
    encoder = RangeEncoder(tables)
    encoder.encode(values, levels)
    return encoder.finish()


def test_bytes_are_the_information_and_little_more(tables):
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 64, 20_000).astype(np.uint8)
    values = np.rint(rng.normal(0, 1, 20_000) * 0.11 * (64 / 0.11) ** (levels / 63)).astype(np.int32)
    data = _coded(tables, values, levels)
    with counted_information() as information:
        assert (RangeDecoder(data, tables).decode(levels) == values).all()
    assert 0 <= 8 * len(data) - information.bits < 0.001 * information.bits + 16


def test_escapes_count(tables):
    levels = np.zeros(1, np.uint8)
    bits = []
    for value in (0, 1000):
        data = _coded(tables, np.array([value]), levels)
        with counted_information() as information:
            RangeDecoder(data, tables).decode(levels)
        bits.append(information.bits)
    assert bits[0] < 0.01
    assert 16 + 19 < bits[1] < 24 + 21  # the escape's symbol, then sign and Elias gamma of 999


def test_nothing_is_counted_outside(tables):
    data = _coded(tables, np.array([3]), np.array([40], np.uint8))
    with counted_information() as information:
        pass
    RangeDecoder(data, tables).decode(np.array([40], np.uint8))
    assert information.bits == 0
