"""Published curves, and the BD-rates that the literature states for them."""

import pytest

from semapix.evaluation.bjontegaard import bd_quality, bd_rate
from semapix.evaluation.published import published_curves

VTM = "VTM (VVC intra)"


@pytest.mark.parametrize(
    ("codec", "percent", "within"),
    [("mbt2018-mean", 21.3, 0.5), ("JPEG 2000", 98, 2), ("HM (HEVC intra)", 23, 0.5), ("ELIC", -7.0, 0.5)],
)
def test_bd_rates_against_vtm_are_the_known_ones(codec, percent, within):
    curves = published_curves("kodak", 24, "psnr").curves
    assert bd_rate(curves[codec], curves[VTM]).percent == pytest.approx(percent, abs=within)


def test_the_source_is_named_and_ms_ssim_is_there():
    published = published_curves("kodak", 24, "ms-ssim")
    assert "CompressAI" in published.source
    assert published.curves[VTM].points[0] == (0.04824, 0.86061)
    assert bd_quality(published.curves["JPEG"], published.curves[VTM]).difference < 0


def test_other_data_sets_and_metrics_have_none():
    assert published_curves("objects", 24, "psnr").curves == {}
    assert published_curves("kodak", 23, "psnr").curves == {}
    assert published_curves("kodak", 24, "niqe").curves == {}
