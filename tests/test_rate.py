"""The search for a rate, on made-up curves of bytes over quality."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semapix._budget import Budget, TooSmall
from semapix._rate import PASSES, search
from semapix.errors import ArgumentError
from tests.curves import bent

TYPICAL = [1000.0 * 40 ** (i / 8) for i in range(9)]


class Coder:
    """Notes its passes, and the thrifts of its files; a file is its own size.

    `yields`: what thrift takes off the logarithm of the bytes, more at either end than models do.
    """

    def __init__(self, curve, yields=0.03):
        self.curve, self.yields, self.means, self.thrifts = curve, yields, [], []

    def __call__(self, mean):
        assert 0 <= mean <= 1
        self.means.append(mean)

        def code(thrift):
            assert abs(thrift) <= 4
            self.thrifts.append(thrift)
            size = round(self.curve(mean) * math.exp(-self.yields * thrift * 1.25**thrift))
            return size, size

        return code


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    least=st.floats(500, 2000),
    growth=st.floats(20, 80),
    bend=st.floats(-0.2, 0.2),
    share=st.floats(0.25, 0.9),
    yields=st.floats(0.004, 0.1),
)
def test_a_smooth_curve_is_met_within_two_percent_from_below(least, growth, bend, share, yields):
    budget = int(least * growth**share)
    coder = Coder(bent(least, growth, bend), yields)
    size = search(coder, Budget(budget), TYPICAL)
    assert 0.98 * budget - 1 <= size <= budget
    assert len(coder.means) == coder.thrifts.count(0) <= PASSES == 4


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    least=st.floats(500, 2000),
    growth=st.floats(5, 80),
    steps=st.integers(40, 400),
    share=st.floats(0.1, 0.9),
    yields=st.floats(0.02, 0.1),
)
def test_a_curve_of_steps_is_met_between_them(least, growth, steps, share, yields):
    budget = int(least * growth**share)
    coder = Coder(lambda mean: least * growth ** (math.floor(mean * steps) / steps), yields)
    assert 0.95 * budget - 1 <= search(coder, Budget(budget), TYPICAL) <= budget
    assert len(coder.means) <= PASSES


def test_one_step_between_two_passes_is_no_obstacle():
    coder = Coder(lambda mean: 1000 if mean < 0.5 else 1100)
    assert 1046 <= search(coder, Budget(1050), [900, 1200]) <= 1050
    assert len(coder.means) <= PASSES


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    least=st.floats(300, 3000),
    growth=st.floats(2, 500),
    bend=st.floats(-0.9, 0.9),
    wiggle=st.floats(-0.03, 0.03),
    share=st.floats(0, 1.2),
    yields=st.floats(0, 0.1),
)
def test_no_budget_is_exceeded_and_none_that_can_be_kept_is_refused(least, growth, bend, wiggle, share, yields):
    curve = bent(least, growth, bend, wiggle)
    budget = int(math.ceil(curve(0)) * growth**share)
    coder = Coder(curve, yields)
    assert search(coder, Budget(budget), TYPICAL) <= budget
    assert len(coder.means) <= PASSES


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    passes=st.integers(1, 3),
    least=st.floats(300, 3000),
    growth=st.floats(2, 500),
    bend=st.floats(-0.9, 0.9),
    share=st.floats(0, 1.2),
)
def test_fewer_passes_keep_the_budget_as_well(passes, least, growth, bend, share):
    curve = bent(least, growth, bend)
    budget = int(math.ceil(curve(0)) * growth**share)
    coder = Coder(curve)
    assert search(coder, Budget(budget), TYPICAL, passes=passes) <= budget
    assert len(coder.means) <= passes


def test_what_the_full_size_cannot_keep_the_half_size_fills():
    """As `encode` does it: the half size takes a third of the full one's bytes, or a little more or less than that."""
    rng, lost = np.random.default_rng(0), []
    while len(lost) < 400:
        least, growth, bend = rng.uniform(500, 2000), rng.uniform(20, 80), rng.uniform(-0.2, 0.2)
        ratio = 0.31 * math.exp(rng.normal(0, 0.12))
        full, half = Coder(bent(least, growth, bend)), Coder(bent(ratio * least, growth, bend), 0.04)
        budget = Budget(int(least * rng.uniform(ratio + 0.01, 1.2)))
        try:
            search(full, budget, TYPICAL, reserve=1)
            continue
        except TooSmall as error:
            typical = [0.31 * error.nearest * size / TYPICAL[0] for size in TYPICAL]
        size = search(half, budget, typical, passes=PASSES - len(full.means))
        assert size <= budget.bytes
        assert len(full.means) + len(half.means) <= PASSES
        lost.append(1 - size / budget.bytes)
    assert np.mean(lost) < 0.01
    assert np.quantile(lost, 0.97) < 0.02


@settings(max_examples=400, deadline=None, derandomize=True)
@given(
    least=st.floats(300, 3000),
    growth=st.floats(2, 500),
    bend=st.floats(-0.9, 0.9),
    share=st.floats(0.3, 3),
)
def test_a_search_with_a_reserve_leaves_it_where_it_refuses(least, growth, bend, share):
    curve = bent(least, growth, bend)
    budget = int(least * share)
    coder = Coder(curve)
    refusal = None
    try:
        size = search(coder, Budget(budget), TYPICAL, reserve=1)
    except TooSmall as error:
        refusal, size = error, 0
    assert size <= budget
    assert len(coder.means) <= (PASSES if refusal is None else PASSES - 1)
    assert refusal is None or budget < refusal.nearest == round(least)


@pytest.mark.parametrize("factor", [0.985, 1.015])
def test_a_file_near_the_budget_is_coded_again_with_other_thrift(factor):
    coder = Coder(lambda mean: 1000 * 40**mean * factor, 0.04)
    assert 9000 * 0.996 <= search(coder, Budget(9000), TYPICAL) <= 9000
    assert len(coder.means) == 1
    assert coder.thrifts[0] == 0
    assert 2 <= len(coder.thrifts) <= 4
    assert all((thrift > 0) == (factor > 1) for thrift in coder.thrifts[1:])


@pytest.mark.parametrize("factor", [1.06, 1.08, 1.1, 1.12, 1.14])
@pytest.mark.parametrize("yields", [0.02, 0.03, 0.04, 0.06])
def test_thrift_alone_fills_a_budget_far_below_the_pass_that_is_nearest(factor, yields):
    coder = Coder(lambda mean: 7000 if mean < 0.5 else 10_000 * factor, yields)
    assert 9800 <= search(coder, Budget(10_000), TYPICAL) <= 10_000
    assert len(coder.means) <= PASSES


def test_a_picture_that_is_typical_takes_one_pass():
    coder = Coder(lambda x: 1000 * 40**x * 0.999)
    assert search(coder, Budget(9000), TYPICAL) <= 9000
    assert (len(coder.means), coder.thrifts) == (1, [0])


def test_typical_rates_may_stand_still_and_fall():
    rates = [1000.0] * 5 + [2000.0, 4000.0, 3000.0, 9000.0]
    looked = 0
    for budget in (1000, 2000, 3000, 5000):
        coder = Coder(bent(900, 12, 0.1))
        assert 900 <= search(coder, Budget(budget), rates) <= budget
        assert len(coder.means) <= PASSES
        looked += 1
    assert looked == 4


def test_a_budget_below_the_least_is_an_error_that_says_both():
    rule = r"max_bytes \(=480\) must be 500 or more: this picture takes that at the lowest quality"
    with pytest.raises(ArgumentError, match=rule):
        search(Coder(bent(500, 40, 0)), Budget(480), TYPICAL)


def test_thrift_reaches_a_little_beyond_the_lowest_and_the_highest_quality():
    assert 490 <= search(Coder(bent(500, 40, 0)), Budget(495), TYPICAL) <= 495
    assert 20_050 <= search(Coder(bent(500, 40, 0)), Budget.of_rate(16.2, 10_000), TYPICAL) <= 20_250


@pytest.mark.parametrize("rates", [TYPICAL, [100.0, 400.0]])
def test_a_curve_that_leaps_at_zero_is_met_at_zero(rates):
    coder = Coder(lambda x: 800 if x == 0 else 5000 + 1000 * x)
    assert 800 <= search(coder, Budget(900), rates) <= 900
    assert 0 in coder.means
    assert len(coder.means) <= PASSES


def test_a_budget_above_the_most_is_the_largest_file_and_for_a_rate_an_error():
    assert search(Coder(bent(500, 40, 0)), Budget(30_000), TYPICAL) == 20_000
    rule = r"bpp \(=24.0\) must be 16.0000 or less: this picture takes no more at the highest quality; max_bytes "
    rule += r"\(=30000\) makes its largest file"
    with pytest.raises(ArgumentError, match=rule):
        search(Coder(bent(500, 40, 0)), Budget.of_rate(24.0, 10_000), TYPICAL)


@pytest.mark.parametrize(("bytes_", "size"), [(600, 304), (310, 304), (243, 242)])
def test_bytes_of_a_plain_picture_may_fall_where_quality_rises(bytes_, size):
    sizes = np.array([242, 230, 216, 260, 304])
    plain = Coder(lambda x: float(np.interp(x, np.linspace(0, 1, 5), sizes)), 0.001)
    assert size - 4 <= search(plain, Budget(bytes_), TYPICAL) <= bytes_
    assert len(plain.means) <= PASSES


def test_a_rate_that_a_plain_picture_cannot_take_is_an_error_with_its_largest_file():
    plain = Coder(lambda x: 304 if x == 1 else 242 - 55 * x, 0.001)
    with pytest.raises(ArgumentError, match=r"bpp \(=0.05\) must be 0.024\d or less: .* at the highest quality"):
        search(plain, Budget.of_rate(0.05, 100_000), TYPICAL)
    assert 1.0 in plain.means


def test_bytes_that_fall_with_quality_are_met_at_the_lowest_too():
    coder = Coder(lambda x: 300 if x == 0 else 500 - 100 * x, 0.001)
    assert 300 <= search(coder, Budget(310), [100.0, 110.0]) <= 310
    assert len(coder.means) <= PASSES


def test_for_a_rate_a_file_that_nearly_fills_the_budget_serves():
    assert search(Coder(bent(500, 40, 0)), Budget.of_rate(16.016, 10_000), TYPICAL) >= 19_900


def test_the_file_is_given_back_that_was_coded():
    files = {}

    def analyse(mean):
        def code(thrift):
            size = int(1500 * 30**mean * 1.03**-thrift)
            files[size] = object()
            return size, files[size]

        return code

    found = search(analyse, Budget(12_000), TYPICAL)
    assert found is files[max(size for size in files if size <= 12_000)]


def test_the_last_coding_of_a_pass_had_rather_fit_than_fill():
    budget, fewer = 4313, {0.0: 4493, 0.597: 4346, 0.704: 4319, 0.732: 4315, 0.78: 4297, 1.396: 4074}  # of a picture

    def analyse(mean):  # maps that give two files alone: one far too small, one somewhat too large

        def code(thrift):
            size = round(float(np.interp(thrift, list(fewer), list(fewer.values()))) * (1.0 if mean > 0.3 else 0.8))
            return size, size

        return code

    assert 0.99 * budget <= search(analyse, Budget(budget), TYPICAL) <= budget
