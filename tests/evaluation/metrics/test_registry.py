"""What holds for every metric; a new one needs no test here."""

import math
import pickle
import sys

import numpy as np
import pytest

from semapix.errors import ArgumentError, SemapixError
from semapix.evaluation.metrics import METRICS, find_metrics, ssim
from tests.evaluation.metrics.pairs import pair
from tests.pictures import picture

REFERENCED = [metric for metric in METRICS.values() if metric.needs_reference]


def test_names():
    assert [metric.name for metric in METRICS.values()] == list(METRICS)
    assert list(METRICS) == ["psnr", "psnr-y", "ssim", "ms-ssim", "ms-ssim-y", "fsim", "fsim-c", "niqe"]
    assert [name for name, metric in METRICS.items() if metric.better == "lower"] == ["niqe"]
    assert [name for name, metric in METRICS.items() if metric.unit == "dB"] == ["psnr", "psnr-y"]
    assert [name for name, metric in METRICS.items() if not metric.needs_reference] == ["niqe"]


def test_metrics_are_found_in_the_order_asked_for():
    assert find_metrics(["niqe", "psnr"]) == [METRICS["niqe"], METRICS["psnr"]]
    assert find_metrics([]) == []


def test_a_name_that_there_is_not():
    with pytest.raises(
        ArgumentError,
        match=r"metric \(='vmaf'\) must be one of psnr, psnr-y, ssim, ms-ssim, ms-ssim-y, fsim, fsim-c, niqe, lpips",
    ):
        find_metrics(["psnr", "vmaf"])


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
def test_the_better_picture_has_the_better_figure(metric):
    distorted, original = pair("noise")
    bad, good = metric.measure(distorted, original), metric.measure(original, original)
    assert math.isfinite(bad)
    assert good > bad if metric.better == "higher" else good < bad


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
def test_the_smallest_side_is_measured_and_a_smaller_one_refused(metric):
    side = metric.smallest_side
    enough = picture(side + 3, side)
    assert not math.isnan(metric.measure(enough, enough))
    small = picture(side + 3, side)[1:]
    if side > 1:
        with pytest.raises(ArgumentError, match=rf"sides of {side} pixels or more, not \({side - 1}, {side + 3}\)"):
            metric.measure(small, small)


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
def test_arrays_that_are_no_pictures(metric):
    side = max(metric.smallest_side, 8)
    whole = picture(side, side)
    with pytest.raises(ArgumentError, match=rf"uint8 of shape \(H, W, 3\), not float64 \({side}, {side}, 3\)"):
        metric.measure(whole / 255, whole)
    with pytest.raises(ArgumentError, match=rf"not uint8 \({side}, {side}\)"):
        metric.measure(whole[..., 0], whole)


@pytest.mark.parametrize("metric", REFERENCED, ids=[metric.name for metric in REFERENCED])
def test_pictures_that_cannot_be_compared(metric):
    side = metric.smallest_side
    with pytest.raises(ArgumentError, match=rf"differ in size: \({side}, {side}, 3\) and \({side}, {side + 1}, 3\)"):
        metric.measure(picture(side, side), np.zeros((side, side + 1, 3), np.uint8))


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
def test_they_go_to_other_processes(metric):
    assert pickle.loads(pickle.dumps(metric)) == metric


def test_without_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch_msssim", None)
    with pytest.raises(
        SemapixError, match=r"SSIM needs pytorch_msssim; install it with: pip install 'semapix\[eval\]'"
    ):
        ssim(picture(20, 20), picture(20, 20))
