"""Intersection over union of masks of classes, counted over all pictures of a data set, as PASCAL VOC does.

The pixels of all pictures are counted into one confusion matrix; so large pictures weigh more than small ones, and the
mean is over classes. A class that neither the masks nor the truth show has no figure and is left out of the mean.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semapix.errors import ArgumentError

__all__ = ["IGNORED", "confusion", "iou", "mean_iou"]

IGNORED = 255
"""The label of pixels of the truth that do not count: PASCAL's borders of objects."""


def confusion(mask: NDArray[np.integer], truth: NDArray[np.integer], classes: int) -> NDArray[np.int64]:
    """How many pixels of each true class (row) got each class (column): (classes, classes). Add those of all pictures.

    `mask`, `truth`: integers (H, W), 0 to classes - 1; pixels where the truth is 255 are left out. Raises ArgumentError
    for arrays of different shapes, and for other numbers.
    """
    if mask.shape != truth.shape:
        raise ArgumentError(f"the mask is {mask.shape} and the truth {truth.shape}; they must be of one size")
    counted = truth != IGNORED
    mask, truth = mask[counted].astype(np.int64), truth[counted].astype(np.int64)
    for what, values in (("mask", mask), ("truth", truth)):
        wrong = values[(values < 0) | (values >= classes)]
        if wrong.size:
            raise ArgumentError(f"the {what} holds class {wrong[0]}, which is not between 0 and {classes - 1}")
    return np.bincount(truth * classes + mask, minlength=classes * classes).reshape(classes, classes)


def iou(matrix: ArrayLike) -> NDArray[np.float64]:
    """Intersection over union of each class, (classes,), 0 to 1, of a confusion matrix; NaN where a class is absent."""
    counts = np.asarray(matrix, np.float64)
    both = np.diag(counts)
    either = counts.sum(axis=0) + counts.sum(axis=1) - both
    return np.divide(both, either, out=np.full(len(counts), np.nan), where=either > 0)


def mean_iou(matrix: ArrayLike) -> float:
    """The mean of `iou` over the classes that are there, the background too if there is one; NaN when none is."""
    values = iou(matrix)
    present = values[~np.isnan(values)]
    return float(present.mean()) if present.size else float("nan")
