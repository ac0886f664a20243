"""The search for a rate where bytes rise evenly with quality, on made-up curves."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semapix._bracket import bracket
from semapix._budget import Budget, TooSmall
from semapix._watch import watched_codings
from semapix.errors import ArgumentError
from tests.curves import bent

TYPICAL = [1000.0 * 12 ** (i / 8) for i in range(9)]


class Coder:
    """Notes the means that it codes; a file is its own size, at one of `steps` qualities."""

    def __init__(self, curve, steps=2048):
        self.curve, self.steps, self.means = curve, steps, []

    def __call__(self, mean):
        assert 0 <= mean <= 1
        self.means.append(mean)
        size = round(self.curve(round(mean * self.steps) / self.steps))
        return size, size


@settings(max_examples=400, deadline=None, derandomize=True)
@given(
    least=st.floats(300, 3000),
    growth=st.floats(4, 60),
    bend=st.floats(-0.8, 0.8),
    share=st.floats(0.02, 0.98),
)
def test_a_smooth_curve_is_filled_within_two_percent(least, growth, bend, share):
    budget = int(math.ceil(least) * growth**share)
    coder = Coder(bent(least, growth, bend))
    with watched_codings() as codings:
        size = bracket(coder, Budget(budget), TYPICAL, passes=8)
    assert 0.98 * budget - 1 <= size <= budget
    assert [coding.mean for coding in codings] == coder.means
    assert len(coder.means) <= 8


def test_most_curves_take_few_codings():
    counts = []
    for least in (700, 1000, 1500):
        for bend in (-0.3, 0.0, 0.3):
            for share in (0.1, 0.3, 0.5, 0.7, 0.9):
                coder = Coder(bent(least, 12, bend))
                bracket(coder, Budget(int(least * 12**share)), TYPICAL, passes=8)
                counts.append(len(coder.means))
    assert max(counts) <= 5
    assert sum(counts) / len(counts) < 3.5


@settings(max_examples=400, deadline=None, derandomize=True)
@given(
    least=st.floats(300, 3000),
    growth=st.floats(1.2, 200),
    bend=st.floats(-0.9, 0.9),
    wiggle=st.floats(0, 0.04),
    steps=st.sampled_from([8, 40, 128, 2048]),
    share=st.floats(0, 1.2),
    passes=st.integers(1, 8),
)
def test_no_budget_is_exceeded_and_none_that_can_be_kept_is_refused(least, growth, bend, wiggle, steps, share, passes):
    plain = bent(least, growth, bend)

    def curve(x):
        return plain(x) * math.exp(wiggle * math.sin(150 * x))

    budget = int(math.ceil(curve(0)) * growth**share)
    coder = Coder(curve, steps)
    size = bracket(coder, Budget(budget), TYPICAL, passes=passes)
    assert size <= budget
    assert len(coder.means) <= passes
    if passes == 8:  # as good as the best one of coarse steps, but for what the ripple hides
        fitting = [round(curve(i / 8)) for i in range(9) if round(curve(i / 8)) <= budget]
        assert size >= 0.9 * max(fitting)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    least=st.floats(300, 20_000),
    growth=st.floats(1.2, 200),
    bend=st.floats(-0.9, 0.9),
    share=st.floats(0.3, 5),
    reserve=st.integers(0, 6),
)
def test_a_search_with_a_reserve_leaves_it_where_it_refuses(least, growth, bend, share, reserve):
    coder = Coder(bent(least, growth, bend))
    refusal = None
    try:
        bracket(coder, Budget(int(least * share)), TYPICAL, passes=8, reserve=reserve)
    except TooSmall as error:
        refusal = error
    assert len(coder.means) <= (8 if refusal is None else 8 - reserve)
    assert refusal is None or refusal.nearest == round(least) > int(least * share)


def test_a_budget_below_the_least_is_an_error_that_says_both():
    rule = r"max_bytes \(=480\) must be 500 or more: this picture takes that at the lowest quality"
    for passes in (1, 2, 8):
        with pytest.raises(TooSmall, match=rule):
            bracket(Coder(bent(500, 12, 0)), Budget(480), TYPICAL, passes=passes)


def test_a_budget_above_the_most_is_the_largest_file_and_for_a_rate_an_error():
    assert bracket(Coder(bent(500, 12, 0)), Budget(30_000), TYPICAL, passes=8) == 6000
    assert bracket(Coder(bent(5000, 12, 0)), Budget(100_000), TYPICAL, passes=8) == 60_000
    rule = r"bpp \(=24.0\) must be 4.8000 or less: this picture takes no more at the highest quality; max_bytes"
    with pytest.raises(ArgumentError, match=rule):
        bracket(Coder(bent(500, 12, 0)), Budget.of_rate(24.0, 10_000), TYPICAL, passes=8)
    # A leap at the very end: what takes more than the budget there is no reason to say that nothing does.
    coder = Coder(lambda x: 12_500 if x == 1 else 500 * 22**x)
    assert 10_900 < bracket(coder, Budget.of_rate(9.6, 10_000), TYPICAL, passes=12) <= 12_000
    assert bracket(Coder(bent(500, 12, 0)), Budget.of_rate(4.82, 10_000), TYPICAL, passes=8) == 6000
