"""The core: the square, reduced picture that layers s1 to s7 code (scalable paper, section III)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semapix.bundle import Bundle
from semapix.codecs._lifting import forward_step, inverse_step
from semapix.codecs._pixels import denormalise, normalise
from semapix.codecs._unit import Unit
from semapix.coding import Decoded, TableBank
from semapix.graphs import Graphs

__all__ = ["MACHINE_LAYERS", "CoreCodec"]

Array = NDArray[np.float32]

MACHINE_LAYERS = 2
"""s1 (coarse task) and s2 (with s1: fine task)."""


@dataclass(frozen=True)
class _Bands:
    """What the transform gives: the deepest main band and the dual bands, finest first."""

    main: Array
    duals: list[Array]


class _Walk:
    """One pass through the layers in order: codes each layer's features, or decodes them, or leaves them zero."""

    def __init__(self, codec: CoreCodec, level: float, data: Sequence[bytes] | None) -> None:
        self._codec, self._level, self._data = codec, level, data
        self._before: Decoded | None = None
        self.written: list[bytes] = []

    def features(self, layer: int, target: Array | None) -> Array:
        """Decoded features of a layer (0 is s1); `target` is what to code, None when decoding."""
        codec = self._codec
        unit = codec.units[layer]
        level = 0 if layer < MACHINE_LAYERS else self._level
        carried = None if self._before is None else self._before.state
        if target is not None:
            latent, hyper = unit.graph("analysis", target, unit.row("gain", level))
            coded, decoded = unit.encode(latent, hyper, level, carried)
            self.written += coded
        elif self._data is not None and layer < len(self._data):
            shape = codec.latent_shapes[layer]
            decoded = unit.decode([self._data[layer]], shape, level, carried)
        else:
            return np.zeros((1, *codec.band_shapes[layer]), np.float32)
        self._before = decoded
        return unit.graph("synthesis", decoded.latent[None], unit.row("inverse_gain", level))[0]


class CoreCodec:
    """Codes a core, uint8 (side, side, 3), into seven layers (K + 2), and back from any leading ones."""

    def __init__(self, bundle: Bundle, graphs: Graphs, tables: TableBank) -> None:
        core: dict[str, Any] = bundle.manifest["core"]
        self.side: int = core["side"]
        self.levels: int = core["levels"]
        self.qualities: int = core["qualities"]
        self._coarse: int = core["coarse_channels"]
        self.band_shapes = [tuple(shape) for shape in core["band_shapes"]]
        self.latent_shapes: list[tuple[int, int, int]] = [(c, h, w) for c, h, w in core["latent_shapes"]]
        self._graphs = graphs
        self.units = [Unit(bundle, graphs, tables, f"s{layer + 1}") for layer in range(self.levels + MACHINE_LAYERS)]

    def encode(self, core: NDArray[np.uint8], level: float) -> tuple[list[bytes], NDArray[np.uint8]]:
        """The bytes of the layers at quality level `level`, and the core that they decode to.

        Level 0 is the lowest one; it may lie between two.
        """
        bands = self._transform(core)
        walk = _Walk(self, level, None)
        image = self._signal(walk, self._machine(walk, bands), bands)
        return walk.written, self._picture(image)

    def encode_machine(self, core: NDArray[np.uint8]) -> list[bytes]:
        """The bytes of s1 and s2 alone: those that `encode` gives at every level."""
        walk = _Walk(self, 0, None)
        self._machine(walk, self._transform(core))
        return walk.written

    def uncoded_features(self, core: NDArray[np.uint8]) -> Array:
        """The deepest main band (1, 3*2^K, S, S) before coding."""
        return self._transform(core).main

    def machine_features(self, layers: Sequence[bytes]) -> Array:
        """The deepest main band (1, 3*2^K, S, S) that s1, or s1 and s2, decode to."""
        return self._machine(_Walk(self, 0, layers), None)

    def features(self, layers: Sequence[bytes], level: float, layer: int) -> Array:
        """The decoded features of one layer (0 is s1), with its prediction: (1, C, h, w)."""
        walk = _Walk(self, level, layers)
        main = self._machine(walk, None)
        if layer < MACHINE_LAYERS:
            return main[:, : self._coarse] if layer == 0 else main[:, self._coarse :]
        kept: list[Array] = []
        self._signal(walk, main, None, kept)
        return kept[layer - MACHINE_LAYERS]

    def decode(self, layers: Sequence[bytes], level: float) -> NDArray[np.uint8]:
        """The core, uint8 (side, side, 3), from the leading layers."""
        walk = _Walk(self, level, layers)
        return self._picture(self._signal(walk, self._machine(walk, None), None))

    def _picture(self, image: Array) -> NDArray[np.uint8]:
        return denormalise(image + self._graphs.run("post", image)[0])

    def _transform(self, core: NDArray[np.uint8]) -> _Bands:
        main = normalise(core).astype(np.float64)
        duals = []
        for number in range(1, self.levels + 1):
            main, dual = forward_step(self._graphs, number, main)
            duals.append(dual.astype(np.float32))
        return _Bands(main.astype(np.float32), duals)

    def _machine(self, walk: _Walk, bands: _Bands | None) -> Array:
        main = bands.main if bands else None
        coarse = walk.features(0, None if main is None else main[:, : self._coarse])
        predicted = self._graphs.run("predict.s2", coarse)[0]
        rest = walk.features(1, None if main is None else main[:, self._coarse :] - predicted)
        return np.concatenate([coarse, predicted + rest], axis=1)

    def _signal(self, walk: _Walk, machine: Array, bands: _Bands | None, kept: list[Array] | None = None) -> Array:
        """The core before post-processing, (1, 3, side, side); the decoded dual bands are added to `kept`."""
        band = machine
        for number in range(self.levels, 0, -1):
            layer = MACHINE_LAYERS + self.levels - number
            predicted = self._graphs.run(f"predict.s{layer + 1}", band)[0]
            target = bands.duals[number - 1] - predicted if bands else None
            if number == self.levels:  # s3 also refines the main band, for the signal path alone
                if bands and target is not None:
                    target = np.concatenate([bands.main - band, target], axis=1)
                refinement, residual = np.split(walk.features(layer, target), 2, axis=1)
                band = band + refinement
            else:
                residual = walk.features(layer, target)
            dual = predicted + residual
            if kept is not None:
                kept.append(dual)
            whole = inverse_step(self._graphs, number, band.astype(np.float64), dual.astype(np.float64))
            band = whole.astype(np.float32)
        return band
