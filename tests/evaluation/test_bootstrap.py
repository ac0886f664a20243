"""Intervals that hold what they say, and are paired."""

import numpy as np
import pytest

from semapix.errors import ArgumentError
from semapix.evaluation.bootstrap import bootstrap, mean_of, paired_difference


def test_the_interval_of_a_mean_is_that_of_the_normal_law():
    values = np.random.default_rng(1).normal(3, 2, 400)
    interval = mean_of(values)
    half = 1.96 * values.std() / 20
    assert interval.value == pytest.approx(values.mean())
    assert interval.high - interval.value == pytest.approx(half, rel=0.1)
    assert interval.value - interval.low == pytest.approx(half, rel=0.1)


def test_a_constant_difference_has_no_width():
    reference = np.random.default_rng(2).normal(0, 10, 50)
    interval = paired_difference((reference + 1).tolist(), reference.tolist())
    assert (interval.value, interval.low, interval.high) == pytest.approx((1, 1, 1))
    assert str(interval) == "+1.00 (+1.00 to +1.00)"


def test_choices_without_a_figure_are_left_out():
    def figure(chosen):
        if len(set(chosen.tolist())) < 2:
            raise ArgumentError("all the same")
        return float(chosen.mean())

    assert bootstrap(5, figure).value == 2
    with pytest.raises(ArgumentError, match=r"only 1\d\d\d of 2000 choices of pictures have a figure"):
        bootstrap(2, figure)


def test_refusals():
    with pytest.raises(ArgumentError, match="two pictures or more, not 1"):
        bootstrap(1, lambda chosen: 0.0)
    with pytest.raises(ArgumentError, match="two pictures or more, not 1"):
        mean_of([0.5])
    with pytest.raises(ArgumentError, match="not of 2 and 3"):
        paired_difference([1, 2], [1, 2, 3])
