"""Linear heads: labels that a model was never trained for, from its features.

Multinomial logistic regression on standardised features, as is usual for features of networks (G. Alain and Y. Bengio,
"Understanding intermediate layers using linear classifier probes", 2016). The weight penalty and what is held out come
from cross-validation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semapix.errors import ArgumentError
from semapix.tasks.calibration import log_loss

__all__ = ["CrossValidated", "LinearClassifier", "fit_linear", "fit_on_split"]

Array = NDArray[np.float32]
Labels = NDArray[np.int64]

_PENALTIES = (1.0, 1e-1, 1e-2, 1e-3, 1e-4)
_FOLDS = 5
_STEPS = 300
_BATCH = 2048  # examples that a step looks at; all of them where there are no more
_RATE = 0.02


@dataclass(frozen=True, eq=False)
class LinearClassifier:
    """A linear classifier. `mean`, `scale`: (F,); `weights`: (F, classes); `bias`: (classes,), all float32."""

    mean: Array
    scale: Array
    weights: Array
    bias: Array

    def scores(self, features: Array) -> Array:
        """Logits (N, classes) of features (N, F)."""
        logits = ((features - self.mean) / self.scale) @ self.weights + self.bias
        return logits.astype(np.float32)


@dataclass(frozen=True, eq=False)
class CrossValidated:
    """A classifier of all examples, and what it would have said of each if it had not seen it.

    `held_out`: logits (N, classes), those of each fifth by a classifier of the other four. `penalty`: of the weights,
    chosen among five by the log-loss of `held_out`.
    """

    classifier: LinearClassifier
    held_out: Array
    penalty: float


def fit_linear(features: Array, labels: Labels, classes: int) -> CrossValidated:
    """Train a classifier on features (N, F) with labels (N,), 0 to `classes` - 1.

    Raises ArgumentError for labels out of range, for less than ten examples, and for a single class.
    """
    _check(features, labels, classes)
    fold = _folds(labels)
    tried = {penalty: _held_out(features, labels, classes, penalty, fold) for penalty in _PENALTIES}
    best = min(_PENALTIES, key=lambda penalty: log_loss(tried[penalty], labels))
    return CrossValidated(_fit(features, labels, classes, best), tried[best], best)


def fit_on_split(features: Array, labels: Labels, classes: int) -> LinearClassifier:
    """As `fit_linear`, with one held-out fifth in place of five: for thousands of examples, where one tells enough."""
    _check(features, labels, classes)
    out = _folds(labels) == 0

    def loss(penalty: float) -> float:
        found = _fit(features[~out], labels[~out], classes, penalty)
        return log_loss(found.scores(features[out]), labels[out])

    return _fit(features, labels, classes, min(_PENALTIES, key=loss))


def _check(features: Array, labels: Labels, classes: int) -> None:
    if len(features) < 2 * _FOLDS or len(features) != len(labels):
        raise ArgumentError(
            f"a linear head needs {2 * _FOLDS} examples or more, not {len(features)} with {len(labels)} labels"
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise ArgumentError(f"labels ({labels.min()} to {labels.max()}) must lie between 0 and {classes - 1}")
    if labels.min() == labels.max():
        raise ArgumentError("a linear head needs examples of two classes or more, not of one")


def _folds(labels: Labels) -> NDArray[np.int64]:
    """The fold of each example: every class is spread evenly over all folds."""
    order = np.random.default_rng(0).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(len(labels), np.int64)
    fold[order] = np.arange(len(labels)) % _FOLDS
    return fold


def _held_out(features: Array, labels: Labels, classes: int, penalty: float, fold: NDArray[np.int64]) -> Array:
    """Logits (N, classes) of each fold by a classifier of all others."""
    logits = np.empty((len(features), classes), np.float32)
    for number in range(_FOLDS):
        out = fold == number
        logits[out] = _fit(features[~out], labels[~out], classes, penalty).scores(features[out])
    return logits


def _fit(features: Array, labels: Labels, classes: int, penalty: float) -> LinearClassifier:
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
    return LinearClassifier(mean, scale, weights, bias)


def _batches(count: int) -> Iterator[NDArray[np.intp] | slice]:
    """Which of `count` examples each step looks at: all of them, or a batch of a random order that is used up first."""
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
