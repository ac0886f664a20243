"""Importance maps against slow and plain ways to say the same."""

import numpy as np
import pytest

from semapix.codecs._importance import (
    BLOCK,
    blend,
    block_means,
    centre_weighted,
    complexity,
    interpolate,
    otsu_threshold,
    resample,
    unit_range,
)
from tests.pictures import picture


def slow_complexity(pixels):
    """Sobel's two kernels at every pixel of the picture, one after the other."""
    height, width = pixels.shape[:2]
    tall, wide = -(-height // BLOCK) * BLOCK, -(-width // BLOCK) * BLOCK
    kernel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], float)
    padded = np.pad(pixels.astype(float), ((0, tall - height), (0, wide - width), (0, 0)), "edge")
    framed = np.pad(padded, ((1, 1), (1, 1), (0, 0)), "edge")
    found = np.zeros((tall, wide))
    for y in range(tall):
        for x in range(wide):
            seen = framed[y : y + 3, x : x + 3]
            for colour in range(3):
                across, down = (seen[:, :, colour] * kernel).sum(), (seen[:, :, colour] * kernel.T).sum()
                found[y, x] += np.hypot(across, down)
    means = found.reshape(tall // BLOCK, BLOCK, wide // BLOCK, BLOCK).mean(axis=(1, 3))
    return (means - means.min()) / (means.max() - means.min())


@pytest.mark.parametrize("size", [(33, 20), (37, 300), (40, 256), (24, 273)])  # strips have 256 rows
def test_complexity_is_the_sobel_magnitude(size):
    width, height = size
    pixels = picture(width, height, seed=height)
    pixels[250:262] = np.random.default_rng(0).integers(0, 256, pixels[250:262].shape)  # around the strips' border
    found = complexity(pixels)
    assert found.shape == (-(-height // BLOCK), -(-width // BLOCK))
    assert found.dtype == np.float32
    assert np.allclose(found, slow_complexity(pixels), atol=1e-5)


def test_a_picture_of_one_colour_has_no_complexity():
    assert not complexity(np.full((40, 50, 3), 77, np.uint8)).any()
    assert complexity(np.zeros((1, 1, 3), np.uint8)).shape == (1, 1)


def test_the_middle_is_likelier():
    flat = centre_weighted(np.full((5, 9), 0.3, np.float32))
    assert flat.dtype == np.float32
    assert flat.max() == flat[2, 4] == 1
    assert flat.min() == flat[0, 0] == flat[4, 8] == 0
    assert np.allclose(flat, flat[::-1, ::-1])
    semantic = np.zeros((5, 9), np.float32)
    semantic[2, 6] = 1
    found = centre_weighted(semantic)
    # (1/2 + s) exp(-2 r^2), before it is scaled: 1.5 exp(-2 (4/9)^2) at the evidence, 0.5 in the middle.
    raw = {(2, 6): 1.5 * np.exp(-2 * (4 / 9) ** 2), (2, 4): 0.5, (0, 0): 0.5 * np.exp(-2 * (0.8**2 + (8 / 9) ** 2))}
    assert found.argmax() == 2 * 9 + 6
    expected = (raw[2, 4] - raw[0, 0]) / (raw[2, 6] - raw[0, 0])
    assert found[2, 4] == pytest.approx(expected, rel=1e-5)
    assert centre_weighted(np.ones((1, 1), np.float32)).tolist() == [[0.0]]


def slow_otsu(values):
    """The variance between the classes at every edge of 256 bins; its largest value, and the edges that have it."""
    bins = np.minimum((values.ravel() * 256).astype(int), 255)
    centres = (bins + 0.5) / 256
    variances = []
    for edge in range(1, 256):
        below, above = centres[bins < edge], centres[bins >= edge]
        apart = below.mean() - above.mean() if len(below) and len(above) else 0.0
        variances.append(len(below) * len(above) * apart**2)
    return np.array(variances)


@pytest.mark.parametrize("seed", range(8))
def test_otsu_has_the_largest_variance_between_classes(seed):
    rng = np.random.default_rng(seed)
    low, high = rng.beta(2, 8, int(rng.integers(20, 400))), rng.beta(9, 2, int(rng.integers(20, 400)))
    values = np.concatenate([low, high]).astype(np.float32)
    variances = slow_otsu(values.astype(float))
    edge = otsu_threshold(values) * 256
    best = np.flatnonzero(np.isclose(variances, variances.max(), rtol=1e-9)) + 1
    assert edge == pytest.approx(best.mean())


def test_otsu_lies_in_the_middle_of_a_gap_and_of_one_class_parts_nothing():
    assert otsu_threshold(np.array([0.1, 0.11, 0.9], np.float32)) == pytest.approx(0.5, abs=0.02)
    same = np.full(9, 0.3, np.float32)
    assert 0 < otsu_threshold(same) < 1


def test_blend_is_what_matters_then_what_is_simple():
    semantic = np.array([[1.0, 0.7, 0.1], [0.05, 0.0, 0.2]], np.float32)
    busy = np.array([[0.3, 0.9, 0.5], [0.0, 1.0, 0.75]], np.float32)
    # s B(s) keeps 1 and 0.7; of the rest, 1 - c is 0.5, 1, 0, 0.25, and 1 becomes the smallest of those kept, 0.7.
    wanted = [[1.0, 0.7, 0.35], [0.7, 0.0, 0.175]]
    assert np.allclose(blend(semantic, busy), wanted, atol=1e-6)


def test_blend_where_nothing_is_meaningful_is_simplicity():
    busy = np.array([[0.2, 0.4], [0.6, 1.0]], np.float32)
    assert np.allclose(blend(np.zeros((2, 2), np.float32), busy), unit_range(1 - busy))
    assert not blend(np.zeros((2, 2), np.float32), np.ones((2, 2), np.float32)).any()


def test_blend_where_the_rest_is_as_busy_as_can_be_keeps_what_matters():
    semantic = np.array([[1.0, 0.0]], np.float32)
    assert blend(semantic, np.ones((1, 2), np.float32)).tolist() == [[1.0, 0.0]]


def test_unit_range():
    assert unit_range(np.array([[2.0, 4.0, 3.0]], np.float32)).tolist() == [[0.0, 1.0, 0.5]]
    assert unit_range(np.full((2, 2), 7.0, np.float32)).tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_block_means():
    values = np.arange(32 * 48, dtype=np.float32).reshape(32, 48)
    found = block_means(values)
    assert found.shape == (2, 3)
    assert found[1, 2] == values[16:32, 32:48].mean()


def slow_resample(values, rows, columns):
    found = np.empty((rows, columns))
    for y in range(rows):
        for x in range(columns):
            v = min(max((y + 0.5) * values.shape[0] / rows - 0.5, 0), values.shape[0] - 1)
            h = min(max((x + 0.5) * values.shape[1] / columns - 0.5, 0), values.shape[1] - 1)
            top, left = int(v), int(h)
            bottom, right = min(top + 1, values.shape[0] - 1), min(left + 1, values.shape[1] - 1)
            upper = values[top, left] * (1 - h + left) + values[top, right] * (h - left)
            lower = values[bottom, left] * (1 - h + left) + values[bottom, right] * (h - left)
            found[y, x] = upper * (1 - v + top) + lower * (v - top)
    return found


@pytest.mark.parametrize("size", [(1, 1), (4, 6), (7, 3), (12, 12), (3, 17)])
def test_resample_is_bilinear(size):
    values = np.random.default_rng(0).random((5, 6)).astype(np.float32)
    found = resample(values, *size)
    assert found.dtype == np.float32
    assert np.allclose(found, slow_resample(values, *size), atol=1e-6)


def test_resample_to_its_own_size_changes_nothing():
    values = np.random.default_rng(0).random((5, 6)).astype(np.float32)
    assert np.array_equal(resample(values, 5, 6), values)
    assert resample(values[:1, :1], 3, 4).tolist() == [[values[0, 0]] * 4] * 3


def test_values_at_the_border_are_held():
    values = np.array([[1.0, 3.0]], np.float32)
    assert interpolate(values, 1, np.array([-2.0, 0.25, 9.0])).tolist() == [[1.0, 1.5, 3.0]]
