"""Linear heads."""

import numpy as np
import pytest

from semapix.errors import ArgumentError
from semapix.tasks import fit_linear, fit_on_split


def clusters(count: int, classes: int = 4, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of many scales, labels, and the centres of the classes."""
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 3, (classes, 6))
    labels = rng.integers(0, classes, count)
    features = (centres[labels] + rng.normal(0, spread, (count, 6))) * [1, 100, 1, 1, 0.01, 1]
    return features.astype(np.float32), labels, centres


def test_a_classifier_finds_what_is_linear():
    features, labels, centres = clusters(400)
    scores = fit_linear(features[:300], labels[:300], 4).classifier.scores(features[300:])
    assert scores.shape == (100, 4)
    assert (scores.argmax(1) == labels[300:]).mean() > 0.95
    nearest = np.argmin(((features[300:, None] / [1, 100, 1, 1, 0.01, 1] - centres) ** 2).sum(-1), axis=1)
    assert (scores.argmax(1) == labels[300:]).sum() >= (nearest == labels[300:]).sum() - 2


def test_what_is_held_out_was_not_learned():
    rng = np.random.default_rng(0)
    noise, labels = rng.normal(size=(60, 200)).astype(np.float32), np.arange(60) % 3
    found = fit_linear(noise, labels, 3)
    assert (found.classifier.scores(noise).argmax(1) == labels).mean() > 0.9  # learned by heart
    assert (found.held_out.argmax(1) == labels).mean() < 0.6  # and no more than guessed otherwise


def test_the_penalty_follows_the_data():
    easy, labels, _ = clusters(400, spread=0.3)
    hard, _, _ = clusters(400, spread=10.0)
    assert fit_linear(easy, labels, 4).penalty < fit_linear(hard[:40], labels[:40], 4).penalty


def test_many_examples_are_learned_in_batches():
    features, labels, _ = clusters(5000)
    found = fit_linear(features, labels, 4)
    assert (found.held_out.argmax(1) == labels).mean() > 0.95


def test_constant_features_do_no_harm():
    labels = np.arange(40) % 2
    found = fit_linear(np.ones((40, 3), np.float32), labels, 2)
    assert np.isfinite(found.classifier.scores(np.ones((1, 3), np.float32))).all()


def test_refusals():
    with pytest.raises(ArgumentError, match="10 examples or more, not 3 with 3 labels"):
        fit_linear(np.ones((3, 2), np.float32), np.zeros(3, np.int64), 2)
    with pytest.raises(ArgumentError, match=r"labels \(2 to 2\) must lie between 0 and 1"):
        fit_linear(np.ones((20, 2), np.float32), np.full(20, 2), 2)
    with pytest.raises(ArgumentError, match="two classes or more, not of one"):
        fit_linear(np.ones((20, 2), np.float32), np.zeros(20, np.int64), 2)


def test_one_split_finds_nearly_what_five_folds_find():
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 4, 600)
    features = (rng.normal(0, 1.0, (600, 20)) + 1.2 * np.eye(4, 20)[labels]).astype(np.float32)
    quick = fit_on_split(features[:400], labels[:400], 4)
    thorough = fit_linear(features[:400], labels[:400], 4).classifier

    def right(classifier):
        return np.mean(classifier.scores(features[400:]).argmax(1) == labels[400:])

    assert right(quick) == pytest.approx(right(thorough), abs=0.05)
    assert right(quick) > 0.5
    with pytest.raises(ArgumentError, match="two classes"):
        fit_on_split(features[:20], np.zeros(20, np.int64), 4)
