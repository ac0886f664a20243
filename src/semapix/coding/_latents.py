"""The entropy model of one latent: hyper-latent, integer hyper-decoder, channel groups with checkerboard context.

Scalable paper, section III-B (main and hyper symbols of a RAFC unit); in place of its serial 3-D context stand the
channel groups of Minnen and Singh, "Channel-wise autoregressive entropy models" (ICIP 2020), each coded in the two
passes of He et al., "Checkerboard context model for efficient learned image compression" (CVPR 2021). A layer may also
see what an earlier layer knew when it was decoded: the paper names correlation between layers as what it leaves unused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from semapix.coding._integer import ACTIVATION_LIMIT, FRACTION_BITS, IntegerNetwork
from semapix.coding._quantise import quantise, round_to_nearest
from semapix.coding._rangecoder import RangeDecoder
from semapix.coding._tables import LEVELS, TableBank

__all__ = ["HYPER_STRIDE", "Decoded", "LatentGroup", "LatentModel", "State", "anchors"]

HYPER_STRIDE = 4
"""One hyper-latent position stands for 4x4 latent positions."""

_LEVEL_SHIFT = 3  # a network's output of 1.0 (64 units) is eight table levels

_GROUP_NETWORKS = ("first", "context", "second", "update")

Array = NDArray[np.float32]

State: TypeAlias = NDArray[np.int32]
"""What an entropy model knows, (F, H, W), in units of 2^-6, between 0 and the activation limit."""


class SymbolSink(Protocol):
    """Where a latent model puts its symbols: a range encoder, or what only counts them."""

    tables: TableBank

    def encode(self, values: NDArray[np.integer[Any]], levels: NDArray[np.uint8]) -> None:
        """Take `values` under tables `levels`, arrays of equal length."""


@dataclass(frozen=True, eq=False)
class Decoded:
    """What a latent model knows of a layer when it has coded or decoded it."""

    latent: NDArray[np.float32]
    """The decoded latent (C, H, W)."""
    hyper: NDArray[np.int32]
    """The hyper-latent (Z, ceil(H/4), ceil(W/4))."""
    _state: Callable[[], State]

    @cached_property
    def state(self) -> State:
        """(F, H, W). What the last group adds is found out when this is first asked for: pictures need no state."""
        return self._state()


_Symbols = Callable[[int, NDArray[np.uint8], NDArray[Any] | None], NDArray[np.int32]]


def anchors(height: int, width: int) -> NDArray[np.bool_]:
    """Positions (H, W) that are coded first: those where row + column is even."""
    return (np.add.outer(np.arange(height), np.arange(width)) % 2) == 0


def _part(arrays: Mapping[str, NDArray[Any]], name: str) -> dict[str, NDArray[Any]]:
    return {key[len(name) + 1 :]: value for key, value in arrays.items() if key.startswith(f"{name}.")}


def _named(name: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {f"{name}.{key}": value for key, value in arrays.items()}


@dataclass(frozen=True)
class LatentGroup:
    """Networks of a group of C latent channels; F are the channels of the state, G any number.

    `first`: state to means and table levels (2C, H, W) of the anchors; `first` and `second` see single positions.
    `context`: decoded anchors (C, H, W; zero elsewhere) to context features (G, H, W).
    `second`: state and context features (F + G, H, W) to (2C, H, W) of the other positions.
    `update`: the decoded group (C, H, W) to what is added to the state (F, H, W) for the groups behind it; None where
    nothing is.
    """

    first: IntegerNetwork
    context: IntegerNetwork
    second: IntegerNetwork
    update: IntegerNetwork | None

    def __post_init__(self) -> None:
        """Raises ValueError for networks of other kinds."""
        if not (self.first.pointwise and self.second.pointwise):
            raise ValueError("networks first and second of a latent group must have kernels of one position")
        if not self.context.ends_in_convolution:
            raise ValueError("network context of a latent group must end in a convolution")

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """All numbers of the networks."""
        networks = {name: getattr(self, name) for name in _GROUP_NETWORKS}
        return {
            key: value
            for name, network in networks.items()
            if network is not None
            for key, value in _named(name, network.to_arrays()).items()
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> LatentGroup:
        """The inverse of `to_arrays`."""
        first, context, second = (IntegerNetwork.from_arrays(_part(arrays, name)) for name in _GROUP_NETWORKS[:3])
        update = _part(arrays, "update")
        return cls(first, context, second, IntegerNetwork.from_arrays(update) if update else None)


@dataclass(frozen=True)
class LatentModel:
    """Codes a latent of C channels, with hyper-latents of Z channels, at one of Q quality levels.

    `hyper_levels`: uint8 (Q, Z), the table of each hyper-latent channel.
    `hyper`: hyper-latents (Z, h, w) to the state (F, 4h, 4w), which is cut to (F, H, W).
    `carry`: the state of an earlier layer to what is added to this one's; None where there is no such layer.
    `groups`: the networks of each channel group, in the order of coding.
    `hyper_means`: int32 (Q, Z), what a hyper-latent is expected to be; None for zeros.
    """

    hyper_levels: NDArray[np.uint8]
    hyper: IntegerNetwork
    carry: IntegerNetwork | None
    groups: tuple[LatentGroup, ...]
    hyper_means: NDArray[np.int32] | None = None

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """All numbers of the model, as a bundle stores them."""
        arrays = {"hyper_levels": self.hyper_levels, **_named("hyper", self.hyper.to_arrays())}
        if self.hyper_means is not None:
            arrays["hyper_means"] = self.hyper_means
        if self.carry is not None:
            arrays |= _named("carry", self.carry.to_arrays())
        for number, group in enumerate(self.groups):
            arrays |= _named(f"group{number}", group.to_arrays())
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> LatentModel:
        """The inverse of `to_arrays`; other arrays are passed over."""
        carry = _part(arrays, "carry")
        groups: list[LatentGroup] = []
        while part := _part(arrays, f"group{len(groups)}"):
            groups.append(LatentGroup.from_arrays(part))
        return cls(
            arrays["hyper_levels"],
            IntegerNetwork.from_arrays(_part(arrays, "hyper")),
            IntegerNetwork.from_arrays(carry) if carry else None,
            tuple(groups) or (LatentGroup.from_arrays(arrays),),  # bundles of version 0.1 have one, without a number
            arrays.get("hyper_means"),
        )

    def encode(
        self,
        coders: Sequence[SymbolSink],
        latent: Array,
        hyper_latent: Array,
        quality: int,
        carried: State | None = None,
        error_weight: float | None = None,
    ) -> Decoded:
        """Code a latent (C, H, W) with its hyper-latent (Z, ceil(H/4), ceil(W/4)).

        `coders`: one for each sub-layer, of which the last takes all groups that are left. `carried`: the state of the
        earlier layer. `error_weight`: what a squared error of 1 in the latent costs in bits; None for rounding to the
        nearest.
        """

        def symbols(group: int, levels: NDArray[np.uint8], values: NDArray[Any] | None) -> NDArray[np.int32]:
            assert values is not None
            coder = coders[min(group, len(coders) - 1)]
            if values.dtype != np.int32:
                values = quantise(values, levels, coder.tables, error_weight)
            coder.encode(values, levels)
            return values

        hyper = round_to_nearest(hyper_latent)
        return self._run(symbols, len(self.groups), latent.shape, quality, carried, latent, hyper)

    def decode(
        self,
        coders: Sequence[RangeDecoder],
        sublayers: int,
        shape: tuple[int, int, int],
        quality: int,
        carried: State | None = None,
    ) -> Decoded:
        """The decoded latent, (C, H, W) = `shape`, and what else is known of it then.

        `coders`: one for each sub-layer that there is, at least one; `sublayers`: how many the layer was coded into.
        Groups whose sub-layer is missing take their means. Raises CorruptLayer when the bytes do not decode.
        """

        def symbols(group: int, levels: NDArray[np.uint8], values: NDArray[Any] | None) -> NDArray[np.int32]:
            return coders[min(group, sublayers - 1)].decode(levels)

        present = len(self.groups) if len(coders) >= sublayers else len(coders)
        return self._run(symbols, present, shape, quality, carried, None, None)

    def _run(
        self,
        symbols: _Symbols,
        present: int,
        shape: tuple[int, int, int],
        quality: int,
        carried: State | None,
        latent: Array | None,
        hyper_latent: NDArray[np.int32] | None,
    ) -> Decoded:
        """Both directions are one walk, so that they cannot part: `symbols` codes given values, or decodes them."""
        _, height, width = shape
        rows, columns = -(-height // HYPER_STRIDE), -(-width // HYPER_STRIDE)
        levels = np.repeat(self.hyper_levels[quality], rows * columns)
        means = np.int32(0)
        if self.hyper_means is not None:
            means = np.repeat(self.hyper_means[quality], rows * columns)
        hyper = symbols(0, levels, None if hyper_latent is None else hyper_latent.ravel() - means) + means
        hyper = hyper.reshape(-1, rows, columns)
        state = self.hyper(hyper.astype(np.int64) << FRACTION_BITS)[:, :height, :width]
        if self.carry is not None and carried is not None:
            state = _added(state, self.carry(carried)[:, :height, :width])

        parts: list[NDArray[np.int64]] = []
        start = 0
        for number, group in enumerate(self.groups):
            if number:
                state = _updated(state, self.groups[number - 1], parts[-1])
            if number < present:
                decoded = self._two_passes(symbols, number, group, state, None if latent is None else latent[start:])
            else:
                parameters = group.first(state)
                decoded = parameters[: len(parameters) // 2].astype(np.int64)
            parts.append(decoded)
            start += len(decoded)
        latents = (np.concatenate(parts) * 2.0**-FRACTION_BITS).astype(np.float32)
        return Decoded(latents, hyper, partial(_updated, state, self.groups[-1], parts[-1]))

    def _two_passes(
        self,
        symbols: _Symbols,
        number: int,
        group: LatentGroup,
        state: State,
        latent: Array | None,
    ) -> NDArray[np.int64]:
        """The decoded group (C, H, W), in units of 2^-6. `latent`: its first channels are those of the group."""
        height, width = state.shape[1:]
        first = anchors(height, width)
        parameters = group.first(state[:, None, first])[:, 0]
        count = len(parameters) // 2
        decoded = np.zeros((count, height, width), np.int64)
        for mask in (first, ~first):
            if mask is not first:
                known = np.concatenate([state[:, mask], group.context.at(decoded, mask)])
                parameters = group.second(known[:, None])[:, 0]
            mean = parameters[:count].astype(np.int64).ravel()
            level = (parameters[count:] + (1 << _LEVEL_SHIFT - 1) >> _LEVEL_SHIFT).clip(0, LEVELS - 1)
            residual = None if latent is None else latent[:count, mask].ravel() - mean * 2.0**-FRACTION_BITS
            coded = symbols(number, level.astype(np.uint8).ravel(), residual)
            decoded[:, mask] = ((coded.astype(np.int64) << FRACTION_BITS) + mean).reshape(count, -1)
        return decoded


def _updated(state: State, group: LatentGroup, decoded: NDArray[np.int64]) -> State:
    """The state when a group is decoded."""
    return state if group.update is None else _added(state, group.update(decoded))


def _added(state: State, change: State) -> State:
    return (state + change).clip(0, ACTIVATION_LIMIT)
