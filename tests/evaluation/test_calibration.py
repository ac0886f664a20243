"""Calibration error and AUROC."""

import numpy as np
import pytest

from semapix.errors import ArgumentError
from semapix.evaluation.calibration import auroc, calibration_error


def test_calibration_error_of_what_is_known():
    labels = np.array([0, 0, 0, 1])
    sure = np.tile([1.0, 0.0], (4, 1))
    assert calibration_error(sure, labels) == pytest.approx(0.25)
    honest = np.tile([0.75, 0.25], (4, 1))
    assert calibration_error(honest, labels) == pytest.approx(0.0)
    mixed = np.concatenate([sure, np.tile([0.6, 0.4], (4, 1))])
    assert calibration_error(mixed, np.tile(labels, 2)) == pytest.approx((0.25 + 0.15) / 2)


def test_auroc_counts_pairs():
    rng = np.random.default_rng(0)
    scores, foreign = rng.integers(0, 10, 60).astype(float), rng.random(60) < 0.4
    pairs = [np.sign(b - a) / 2 + 0.5 for a in scores[~foreign] for b in scores[foreign]]
    assert auroc(scores, foreign) == pytest.approx(np.mean(pairs))
    assert auroc(np.array([1.0, 2.0]), np.array([False, True])) == 1.0
    assert auroc(np.array([1.0, 1.0]), np.array([False, True])) == 0.5


def test_refusals():
    with pytest.raises(ArgumentError, match="pictures of both kinds, not 2 known, 0 foreign"):
        auroc(np.zeros(2), np.zeros(2, bool))
