"""BD-rate and BD-quality against published figures, against curves whose difference is known, and its refusals."""

import numpy as np
import pytest

from semapix.errors import ArgumentError
from semapix.evaluation._pchip import Pchip
from semapix.evaluation.bjontegaard import Curve, bd_quality, bd_rate

# Published on the Kodak pictures: bits per pixel and PSNR of RGB.
VTM = Curve(
    [0.04824, 0.1125, 0.24582, 0.49055, 0.87481, 1.43085, 2.32461, 3.63261],
    [26.1448, 28.493, 31.1999, 34.2615, 37.4198, 40.4244, 43.5058, 46.5918],
)
MBT2018_MEAN = Curve(
    [0.12392, 0.19798, 0.30724, 0.46061, 0.66167, 0.9144, 1.23421, 1.61909],
    [27.6995, 29.3588, 31.1289, 32.9507, 34.9683, 36.9111, 38.8375, 40.6333],
)


def test_points_that_a_cheaper_one_beats_are_left_out():
    curve = Curve([0.4, 0.1, 0.2, 0.3, 0.5], [5.0, 2.0, 4.0, 4.0, 4.5]).rising
    assert curve.points == [(0.1, 2.0), (0.2, 4.0), (0.4, 5.0)]
    assert Curve([0.1, 0.2], [1.0, 2.0]).rising.points == [(0.1, 1.0), (0.2, 2.0)]
    with pytest.raises(ArgumentError, match="a curve needs two points or more, not 1 rates and 1 qualities"):
        _ = Curve([0.1, 0.2], [2.0, 1.0]).rising


def test_published_curves():
    result = bd_rate(MBT2018_MEAN, VTM)
    assert result.percent == pytest.approx(21.278336, abs=1e-6)  # the package bjontegaard 1.3.0, method "pchip"
    assert result.qualities == (27.6995, 40.6333)
    assert result.rates == pytest.approx((0.12392, 1.61909))
    assert result.reference_rates == pytest.approx((0.08617, 1.47967), abs=1e-5)


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.25])
def test_a_curve_that_takes_so_many_times_the_bits(factor):
    test = Curve([factor * rate for rate in VTM.rates], VTM.qualities)
    assert bd_rate(test, VTM).percent == pytest.approx(100 * (factor - 1), abs=1e-9)


def test_exchanging_the_curves_inverts_the_ratio():
    there, back = bd_rate(MBT2018_MEAN, VTM).percent, bd_rate(VTM, MBT2018_MEAN).percent
    assert (1 + there / 100) * (1 + back / 100) == pytest.approx(1)


def test_only_the_overlap_counts():
    test = Curve([1.0, 2.0, 4.0], [30.0, 33.0, 36.0])
    reference = Curve([2.0, 4.0, 400.0], [33.0, 36.0, 39.0])
    result = bd_rate(test, Curve([2.0, 4.0], [33.0, 36.0]))
    assert result.qualities == (33.0, 36.0)
    assert result.percent == pytest.approx(0, abs=1e-9)
    assert bd_rate(test, reference).qualities == (33.0, 36.0)


def test_points_may_come_in_any_order():
    order = [3, 0, 7, 1, 5, 2, 6, 4]
    shuffled = Curve([VTM.rates[i] for i in order], [VTM.qualities[i] for i in order])
    assert bd_rate(MBT2018_MEAN, shuffled) == bd_rate(MBT2018_MEAN, VTM)


def test_curves_that_do_not_overlap_are_refused():
    with pytest.raises(ArgumentError, match=r"do not overlap: qualities 20\.000 to 25\.000 against 26\.145 to 46\.592"):
        bd_rate(Curve([0.1, 0.2], [20.0, 25.0]), VTM)


@pytest.mark.parametrize(
    ("rates", "qualities", "message"),
    [
        ([0.1], [30.0], "two points or more, not 1 rates and 1 qualities"),
        ([0.1, 0.2], [30.0], "two points or more, not 2 rates and 1 qualities"),
        ([0.0, 0.2], [30.0, 31.0], r"above zero, and all numbers finite: \[\(0\.0, 30\.0\)"),
        ([0.1, 0.2], [30.0, float("inf")], r"all numbers finite: .*inf"),
        ([0.1, 0.1], [30.0, 31.0], "must not have the same rate"),
    ],
)
def test_what_is_no_curve_is_refused(rates, qualities, message):
    with pytest.raises(ArgumentError, match=message):
        Curve(rates, qualities)


def test_bd_rate_wants_qualities_that_rise():
    with pytest.raises(ArgumentError, match=r"must rise with the rate.*\(0\.2, 29\.0\)"):
        bd_rate(Curve([0.1, 0.2, 0.3], [30.0, 29.0, 31.0]), VTM)


@pytest.mark.parametrize("step", [-3.0, 0.0, 2.5])
def test_a_curve_that_is_so_much_better(step):
    test = Curve(VTM.rates, [quality + step for quality in VTM.qualities])
    found = bd_quality(test, VTM)
    assert found.difference == pytest.approx(step)
    assert found.rates == (0.04824, 3.63261)


def test_accuracies_may_fall():
    falling, flat = Curve([0.1, 0.2, 0.4], [70.0, 60.0, 65.0]), Curve([0.2, 0.4], [50.0, 50.0])
    found = bd_quality(falling, flat)
    assert found.rates == (0.2, 0.4)
    assert 10 < found.difference < 15
    with pytest.raises(ArgumentError, match=r"do not overlap: rates 0\.100 to 0\.400 against 0\.500 to 0\.600"):
        bd_quality(falling, Curve([0.5, 0.6], [50.0, 50.0]))


def test_pchip_passes_through_its_points_and_stays_between_them():
    x, y = np.array([0.0, 1.0, 3.0, 4.0, 6.0]), np.array([0.0, 0.1, 5.0, 5.0, 3.0])
    curve = Pchip(x, y)
    assert [curve(value) for value in x] == pytest.approx(y.tolist())
    for low, high, value in zip(x[:-1], x[1:], np.diff(y), strict=True):
        steps = np.diff([curve(t) for t in np.linspace(low, high, 50)])
        assert (steps * np.sign(value) >= -1e-12).all()
    values = [0.028211462450592886, 2.5935770750988145, 5.0, 4.416666666666666]  # SciPy's PchipInterpolator
    assert [curve(t) for t in (0.5, 2, 3.5, 5)] == pytest.approx(values, abs=1e-12)


def test_pchip_integrates_exactly():
    x = np.array([0.0, 1.0, 3.0, 4.0, 6.0])
    curve = Pchip(x, np.array([0.0, 0.1, 5.0, 5.0, 3.0]))
    assert curve.mean(0.5, 5.5) == pytest.approx(3.4088420207509875, abs=1e-12)  # SciPy's PchipInterpolator
    assert Pchip(x, 2 * x + 1).mean(1.5, 2.5) == pytest.approx(5.0)


def test_bd_quality_within_some_rates():
    test, reference = Curve([0.1, 0.2, 0.4], [10, 20, 50]), Curve([0.1, 0.2, 0.4], [10, 15, 20])
    found = bd_quality(test, reference, (0.05, 0.2))
    assert found.rates == (0.1, 0.2)
    assert 0 < found.difference < 5
    assert bd_quality(test, reference).difference > 5
    with pytest.raises(ArgumentError, match=r"both curves reach rates 0.100 to 0.400, none within 0.5 to 1"):
        bd_quality(test, reference, (0.5, 1.0))
