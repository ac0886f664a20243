"""Linear probes: how much a label space that the model was never trained for can be told from its features.

Multinomial logistic regression on standardised features, as is usual for features of networks (G. Alain and Y. Bengio,
"Understanding intermediate layers using linear classifier probes", 2016).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semapix.errors import ArgumentError

__all__ = ["Probe", "fit_probe"]

Array = NDArray[np.float32]

_PENALTIES = (1e-3, 1e-2, 1e-1)
_STEPS = 300
_BATCH = 2048  # examples that a step looks at; all of them where there are no more
_RATE = 0.02
_HELD_OUT = 5  # every fifth example chooses the penalty


@dataclass(frozen=True)
class Probe:
    """A linear classifier. `mean`, `scale`: (F,); `weights`: (F, classes); `bias`: (classes,)."""

    mean: Array
    scale: Array
    weights: Array
    bias: Array
    penalty: float

    def scores(self, features: Array) -> Array:
        """Logits (N, classes) of features (N, F)."""
        logits = ((features - self.mean) / self.scale) @ self.weights + self.bias
        return logits.astype(np.float32)


def fit_probe(features: Array, labels: NDArray[np.int64], classes: int) -> Probe:
    """Train a probe on features (N, F) with labels (N,), 0 to `classes` - 1.

    The weight penalty is the one that serves a held-out fifth best. Raises ArgumentError for labels out of range, or
    for less than ten examples.
    """
    if len(features) < 2 * _HELD_OUT or len(features) != len(labels):
        raise ArgumentError(f"a probe needs ten examples or more, not {len(features)} with {len(labels)} labels")
    if labels.min() < 0 or labels.max() >= classes:
        raise ArgumentError(f"labels ({labels.min()} to {labels.max()}) must lie between 0 and {classes - 1}")
    order = np.random.default_rng(0).permutation(len(features))
    held, used = order[::_HELD_OUT], np.delete(order, slice(None, None, _HELD_OUT))

    def right(penalty: float) -> float:
        probe = _fit(features[used], labels[used], classes, penalty)
        return float(np.mean(probe.scores(features[held]).argmax(1) == labels[held]))

    best = max(_PENALTIES, key=right)
    return _fit(features, labels, classes, best)


def _fit(features: Array, labels: NDArray[np.int64], classes: int, penalty: float) -> Probe:
    """Adam with a rate that falls to zero: some hundred steps bring this convex problem close to its minimum."""
    mean, scale = features.mean(0).astype(np.float32), (features.std(0) + 1e-6).astype(np.float32)
    x: Array = (features - mean) / scale
    weights: Array = np.zeros((x.shape[1], classes), np.float32)
    bias: Array = np.zeros(classes, np.float32)
    parameters = [weights, bias]
    moments = [(np.zeros_like(p), np.zeros_like(p)) for p in parameters]
    for step, seen in enumerate(_batches(len(x)), start=1):
        batch = x[seen]
        logits = batch @ weights + bias
        shares = np.exp(logits - logits.max(1, keepdims=True))
        shares /= shares.sum(1, keepdims=True)
        shares[np.arange(len(batch)), labels[seen]] -= 1
        gradients = [batch.T @ shares / len(batch) + penalty * weights, shares.mean(0)]
        rate = _RATE * (1 - (step - 1) / _STEPS)
        for parameter, gradient, (first, second) in zip(parameters, gradients, moments, strict=True):
            first += 0.1 * (gradient - first)
            second += 0.01 * (gradient * gradient - second)
            parameter -= rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.99**step)) + 1e-8)
    return Probe(mean, scale, weights, bias, penalty)


def _batches(count: int) -> Iterator[NDArray[np.intp] | slice]:
    """Which of `count` examples each step looks at: all of them, or so many of a random order, round after round."""
    if count <= _BATCH:
        yield from [slice(None)] * _STEPS
        return
    rng = np.random.default_rng(1)
    rest: NDArray[np.intp] = np.empty(0, np.intp)
    for _ in range(_STEPS):
        if len(rest) < _BATCH:
            rest = rng.permutation(count)
        seen, rest = rest[:_BATCH], rest[_BATCH:]
        yield seen
