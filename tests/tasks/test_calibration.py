"""Temperatures."""

import numpy as np
import pytest

from semapix.errors import ArgumentError
from semapix.tasks import fit_temperature, log_loss, probabilities


def drawn(temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels drawn from them at a temperature."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (4000, 5)).astype(np.float32)
    shares = probabilities(logits, temperature)
    return logits, (shares.cumsum(1) > rng.random((4000, 1))).argmax(1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_labels_were_drawn_at_is_found(temperature):
    logits, labels = drawn(temperature)
    found = fit_temperature(logits, labels)
    assert found == pytest.approx(temperature, rel=0.1)
    assert log_loss(logits, labels, found) <= min(log_loss(logits, labels, found * x) for x in (0.95, 1.0, 1.05))


def test_what_is_always_or_never_right_stays_in_range():
    logits = np.eye(3, dtype=np.float32)
    assert fit_temperature(logits, np.arange(3)) == pytest.approx(0.05, rel=0.01)
    assert fit_temperature(logits, (np.arange(3) + 1) % 3) == pytest.approx(20, rel=0.01)


def test_probabilities_of_large_logits():
    shares = probabilities(np.array([[1000.0, 0.0], [-1000.0, -1000.0]], np.float32))
    assert shares.tolist() == [[1.0, 0.0], [0.5, 0.5]]
    assert np.isfinite(log_loss(np.array([[1000.0, 0.0]], np.float32), np.array([1])))


def test_refusals():
    with pytest.raises(ArgumentError, match="one label for each example, not 2 for 3"):
        fit_temperature(np.zeros((3, 2), np.float32), np.zeros(2, np.int64))
    with pytest.raises(ArgumentError, match="not 0 for 0"):
        fit_temperature(np.zeros((0, 2), np.float32), np.zeros(0, np.int64))
