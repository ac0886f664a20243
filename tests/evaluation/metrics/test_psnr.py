"""PSNR of RGB and of luma, on pictures whose figures are known."""

import math

import numpy as np
import pytest

from semapix.evaluation.metrics import luma, psnr, psnr_y
from tests.evaluation.metrics.pairs import pair
from tests.pictures import picture


def flat(value: int) -> np.ndarray:
    return np.full((8, 8, 3), value, np.uint8)


@pytest.mark.parametrize("measure", [psnr, psnr_y])
@pytest.mark.parametrize(("difference", "decibels"), [(1, 48.1308), (2, 42.1102), (255, 0.0)])
def test_psnr_of_a_constant_difference(measure, difference, decibels):
    assert measure(flat(difference), flat(0)) == pytest.approx(decibels, abs=1e-4)
    assert measure(flat(0), flat(difference)) == pytest.approx(decibels, abs=1e-4)


def test_psnr_is_of_the_mean_error_over_all_channels():
    one_channel = flat(100)
    one_channel[..., 0] += 3
    assert psnr(one_channel, flat(100)) == pytest.approx(10 * math.log10(255**2 / 3))


@pytest.mark.parametrize(("channel", "weight"), [(0, 0.299), (1, 0.587), (2, 0.114)])
def test_luma_weighs_the_channels(channel, weight):
    one_channel = flat(100)
    one_channel[..., channel] += 10
    assert luma(one_channel) == pytest.approx(100 + 10 * weight)
    assert psnr_y(one_channel, flat(100)) == pytest.approx(20 * math.log10(255 / (10 * weight)))


@pytest.mark.parametrize("measure", [psnr, psnr_y])
def test_equal_pictures(measure):
    original = picture(40, 30)
    assert measure(original, original) == math.inf


@pytest.mark.parametrize(
    ("name", "decibels"), [("blocks", 29.093526669), ("blur", 40.121661821), ("noise", 26.6535986)]
)
def test_as_scikit_image_says(name, decibels):
    """`peak_signal_noise_ratio` of scikit-image 0.26."""
    assert psnr(*pair(name)) == pytest.approx(decibels, abs=1e-6)
