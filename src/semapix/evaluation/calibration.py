"""Whether probabilities mean what they say, and whether a score tells foreign pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semapix.errors import ArgumentError

__all__ = ["auroc", "calibration_error"]

_BINS = 15


def calibration_error(shares: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Expected calibration error, 0 to 1, of probabilities (N, classes) with true labels (N,).

    The mean, over 15 bins of equal width, of the difference between the accuracy of the most probable label and its
    mean probability, weighted by the pictures in each bin (M. P. Naeini, G. F. Cooper and M. Hauskrecht, AAAI 2015).
    """
    best = shares.max(1)
    gap = (shares.argmax(1) == labels) - best
    bins = np.minimum((best * _BINS).astype(np.int64), _BINS - 1)
    return float(np.abs(np.bincount(bins, gap, _BINS)).sum() / len(labels))


def auroc(scores: NDArray[np.float64], foreign: NDArray[np.bool_]) -> float:
    """Area under the ROC curve, 0 to 1: how often a foreign picture scores higher than a known one; ties count half.

    `scores`, `foreign`: (N,). Raises ArgumentError unless there are pictures of both kinds.
    """
    outside, inside = scores[foreign], np.sort(scores[~foreign])
    if len(outside) == 0 or len(inside) == 0:
        raise ArgumentError(f"an AUROC needs pictures of both kinds, not {len(inside)} known, {len(outside)} foreign")
    below = np.searchsorted(inside, outside, "left") + np.searchsorted(inside, outside, "right")
    return float(below.mean() / (2 * len(inside)))
