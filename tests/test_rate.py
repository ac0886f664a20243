"""The search for a rate, on made-up curves of bytes over quality."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semapix._rate import PASSES, search
from semapix.errors import ArgumentError

TYPICAL = [1000.0 * 40 ** (i / 8) for i in range(9)]


class Coder:
    """Counts its passes; a file is its own size."""

    def __init__(self, curve):
        self.curve, self.means = curve, []

    def __call__(self, mean):
        assert 0 <= mean <= 1
        self.means.append(mean)
        size = round(self.curve(mean))
        return size, size


def bent(least, growth, bend, wiggle=0.0):
    """A rising curve from `least` bytes to `growth` times as many, its logarithm bent, with a small ripple."""
    return lambda x: least * math.exp(math.log(growth) * (x + bend * x * (1 - x)) + wiggle * math.sin(25 * x))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    least=st.floats(500, 2000),
    growth=st.floats(20, 80),
    bend=st.floats(-0.2, 0.2),
    share=st.floats(0.25, 0.9),
)
def test_a_smooth_curve_is_met_within_five_percent_from_below(least, growth, bend, share):
    curve = bent(least, growth, bend)
    budget = least * growth**share
    coder = Coder(curve)
    size = search(coder, budget, TYPICAL)
    assert size <= budget
    assert len(coder.means) <= PASSES == 4
    assert size >= 0.95 * budget - 1


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    least=st.floats(300, 3000),
    growth=st.floats(2, 500),
    bend=st.floats(-0.9, 0.9),
    wiggle=st.floats(-0.03, 0.03),
    share=st.floats(0, 1.2),
)
def test_no_budget_is_exceeded_and_none_that_can_be_kept_is_refused(least, growth, bend, wiggle, share):
    curve = bent(least, growth, bend, wiggle)
    budget = math.ceil(curve(0)) * growth**share
    coder = Coder(curve)
    assert search(coder, budget, TYPICAL) <= budget
    assert len(coder.means) <= PASSES


def test_a_picture_that_is_typical_takes_one_pass():
    coder = Coder(lambda x: 1000 * 40**x * 0.999)
    assert search(coder, 9000, TYPICAL) <= 9000
    assert len(coder.means) == 1


def test_typical_rates_may_stand_still_and_fall():
    rates = [1000.0] * 5 + [2000.0, 4000.0, 3000.0, 9000.0]
    looked = 0
    for budget in (1000, 2000, 3000, 5000):
        coder = Coder(bent(900, 12, 0.1))
        assert 900 <= search(coder, budget, rates) <= budget
        assert len(coder.means) <= PASSES
        looked += 1
    assert looked == 4


def test_a_budget_below_the_least_is_an_error_that_says_both():
    with pytest.raises(ArgumentError, match="499 bytes are less than this picture takes at the least, 500"):
        search(Coder(bent(500, 40, 0)), 499, TYPICAL)


def test_a_curve_that_leaps_at_zero_is_met_at_zero_in_the_last_pass():
    coder = Coder(lambda x: 800 if x == 0 else 5000 + 1000 * x)
    assert search(coder, 900, TYPICAL) == 800
    assert len(coder.means) <= PASSES


def test_a_budget_above_the_most_is_the_largest_file_or_with_reach_an_error():
    assert search(Coder(bent(500, 40, 0)), 30_000, TYPICAL) == 20_000
    with pytest.raises(ArgumentError, match="30000 bytes are more than this picture takes at the most, 20000"):
        search(Coder(bent(500, 40, 0)), 30_000, TYPICAL, reach=True)


def test_with_reach_a_file_that_nearly_fills_the_budget_serves():
    assert search(Coder(bent(500, 40, 0)), 20_020, TYPICAL, reach=True) >= 19_900


def test_the_file_is_given_back_that_was_coded():
    files = {}

    def code(mean):
        size = int(1500 * 30**mean)
        files[size] = object()
        return size, files[size]

    found = search(code, 12_000, TYPICAL)
    assert found is files[max(size for size in files if size <= 12_000)]
