"""Linear probes."""

import numpy as np
import pytest

from semapix.errors import ArgumentError
from semapix.evaluation.probe import fit_probe


def test_a_probe_finds_what_is_linear():
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 3, (4, 6))
    labels = rng.integers(0, 4, 400)
    features = (centres[labels] + rng.normal(0, 1, (400, 6))).astype(np.float32) * [1, 100, 1, 1, 0.01, 1]
    probe = fit_probe(features[:300].astype(np.float32), labels[:300], 4)
    scores = probe.scores(features[300:].astype(np.float32))
    assert scores.shape == (100, 4)
    assert (scores.argmax(1) == labels[300:]).mean() > 0.95
    nearest = np.argmin(((features[300:, None] / [1, 100, 1, 1, 0.01, 1] - centres) ** 2).sum(-1), axis=1)
    assert (scores.argmax(1) == labels[300:]).sum() >= (nearest == labels[300:]).sum() - 2


def test_constant_features_do_no_harm():
    labels = np.arange(40) % 2
    probe = fit_probe(np.ones((40, 3), np.float32), labels, 2)
    assert np.isfinite(probe.scores(np.ones((1, 3), np.float32))).all()


def test_refusals():
    with pytest.raises(ArgumentError, match="ten examples or more, not 3"):
        fit_probe(np.ones((3, 2), np.float32), np.zeros(3, np.int64), 2)
    with pytest.raises(ArgumentError, match="must lie between 0 and 1"):
        fit_probe(np.ones((20, 2), np.float32), np.full(20, 2), 2)


def test_of_many_examples_a_step_looks_at_some(monkeypatch):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 600)
    features = (rng.normal(0, 3, (3, 4))[labels] + rng.normal(0, 1, (600, 4))).astype(np.float32)
    whole = fit_probe(features[:500], labels[:500], 3).scores(features[500:]).argmax(1)
    monkeypatch.setattr("semapix.evaluation.probe._BATCH", 64)
    some = fit_probe(features[:500], labels[:500], 3).scores(features[500:]).argmax(1)
    assert (some == whole).mean() > 0.95
