"""The trained part of the bit-plane coder: counted on training pictures, its mixture fitted by logistic regression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from semapix.codecs import QUALITIES
from semapix.coding import (
    ACTIVITY_CONTEXTS,
    DISTANCE_CONTEXTS,
    ODDS_BITS,
    PLANES,
    VALUES,
    BitPlaneModel,
    Contexts,
    bit_counts,
    log_odds,
)

__all__ = ["fit_contexts", "node_means"]

Values = NDArray[np.uint8]

_CHANNEL_WEIGHT, _OTHER_WEIGHT = 24, 400
"""How many bits a starting point is worth: those of a channel at a quality are far fewer in training."""

_SPARE = 2  # how far beyond the values of training pictures a channel's range goes
_NEWTON_STEPS = 8
_SAMPLES = 200_000  # of the bits of a plane and phase, for the mixture
_RIDGE = 1e-3
_WALKED_LEVELS = range(0, QUALITIES, 2)  # what all qualities share is counted at these ...
_WALKED = 40  # ... on so many pictures


def fit_contexts(samples: Sequence[Sequence[Values]], groups: Sequence[int]) -> Contexts:
    """What the coder needs, from the values (C, h, w) of training pictures: `samples[level]` at each quality level.

    `groups`: channels of each group, in the order of coding.
    """
    ranges = [_ranges(level) for level in samples]
    channels = samples[0][0].shape[0]
    contexts = Contexts(
        lowest=np.stack([lowest for lowest, _ in ranges]),
        highest=np.stack([highest for _, highest in ranges]),
        groups=np.asarray(groups, np.int32),
        channel_share=np.stack([_node_shares(level) for level in samples]),
        channel_weight=np.full((QUALITIES, channels, VALUES), _CHANNEL_WEIGHT, np.uint16),
        activity_share=np.full(ACTIVITY_CONTEXTS, 2**15, np.uint16),
        activity_weight=np.full(ACTIVITY_CONTEXTS, 2, np.uint16),
        distance_share=np.full(DISTANCE_CONTEXTS, 2**15, np.uint16),
        distance_weight=np.full(DISTANCE_CONTEXTS, 2, np.uint16),
        mixture=np.tile(np.array([2**16, 0, 0, 0], np.int32), (PLANES, 2, 1)),
        odds=log_odds(),
        ones=bit_counts(),
    )
    walked = {level: samples[level][:: -(-len(samples[level]) // _WALKED)] for level in _WALKED_LEVELS}
    contexts = _count(contexts, walked)
    return _mix(contexts, walked)


def _ranges(pictures: Sequence[Values]) -> tuple[Values, Values]:
    lowest = np.min([values.min(axis=(1, 2)) for values in pictures], axis=0).astype(np.int64)
    highest = np.max([values.max(axis=(1, 2)) for values in pictures], axis=0).astype(np.int64)
    constant = lowest == highest
    lowest = np.where(constant, lowest, np.maximum(lowest - _SPARE, 0))
    highest = np.where(constant, highest, np.minimum(highest + _SPARE, VALUES - 1))
    return lowest.astype(np.uint8), highest.astype(np.uint8)


def _histograms(pictures: Sequence[Values]) -> NDArray[np.int64]:
    """How often each channel has each value, (C, 64)."""
    channels = pictures[0].shape[0]
    offsets = np.arange(channels)[:, None] * VALUES
    counts = np.zeros(channels * VALUES, np.int64)
    for values in pictures:
        counts += np.bincount((values.reshape(channels, -1) + offsets).ravel(), minlength=channels * VALUES)
    return counts.reshape(channels, VALUES)


def _nodes(histogram: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of each node of the tree of 64 values, root first at 1, the counts of zeros and of ones: (C, 64) each."""
    zeros, ones = np.zeros_like(histogram), np.zeros_like(histogram)
    for depth in range(PLANES):
        halves = histogram.reshape(len(histogram), 2**depth, 2, -1).sum(axis=3)
        zeros[:, 2**depth : 2 ** (depth + 1)], ones[:, 2**depth : 2 ** (depth + 1)] = halves[..., 0], halves[..., 1]
    return zeros, ones


def _shares(zeros: NDArray[np.float64], ones: NDArray[np.float64]) -> NDArray[np.uint16]:
    share = (ones + 0.4) / (zeros + ones + 0.8)
    return np.round(share * 2**16).clip(16, 2**16 - 16).astype(np.uint16)


def _node_shares(pictures: Sequence[Values]) -> NDArray[np.uint16]:
    return _shares(*_nodes(_histograms(pictures).astype(np.float64)))


def node_means(pictures: Sequence[Values]) -> NDArray[np.float16]:
    """The mean of the values below each node of the tree, (C, 64): what a feature is taken for when planes are missing.

    Of a node that no training picture has, the middle of its values.
    """
    histogram = _histograms(pictures).astype(np.float64) + 1e-6
    weighted = histogram * np.arange(VALUES)
    means = np.zeros_like(histogram)
    for depth in range(PLANES):
        shape = (len(histogram), 2**depth, -1)
        means[:, 2**depth : 2 ** (depth + 1)] = weighted.reshape(shape).sum(2) / histogram.reshape(shape).sum(2)
    return means.astype(np.float16)


class _Silent:
    """A coder that writes nothing."""

    def code(self, tables: NDArray[np.uint8], bits: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return bits


def _count(contexts: Contexts, samples: Mapping[int, Sequence[Values]]) -> Contexts:
    """Starting points of the contexts that all qualities share."""
    model = BitPlaneModel(contexts)
    counts = [np.zeros((size, 2)) for size in (ACTIVITY_CONTEXTS, DISTANCE_CONTEXTS)]

    def observe(plane: int, phase: int, seen: Sequence[NDArray[np.integer]], odds: object, bits: Values) -> None:
        for total, context in zip(counts, seen[1:], strict=True):
            total += np.bincount(2 * context.astype(np.intp) + bits, minlength=total.size).reshape(-1, 2)

    for level, pictures in samples.items():
        for values in pictures:
            model.walk(values.shape, level, [_Silent()] * PLANES, values, observe)
    weights = [np.minimum(total.sum(axis=1) + 2, _OTHER_WEIGHT).astype(np.uint16) for total in counts]
    return replace(
        contexts,
        activity_share=_shares(counts[0][:, 0], counts[0][:, 1]),
        activity_weight=weights[0],
        distance_share=_shares(counts[1][:, 0], counts[1][:, 1]),
        distance_weight=weights[1],
    )


def _mix(contexts: Contexts, samples: Mapping[int, Sequence[Values]]) -> Contexts:
    """Weights of the three contexts, for each plane and phase."""
    model = BitPlaneModel(contexts)
    seen: dict[tuple[int, int], list[tuple[NDArray[np.float32], Values]]] = {}

    def observe(plane: int, phase: int, _: object, odds: Sequence[NDArray[np.int32]], bits: Values) -> None:
        seen.setdefault((plane, phase), []).append((np.stack(odds, axis=1).astype(np.float32) / 2**ODDS_BITS, bits))

    for level, pictures in samples.items():
        for values in pictures:
            model.walk(values.shape, level, [_Silent()] * PLANES, values, observe)
    mixture = contexts.mixture.copy()
    rng = np.random.default_rng(0)
    for (plane, phase), parts in seen.items():
        odds = np.concatenate([part for part, _ in parts])
        bits = np.concatenate([part for _, part in parts])
        if len(bits) > _SAMPLES:
            chosen = rng.choice(len(bits), _SAMPLES, replace=False)
            odds, bits = odds[chosen], bits[chosen]
        weights = _logistic_regression(odds.astype(np.float64), bits.astype(np.float64))
        mixture[plane, phase, :3] = np.round(weights[:3] * 2**16)
        mixture[plane, phase, 3] = np.round(weights[3] * 2**ODDS_BITS)
    return replace(contexts, mixture=mixture)


def _logistic_regression(inputs: NDArray[np.float64], bits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights of the columns of `inputs` and an offset, by Newton's method from equal weights."""
    design = np.column_stack([inputs, np.ones(len(inputs))])
    start = np.array([*[1 / inputs.shape[1]] * inputs.shape[1], 0.0])
    weights = start.copy()
    for _ in range(_NEWTON_STEPS):
        share = 1 / (1 + np.exp(-np.clip(design @ weights, -12, 12)))
        slope = design.T @ (bits - share) - _RIDGE * len(bits) * (weights - start)
        curvature = (design * (share * (1 - share))[:, None]).T @ design
        weights += np.linalg.solve(curvature + _RIDGE * len(bits) * np.eye(len(weights)), slope)
    return weights
