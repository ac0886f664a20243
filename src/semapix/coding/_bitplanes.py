"""The bit-plane coder of DeepSIC: context-adaptive binary arithmetic coding of 6-bit features (paper, section III-C).

Planes are coded from the most significant one down. Within a plane the channels come in groups, and each group in two
phases, the squares of a checkerboard; all bits of a phase are coded at once. Three contexts estimate each bit:

1. its channel and the bits of the same feature above it (its node in the tree of 64 values);
2. the node, how far the eight neighbours lie from zero, and how many channels of earlier groups are zero here;
3. where the bit's threshold lies among the four nearest neighbours' values, as far as they are known.

Each context counts its bits while coding, from trained starting points on. A trained mixture of the three log odds
gives the table that the bit is coded with. All of it is integer arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from semapix.coding._bits import BIT_TABLES, BitDecoder, BitEncoder, BitTables
from semapix.errors import CorruptLayer

__all__ = [
    "ACTIVITY_CONTEXTS",
    "DISTANCE_CONTEXTS",
    "ODDS_BITS",
    "PLANES",
    "VALUES",
    "BitPlaneModel",
    "Contexts",
    "log_odds",
    "whole_values",
]

PLANES = 6
VALUES = 2**PLANES
"""Features are integers from 0 to one less than this; half of it stands for zero."""

ODDS_BITS = 8
"""Log odds are in units of 2^-8."""

_ONE = 2**16
_ODDS_STEP = 2**ODDS_BITS // 16  # between the tables of `BitTables`

_DISTANCES = 16
_ACTIVITIES = 12
_QUIET = 8

Integers = NDArray[np.integer[Any]]


def log_odds() -> NDArray[np.int32]:
    """Log odds, in units of 2^-8, of probabilities (i + 1/2) / 4096: computed at export, stored in the bundle."""
    shares = (np.arange(4096) + 0.5) / 4096
    return np.round(np.log(shares / (1 - shares)) * 2**ODDS_BITS).astype(np.int32)


def whole_values(scaled: NDArray[np.float32], dead_zone: float) -> NDArray[np.uint8]:
    """Values 0 to 63 for features in units of their steps.

    Magnitudes are rounded to the smaller one of two unless the larger one is nearer by `dead_zone`: zeros are cheap.
    """
    magnitude = np.floor(np.abs(scaled) + 0.5 - dead_zone)
    values: NDArray[np.uint8] = (np.sign(scaled) * magnitude + VALUES // 2).clip(0, VALUES - 1).astype(np.uint8)
    return values


@dataclass(frozen=True)
class Contexts:
    """What was trained.

    `lowest`, `highest`: the range of each channel's values at each quality level, uint8 (Q, C). `groups`: channels of
    each group. `channel`: starting points of the first kind of context, (Q, C, 64); `activity`, `distance`: of the
    others, (N,): a `share` of ones, in units of 2^-16, and a `weight`, how many bits it is worth. `mixture`: weights
    of the three log odds, in units of 2^-16, and an offset in those of log odds, for each plane and phase,
    int32 (6, 2, 4). `odds`: see `log_odds`. `ones`: see `bit_counts`.
    """

    lowest: NDArray[np.uint8]
    highest: NDArray[np.uint8]
    groups: NDArray[np.int32]
    channel_share: NDArray[np.uint16]
    channel_weight: NDArray[np.uint16]
    activity_share: NDArray[np.uint16]
    activity_weight: NDArray[np.uint16]
    distance_share: NDArray[np.uint16]
    distance_weight: NDArray[np.uint16]
    mixture: NDArray[np.int32]
    odds: NDArray[np.int32]
    ones: NDArray[np.int32]

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Contexts:
        """From a bundle's arrays, called like the fields."""
        return cls(**{field.name: arrays[field.name] for field in fields(cls)})

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The fields by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


ACTIVITY_CONTEXTS = VALUES * _ACTIVITIES * _QUIET
DISTANCE_CONTEXTS = PLANES * _DISTANCES * _ACTIVITIES
"""How many contexts the second and the third kind have."""


class BitCoder(Protocol):
    """What a walk through the planes asks for: the bits under tables; an encoder is given them."""

    def code(self, tables: NDArray[np.uint8], bits: NDArray[np.uint8]) -> NDArray[np.uint8]: ...


class _Adaptive:
    """Counts of one kind of context while coding."""

    def __init__(self, share: Integers, weight: Integers, odds: NDArray[np.int32]) -> None:
        self._seen = weight.astype(np.int64).ravel()
        self._ones = share.astype(np.int64).ravel() * self._seen
        self._odds = odds
        self._table = np.empty(len(self._seen), np.int32)
        self._refresh(slice(None))

    def _refresh(self, changed: Any) -> None:
        shares = self._ones[changed] // self._seen[changed]
        self._table[changed] = self._odds[shares >> 4]

    def odds(self, contexts: Integers) -> NDArray[np.int32]:
        return self._table[contexts]

    def add(self, contexts: Integers, bits: NDArray[np.uint8]) -> None:
        pairs = np.bincount(2 * contexts.astype(np.intp) + bits, minlength=2 * len(self._seen)).reshape(-1, 2)
        changed = np.flatnonzero(pairs.any(axis=1))
        pairs = pairs[changed]
        self._seen[changed] += pairs.sum(axis=1)
        self._ones[changed] += pairs[:, 1] * (_ONE - 1)
        self._refresh(changed)


def _thresholds(count: int, bounds: Sequence[int]) -> NDArray[np.uint8]:
    """A table of `count` entries: how many of `bounds` an index has reached."""
    return np.searchsorted(np.asarray(bounds), np.arange(count), side="right").astype(np.uint8)


_ACTIVITY_OF = _thresholds(256, [1, 2, 3, 5, 8, 12, 18, 28, 44, 70, 120])
_QUIET_OF = _thresholds(256, [1, 2, 4, 7, 11, 16, 24])
_DISTANCE_REACH = 64
_DISTANCE_BOUNDS = (-40, -20, -12, -8, -5, -3, -1, 0, 2, 4, 6, 9, 13, 21, 41)
_DISTANCE_OF = _thresholds(2 * _DISTANCE_REACH, [bound + _DISTANCE_REACH for bound in _DISTANCE_BOUNDS])


class BitPlaneModel:
    """Codes integers (C, H, W) below 64, plane by plane; exact on every machine."""

    def __init__(self, contexts: Contexts) -> None:
        self.contexts = contexts
        self._tables = BitTables(contexts.ones)
        self._channels = contexts.lowest.shape[1]
        if contexts.groups.sum() != self._channels or contexts.groups.min() < 1:
            raise ValueError(f"groups {contexts.groups.tolist()} must add up to {self._channels} channels")

    def encode(self, values: NDArray[np.uint8], level: int, sublayers: int) -> list[bytes]:
        """The bytes of 1 or 6 sub-layers; `values` are taken into the range of their channels first."""
        coders = [BitEncoder(self._tables) for _ in range(sublayers)]
        values = self.within_range(values, level)
        self.walk(values.shape, level, [coders[plane * sublayers // PLANES] for plane in range(PLANES)], values)
        return [coder.finish() for coder in coders]

    def decode(
        self, data: Sequence[bytes], sublayers: int, shape: tuple[int, int, int], level: int
    ) -> tuple[NDArray[np.uint8], int]:
        """Values, as far as the leading sub-layers tell (bits of planes that are missing are zero), and planes read.

        Raises CorruptLayer when the bytes do not decode.
        """
        coders = [BitDecoder(part, self._tables) for part in data]
        planes = PLANES * len(coders) // sublayers
        return self.walk(shape, level, [coders[plane * sublayers // PLANES] for plane in range(planes)]), planes

    def within_range(self, values: NDArray[np.uint8], level: int) -> NDArray[np.uint8]:
        """Values clipped to the range of their channels: what decoders get."""
        lowest, highest = self.contexts.lowest[level], self.contexts.highest[level]
        return np.clip(values, lowest[:, None, None], highest[:, None, None])

    def walk(
        self,
        shape: tuple[int, ...],
        level: int,
        coders: Sequence[BitCoder],
        values: NDArray[np.uint8] | None = None,
        observe: Any = None,
    ) -> NDArray[np.uint8]:
        """Go through the planes, one coder for each, from the first; `values`: what an encoder codes.

        `observe`: called with plane, phase, contexts, their log odds and bits of each step, by what trains the model.
        """
        if shape[0] != self._channels:
            raise CorruptLayer(f"{shape[0]} channels, where the model has {self._channels}")
        trained = self.contexts
        adaptive = (
            _Adaptive(trained.channel_share[level], trained.channel_weight[level], trained.odds),
            _Adaptive(trained.activity_share, trained.activity_weight, trained.odds),
            _Adaptive(trained.distance_share, trained.distance_weight, trained.odds),
        )
        lowest = trained.lowest[level].astype(np.int16)[:, None, None]
        highest = trained.highest[level].astype(np.int16)[:, None, None]
        known = np.zeros(shape, np.int16)  # the bits decoded so far
        channels, height, width = shape
        # Twice the middle of what a feature can still be, with a border that repeats the outermost ones.
        middle = np.empty((channels, height + 2, width + 2), np.int16)
        middle[:] = lowest + highest
        checker = (np.arange(height)[:, None] + np.arange(width)) % 2 == 0
        groups = np.split(np.arange(channels), np.cumsum(trained.groups)[:-1])
        for done, coder in enumerate(coders):
            plane = PLANES - 1 - done
            half = 1 << plane
            busy = np.zeros((height, width), np.int16)  # channels of earlier groups that are not zero
            for members in groups:
                group = slice(members[0], members[-1] + 1)
                low, high = lowest[group], highest[group]
                threshold = known[group] + half
                certain_one = low >= threshold
                open_ = (high >= threshold) & ~certain_one
                bits = certain_one.astype(np.uint8)
                quiet = _QUIET_OF[np.minimum(busy, 255)]
                for phase, squares in enumerate((checker, ~checker)):
                    where = np.flatnonzero(open_ & squares)
                    contexts = _contexts_of(middle[group], known[group], quiet, where, plane, members[0])
                    mixture = trained.mixture[plane, phase].astype(np.int64)
                    opinions = [counts.odds(context) for counts, context in zip(adaptive, contexts, strict=True)]
                    odds = np.full(len(where), mixture[3] << 16)
                    for weight, opinion in zip(mixture, opinions, strict=False):
                        odds += weight * opinion.astype(np.int64)
                    tables = ((odds >> 16) // _ODDS_STEP + BIT_TABLES // 2).clip(0, BIT_TABLES - 1).astype(np.uint8)
                    wanted: NDArray[np.uint8] = np.empty(0, np.uint8)
                    if values is not None:
                        wanted = (values[group].ravel()[where] >> plane & 1).astype(np.uint8)
                    coded = coder.code(tables, wanted)
                    if observe is not None:
                        observe(plane, phase, contexts, opinions, coded)
                    for counts, context in zip(adaptive, contexts, strict=True):
                        counts.add(context, coded)
                    bits.ravel()[where] = coded
                    # Phase 1 sees this plane of phase 0.
                    current = known[group] + (bits.astype(np.int16) << plane)
                    inner = middle[group, 1:-1, 1:-1]
                    narrowed = np.maximum(current, low) + np.minimum(current + np.int16(half - 1), high)
                    np.copyto(inner, narrowed, where=np.broadcast_to(squares, inner.shape))
                    _repeat_border(middle[group])
                known[group] += bits.astype(np.int16) << plane
                busy += (np.abs(middle[group, 1:-1, 1:-1] - VALUES) > half).sum(axis=0, dtype=np.int16)
        return known.astype(np.uint8)


def _contexts_of(
    middle: NDArray[np.int16],
    known: NDArray[np.int16],
    quiet: NDArray[np.uint8],
    where: NDArray[np.intp],
    plane: int,
    first: int,
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """The three contexts of the bits at `where` (flat) of one group of channels, the first of which is `first`."""
    up, here, down = middle[:, :-2], middle[:, 1:-1], middle[:, 2:]
    nearest = up[:, :, 1:-1] + down[:, :, 1:-1] + here[:, :, :-2] + here[:, :, 2:]
    away = np.abs(middle - VALUES)
    rows = away[:, :-2] + away[:, 1:-1] + away[:, 2:]
    around = rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:] - away[:, 1:-1, 1:-1]
    channel = (where // quiet.size).astype(np.int32)
    prefix = known.ravel()[where].astype(np.int32)
    node = (1 << (PLANES - 1 - plane)) + (prefix >> (plane + 1))
    # How far the neighbours' mean lies above the threshold: in eighths of a value, then of half the bit's interval.
    distance = nearest.ravel()[where] - 4 * (2 * (prefix + (1 << plane)) - 1)
    near = _DISTANCE_OF[(distance >> plane).clip(-_DISTANCE_REACH, _DISTANCE_REACH - 1) + _DISTANCE_REACH]
    activity = _ACTIVITY_OF[np.minimum(around.ravel()[where] >> 2, 255)].astype(np.int32)
    return (
        (channel + np.int32(first)) * VALUES + node,
        (node * _ACTIVITIES + activity) * _QUIET + quiet.ravel()[where - channel * quiet.size],
        (plane * _DISTANCES + near.astype(np.int32)) * _ACTIVITIES + activity,
    )


def _repeat_border(middle: NDArray[np.int16]) -> None:
    middle[:, 0], middle[:, -1] = middle[:, 1], middle[:, -2]
    middle[:, :, 0], middle[:, :, -1] = middle[:, :, 1], middle[:, :, -2]
