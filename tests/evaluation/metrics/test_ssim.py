"""SSIM and MS-SSIM against other implementations."""

import math

import numpy as np
import pytest

from semapix.errors import ArgumentError
from semapix.evaluation.metrics import decibel, ms_ssim, ssim
from tests.evaluation.metrics.pairs import pair
from tests.pictures import picture


@pytest.mark.parametrize(
    ("name", "similarity"), [("blocks", 0.842986802), ("blur", 0.921628480), ("noise", 0.731742933)]
)
def test_ssim_as_others_say(name, similarity):
    """scikit-image 0.26, Gaussian weights, sigma 1.5, no sample covariance; piq 0.8 without its downsampling agrees."""
    assert ssim(*pair(name)) == pytest.approx(similarity, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "similarity"), [("blocks", 0.952344806), ("blur", 0.993008412), ("noise", 0.952949127)]
)
def test_ms_ssim_as_others_say(name, similarity):
    """piq 0.8; they pad odd sides otherwise before they halve them, which is 2e-4 in the third pair."""
    assert ms_ssim(*pair(name)) == pytest.approx(similarity, abs=1e-3)


@pytest.mark.parametrize("measure", [ssim, ms_ssim])
def test_equal_pictures(measure):
    original = picture(176, 176)
    assert measure(original, original) == pytest.approx(1)


@pytest.mark.parametrize("measure", [ssim, ms_ssim])
def test_similarity_falls_with_noise(measure):
    original = picture(200, 180)
    noise = np.random.default_rng(0).normal(0, 1, original.shape)
    noisy = [(original + scale * noise).clip(0, 255).astype(np.uint8) for scale in (2, 8, 32)]
    values = [measure(version, original) for version in noisy]
    assert 1 > values[0] > values[1] > values[2] > 0


@pytest.mark.parametrize(("similarity", "decibels"), [(0.9, 10), (0.99, 20), (0.0, 0)])
def test_decibels(similarity, decibels):
    assert decibel(similarity) == pytest.approx(decibels)


def test_decibels_of_equal_pictures():
    assert decibel(1.0) == math.inf


@pytest.mark.parametrize(("measure", "label", "side"), [(ssim, "SSIM", 11), (ms_ssim, "MS-SSIM", 161)])
def test_some_pixels_are_needed(measure, label, side):
    small = picture(300, side - 1)
    with pytest.raises(ArgumentError, match=rf"{label} needs sides of {side} pixels or more, not \({side - 1}, 300\)"):
        measure(small, small)
    enough = picture(300, side)
    assert measure(enough, enough) == pytest.approx(1)
