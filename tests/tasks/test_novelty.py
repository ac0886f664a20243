"""Pictures that hold none of the labels."""

import numpy as np
import pytest

from semapix.errors import ArgumentError
from semapix.tasks import FOREIGN, Task, evidence, evidence_quantiles, none_of_these, top_labels


def test_evidence_is_the_logarithm_of_the_sum_of_exponentials():
    logits = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    assert evidence(logits) == pytest.approx(np.log(np.exp(logits.astype(float)).sum(1)))
    assert evidence(np.array([1000.0, 1000.0], np.float32)) == pytest.approx(1000 + np.log(2))


def test_known_pictures_are_spread_evenly_and_five_in_a_hundred_are_called_foreign():
    rng = np.random.default_rng(0)
    quantiles = evidence_quantiles(rng.normal(0, 2, (4000, 9)).astype(np.float32))
    assert len(quantiles) == 21
    assert quantiles == sorted(quantiles)
    shares = np.array([none_of_these(x, quantiles) for x in rng.normal(0, 2, (4000, 9)).astype(np.float32)])
    assert shares.mean() == pytest.approx(0.5, abs=0.03)
    assert (shares > FOREIGN).mean() == pytest.approx(0.05, abs=0.015)


def test_the_ends():
    quantiles = [1.0, 2.0, 3.0]
    assert none_of_these(np.array([-50.0, -50.0], np.float32), quantiles) == 1.0
    assert none_of_these(np.array([50.0, -50.0], np.float32), quantiles) == 0.0
    assert none_of_these(np.array([2.0, -50.0], np.float32), quantiles) == pytest.approx(0.5)


def test_labels_carry_it():
    scores = np.array([0.0, 2.0], np.float32)
    task = Task("fine", ["a", "b"], 2, 4, "head.fine", 1.0)
    labels = top_labels(task, scores, 2)
    assert (labels.task, labels.none_of_these, [label.name for label in labels]) == ("fine", None, ["b", "a"])
    known = Task("fine", ["a", "b"], 2, 4, "head.fine", 1.0, [0.0, 10.0])
    assert top_labels(known, scores, 1).none_of_these == pytest.approx(1 - evidence(scores) / 10)
    assert top_labels(known, scores, 2) == labels  # as lists they are the same


def test_refusals():
    with pytest.raises(ArgumentError, match="quantiles need held-out logits; there are none"):
        evidence_quantiles(np.zeros((0, 3), np.float32))
