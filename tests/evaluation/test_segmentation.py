"""Intersection over union of masks that are small enough to count by hand."""

import math

import numpy as np
import pytest

from semapix.errors import ArgumentError
from semapix.evaluation.segmentation import IGNORED, confusion, iou, mean_iou

TRUTH = np.array([[0, 0, 1, 1], [0, 0, 1, 255]], np.uint8)
MASK = np.array([[0, 0, 1, 0], [0, 2, 1, 1]], np.uint8)


def test_pixels_are_counted_by_truth_and_mask():
    assert confusion(MASK, TRUTH, 4).tolist() == [[3, 0, 1, 0], [1, 2, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert IGNORED == 255


def test_intersection_over_union():
    matrix = confusion(MASK, TRUTH, 4)
    assert iou(matrix)[:3] == pytest.approx([3 / 5, 2 / 3, 0])
    assert math.isnan(iou(matrix)[3])  # neither in the mask nor in the truth: no figure, and not in the mean
    assert mean_iou(matrix) == pytest.approx((3 / 5 + 2 / 3 + 0) / 3)


def test_pictures_are_added():
    """The figure of two pictures is that of both side by side, not the mean of theirs."""
    other = np.full_like(TRUTH, 3)
    matrix = confusion(MASK, TRUTH, 4) + confusion(other, other, 4)
    together = confusion(np.hstack([MASK, other]), np.hstack([TRUTH, other]), 4)
    assert (matrix == together).all()
    assert mean_iou(matrix.tolist()) == pytest.approx((3 / 5 + 2 / 3 + 0 + 1) / 4)


@pytest.mark.parametrize("seed", range(3))
def test_against_sets(seed):
    rng = np.random.default_rng(seed)
    mask, truth = rng.integers(0, 5, (2, 30, 20))
    values = iou(confusion(mask, truth, 5))
    for label in range(5):
        both, either = (mask == label) & (truth == label), (mask == label) | (truth == label)
        assert values[label] == pytest.approx(both.sum() / either.sum())


def test_nothing_to_count():
    assert math.isnan(mean_iou(confusion(MASK, np.full_like(TRUTH, IGNORED), 4)))


def test_masks_that_cannot_be_counted():
    with pytest.raises(ArgumentError, match=r"the mask is \(2, 3\) and the truth \(2, 4\); they must be of one size"):
        confusion(MASK[:, :3], TRUTH, 4)
    with pytest.raises(ArgumentError, match=r"the mask holds class 2, which is not between 0 and 1"):
        confusion(MASK, TRUTH, 2)
    with pytest.raises(ArgumentError, match=r"the truth holds class -1, which is not between 0 and 3"):
        confusion(MASK, np.full(TRUTH.shape, -1), 4)
