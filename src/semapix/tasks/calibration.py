"""Probabilities that mean what they say: a temperature for logits, fitted on pictures that were held out.

C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On calibration of modern neural networks" (ICML 2017).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from semapix.errors import ArgumentError

__all__ = ["fit_temperature", "log_loss", "probabilities"]

Array = NDArray[np.float32]

_LOWEST, _HIGHEST = 0.05, 20.0
_GOLDEN = (math.sqrt(5) - 1) / 2


def probabilities(logits: Array, temperature: float = 1.0) -> NDArray[np.float64]:
    """Softmax of logits (..., classes) divided by the temperature, float64 of the same shape."""
    scaled = logits.astype(np.float64) / temperature
    shares = np.exp(scaled - scaled.max(-1, keepdims=True))
    return np.asarray(shares / shares.sum(-1, keepdims=True))


def log_loss(logits: Array, labels: NDArray[np.int64], temperature: float = 1.0) -> float:
    """Mean negative log-likelihood, in nats, of labels (N,) under logits (N, classes)."""
    right = probabilities(logits, temperature)[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(right, 1e-300)).mean())


def fit_temperature(logits: Array, labels: NDArray[np.int64]) -> float:
    """The temperature, 0.05 to 20, for which the log-loss of held-out logits (N, classes) with labels (N,) is lowest.

    The log-loss is convex in the inverse temperature, so that a golden-section search finds it. Raises ArgumentError
    when there is no example, or not one label for each.
    """
    if len(logits) == 0 or len(logits) != len(labels):
        raise ArgumentError(f"a temperature needs one label for each example, not {len(labels)} for {len(logits)}")
    low, high = math.log(_LOWEST), math.log(_HIGHEST)
    for _ in range(40):
        step = _GOLDEN * (high - low)
        if log_loss(logits, labels, math.exp(high - step)) <= log_loss(logits, labels, math.exp(low + step)):
            high = low + step
        else:
            low = high - step
    return math.exp((low + high) / 2)
