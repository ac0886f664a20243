"""Quality maps: from importance to quality, and what of a map a file carries (HEVRC, section III-B)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from semapix.codecs._importance import interpolate
from semapix.coding import HYPER_STRIDE

__all__ = ["MAP_STEPS", "map_symbols", "quality_map", "spread_map"]

MAP_STEPS = 16
"""The map that a file carries has values from 0 to 1 in so many steps."""

_LARGEST_RHO = 64.0
_HALVINGS = 30

Map = NDArray[np.float32]


def quality_map(importance: Map, mean: float) -> Map:
    """The map whose mean is `mean`, 0 to 1, with the order of `importance` (rows, columns), 0 to 1.

    Gamma of eq. 11: q = tau v to lower it, q = (1 - (1 - v)^rho)^(1/rho) to raise it; both are v itself at 1. Blocks of
    no importance count as the least important others, as in the paper. Means that no rho reaches blend into ones.
    """
    positive = importance[importance > 0]
    least = float(positive.min()) if len(positive) else 1.0
    values = np.maximum(importance.astype(np.float64), least)
    plain = float(values.mean())
    if mean <= plain:
        return (values * (mean / plain)).astype(np.float32)

    def raised(log_rho: float) -> NDArray[np.float64]:
        rho = math.exp(log_rho)
        return (1 - (1 - values) ** rho) ** (1 / rho)

    low, high = 0.0, math.log(_LARGEST_RHO)
    highest = raised(high)
    if highest.mean() < mean:
        share = (mean - highest.mean()) / (1 - highest.mean())
        return (highest + (1 - highest) * share).astype(np.float32)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if raised(middle).mean() < mean:
            low = middle
        else:
            high = middle
    return raised(high).astype(np.float32)


_DITHER = (np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]]) + 0.5) / 16
"""Bayer's thresholds: where neighbours want the same value between two steps, some get the upper one and some the
lower, so that rates between those of the steps can be had."""


def map_symbols(quality: Map) -> NDArray[np.float32]:
    """The map as the hyper-latent's first channel has it: whole numbers (1, ceil(rows/4), ceil(columns/4))."""
    rows, columns = quality.shape
    tall, wide = -rows % HYPER_STRIDE, -columns % HYPER_STRIDE
    padded = np.pad(quality.astype(np.float64), ((0, tall), (0, wide)))
    there = np.pad(np.ones_like(quality, np.float64), ((0, tall), (0, wide)))

    def total(values: NDArray[np.float64]) -> NDArray[np.float64]:
        high, long = values.shape[0] // HYPER_STRIDE, values.shape[1] // HYPER_STRIDE
        return values.reshape(high, HYPER_STRIDE, long, HYPER_STRIDE).sum(axis=(1, 3))

    wanted = total(padded) / total(there) * MAP_STEPS
    rows, columns = wanted.shape
    thresholds = np.tile(_DITHER, (-(-rows // 4), -(-columns // 4)))[:rows, :columns]
    symbols = np.floor(wanted + thresholds) - MAP_STEPS // 2
    return symbols[None].astype(np.float32)


def spread_map(symbols: NDArray[np.float32], rows: int, columns: int) -> Map:
    """The map (rows, columns) that decoders make of `map_symbols`: linear between positions, held at the border."""
    values = ((symbols[0] + MAP_STEPS // 2) / MAP_STEPS).clip(0, 1).astype(np.float32)
    for axis, count in ((0, rows), (1, columns)):
        values = interpolate(values, axis, (np.arange(count) + 0.5) / HYPER_STRIDE - 0.5)
    return values
