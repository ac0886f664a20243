"""Colour planes for ffmpeg: exact where they can be."""

from __future__ import annotations

import numpy as np
import pytest

from semapix.evaluation.metrics import psnr
from semapix.evaluation.reference.ycbcr import Planes
from tests.pictures import picture


def test_without_subsampling_every_colour_comes_back():
    steps = np.array([*range(0, 256, 5), 1, 127, 128, 254], np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(len(steps), -1, 3)
    planes = Planes(*colours.shape[:2], subsampled=False)
    assert colours.size == 3 * 56**3
    np.testing.assert_array_equal(planes.pixels(planes.of(colours)), colours)


def test_order_and_range_of_the_planes():
    white_black_red_blue = np.array([[[255] * 3, [0] * 3, [255, 0, 0], [0, 0, 255]]], np.uint8)
    values = np.frombuffer(Planes(1, 4, subsampled=False).of(white_black_red_blue), "<u2").reshape(3, 4)
    assert values.tolist() == [[1023, 0, 306, 117], [512, 512, 339, 1023], [512, 512, 1023, 429]]


def test_with_subsampling_smooth_colour_comes_back():
    original = picture(64, 48)
    planes = Planes(48, 64, subsampled=True)
    data = planes.of(original)
    assert len(data) == 2 * (48 * 64 + 2 * 24 * 32)
    assert psnr(planes.pixels(data), original) > 30
    flat = np.full((48, 64, 3), (10, 200, 90), np.uint8)
    np.testing.assert_array_equal(planes.pixels(planes.of(flat)), flat)


def test_planes_of_another_length():
    with pytest.raises(ValueError, match=r"^10 bytes of planes, not 24$"):
        Planes(2, 2, subsampled=False).pixels(bytes(10))


def test_names():
    assert Planes(2, 2, subsampled=False).name == "yuv444p10le"
    assert Planes(2, 2, subsampled=True).name == "yuv420p10le"
