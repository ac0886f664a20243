"""Quantisation: to the nearest, or one step nearer to zero where that is cheaper."""

import numpy as np
import pytest

from semapix.coding import TableBank, gaussian_counts
from semapix.coding._quantise import quantise

TABLES = TableBank(gaussian_counts())


def cost(value: float, symbol: int, level: int, weight: float) -> float:
    """Bits of a symbol and of its error."""
    reach = TABLES.reach(level)
    return weight * (value - symbol) ** 2 + float(TABLES.bits(level, np.array([symbol + reach], np.int32))[0])


def test_without_a_weight_it_is_the_nearest():
    values = np.array([0.49, -0.51, 2.5, np.nan, np.inf, -1e20])
    assert quantise(values, np.zeros(6, np.uint8), TABLES, None).tolist() == [0, -1, 2, 0, 2**30, -(2**30)]


@pytest.mark.parametrize("weight", [1.0, 8.0, 100.0])
def test_each_choice_is_the_cheaper_of_two(weight):
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 30, 500).astype(np.uint8)
    values = rng.laplace(0, 1.0, 500).clip(-0.4, 0.4) + rng.integers(-1, 2, 500)
    for value, level, found in zip(values, levels, quantise(values, levels, TABLES, weight), strict=True):
        nearest = int(np.rint(value))
        if abs(nearest) > TABLES.reach(level):
            assert found == nearest
            continue
        choices = {nearest, nearest - int(np.sign(nearest))}
        assert found == min(choices, key=lambda symbol: (cost(value, symbol, int(level), weight), -abs(symbol)))


def test_escapes_stay():
    reach = TABLES.reach(0)
    assert quantise(np.array([reach + 1.4]), np.zeros(1, np.uint8), TABLES, 1e-9).tolist() == [reach + 1]
