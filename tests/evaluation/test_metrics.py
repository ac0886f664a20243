"""PSNR and MS-SSIM on pictures whose figures are known."""

import math

import numpy as np
import pytest

from semapix.errors import ArgumentError
from semapix.evaluation.metrics import decibel, ms_ssim, psnr
from tests.pictures import picture


def flat(value: int) -> np.ndarray:
    return np.full((8, 8, 3), value, np.uint8)


@pytest.mark.parametrize(("difference", "decibels"), [(1, 48.1308), (2, 42.1102), (255, 0.0)])
def test_psnr_of_a_constant_difference(difference, decibels):
    assert psnr(flat(difference), flat(0)) == pytest.approx(decibels, abs=1e-4)
    assert psnr(flat(0), flat(difference)) == pytest.approx(decibels, abs=1e-4)


def test_psnr_is_of_the_mean_error_over_all_channels():
    one_channel = flat(100)
    one_channel[..., 0] += 3
    assert psnr(one_channel, flat(100)) == pytest.approx(10 * math.log10(255**2 / 3))


def test_equal_pictures():
    original = picture(176, 176)
    assert psnr(original, original) == math.inf
    assert ms_ssim(original, original) == pytest.approx(1)
    assert decibel(1.0) == math.inf


def test_ms_ssim_falls_with_noise():
    original = picture(200, 180)
    noise = np.random.default_rng(0).normal(0, 1, original.shape)
    noisy = [(original + scale * noise).clip(0, 255).astype(np.uint8) for scale in (2, 8, 32)]
    values = [ms_ssim(version, original) for version in noisy]
    assert 1 > values[0] > values[1] > values[2] > 0


@pytest.mark.parametrize(("similarity", "decibels"), [(0.9, 10), (0.99, 20), (0.0, 0)])
def test_decibels(similarity, decibels):
    assert decibel(similarity) == pytest.approx(decibels)


@pytest.mark.parametrize("measure", [psnr, ms_ssim])
def test_pictures_that_cannot_be_compared(measure):
    with pytest.raises(ArgumentError, match=r"differ in size: \(8, 8, 3\) and \(8, 9, 3\)"):
        measure(flat(0), np.zeros((8, 9, 3), np.uint8))
    with pytest.raises(ArgumentError, match=r"uint8 of shape \(H, W, 3\), not float64 \(8, 8, 3\)"):
        measure(flat(0) / 255, flat(0))
    with pytest.raises(ArgumentError, match=r"not uint8 \(8, 8\)"):
        measure(flat(0), np.zeros((8, 8), np.uint8))


def test_ms_ssim_needs_some_pixels():
    with pytest.raises(ArgumentError, match=r"sides of 161 pixels or more, not \(160, 300\)"):
        ms_ssim(picture(300, 160), picture(300, 160))
    assert ms_ssim(picture(300, 161), picture(300, 161)) == pytest.approx(1)
