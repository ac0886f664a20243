"""Accuracy at rising rates, and where it catches up."""

import numpy as np
import pytest

from semapix.errors import ArgumentError
from semapix.evaluation.bootstrap import Interval
from semapix.evaluation.catchup import AccuracyCurve, CatchUp


def curve(*shares, count=100):
    """Accuracies, percent, at 0.1, 0.2, 0.4, ... bits per pixel."""
    right = np.array([[100.0] * share + [0.0] * (count - share) for share in shares])
    return AccuracyCurve(np.repeat(0.1 * 2.0 ** np.arange(len(shares)), count).reshape(len(shares), count), right)


def reference(share, count=100):
    return np.array([100.0] * share + [0.0] * (count - share))


def test_points_come_by_rising_rate():
    shuffled = AccuracyCurve(curve(10, 30).bpp[::-1], curve(10, 30).right[::-1])
    rates, shares = shuffled.points()
    assert rates == pytest.approx([0.1, 0.2])
    assert shares == pytest.approx([10, 30])


def test_a_lead_is_linear_in_the_logarithm_of_the_rate():
    lead = curve(10, 30).lead_over(reference(50), 0.1 * 2**0.5)
    assert lead.value == pytest.approx(30)
    assert 20 < lead.low < 30 < lead.high < 40
    assert curve(10, 30).lead_over(reference(50), 0.09) is None
    assert curve(10, 30).lead_over(reference(50), 0.21) is None


def test_pictures_catch_up_between_two_settings():
    found = curve(10, 30, 50).catch_up(reference(40))
    assert found.rate.value == pytest.approx(0.2 * 2**0.5)
    assert 0.2 < found.rate.low <= found.rate.value <= found.rate.high < 0.4
    assert curve(10, 30, 50).catch_up(reference(40), margin=10).rate.value == pytest.approx(0.2)


def test_rates_outside_of_those_measured_have_a_sign():
    assert str(curve(10, 30).catch_up(reference(60))) == "≥ 0.2 (≥ 0.2 to ≥ 0.2)"
    assert str(curve(40, 60).catch_up(reference(20))) == "≤ 0.1 (≤ 0.1 to ≤ 0.1)"
    assert str(CatchUp(Interval(0.15, 0.12, 0.2), 0.1, 0.2)) == "0.15 (0.12 to ≥ 0.2)"
    assert CatchUp(Interval(0.15, 0.12, 0.2), 0.1, 0.2).times(0.05) == "3.0"
    assert CatchUp(Interval(0.2, 0.12, 0.2), 0.1, 0.2).times(0.05) == "≥ 4.0"


def test_refusals():
    with pytest.raises(ArgumentError, match=r"bpp \(2, 3\) and right \(2, 4\) must both be \(settings, pictures\)"):
        AccuracyCurve(np.ones((2, 3)), np.ones((2, 4)))
    with pytest.raises(ArgumentError, match="an interval needs two pictures or more, not 1"):
        curve(0, 1, count=1).catch_up(reference(1, 1))
