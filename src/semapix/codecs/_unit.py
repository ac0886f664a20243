"""A latent coder at work: graphs around an entropy model, one range coder for each sub-layer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semapix.bundle import Bundle
from semapix.coding import Decoded, LatentModel, RangeDecoder, RangeEncoder, State, TableBank
from semapix.graphs import Graphs

__all__ = ["Unit", "load_tables"]

Array = NDArray[np.float32]

_GAINS = ("gain", "inverse_gain")


def load_tables(bundle: Bundle) -> TableBank:
    """The probability tables of a bundle."""
    return TableBank.unpack(bundle.arrays("tables")["gaussian"])


class Unit:
    """The entropy model, the tables and the gains of one layer's unit; its arrays are read when first needed."""

    def __init__(self, bundle: Bundle, graphs: Graphs, tables: TableBank, name: str) -> None:
        self._bundle, self._tables, self._name = bundle, tables, name
        self.graphs = graphs

    @cached_property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays of the unit in the bundle."""
        return self._bundle.arrays(self._name)

    @cached_property
    def _model(self) -> LatentModel:
        return LatentModel.from_arrays(self.arrays)

    def row(self, name: str, level: float) -> Array:
        """Row `level` of an array (levels, C), as a graph takes it: (1, C, 1, 1).

        Between two rows it is their weighted mean, and the geometric one for gains, which grow by factors; below the
        first one the first two go on in the same way.
        """
        rows, lower = self.arrays[name], max(int(level), 0)
        row = rows[lower].astype(np.float64)
        if part := level - lower:
            upper = rows[lower + 1].astype(np.float64)
            row = row ** (1 - part) * upper**part if name in _GAINS else row * (1 - part) + upper * part
        return row.astype(np.float32)[None, :, None, None]

    def graph(self, part: str, *inputs: Array) -> list[Array]:
        """Run the unit's graph `part`."""
        return self.graphs.run(f"{self._name}.{part}", *inputs)

    def encode(
        self,
        latent: Array,
        hyper_latent: Array,
        level: float,
        carried: State | None = None,
        sublayers: int = 1,
        error_weight: float | None = None,
    ) -> tuple[list[bytes], Decoded]:
        """Bytes of a layer's sub-layers, and what is decoded from them; both latents have a batch axis."""
        coders = [RangeEncoder(self._tables) for _ in range(sublayers)]
        decoded = self._model.encode(coders, latent[0], hyper_latent[0], _nearest(level), carried, error_weight)
        return [coder.finish() for coder in coders], decoded

    def decode(
        self,
        data: Sequence[bytes],
        shape: tuple[int, int, int],
        level: float,
        carried: State | None = None,
        sublayers: int = 1,
    ) -> Decoded:
        """What is known of a layer whose latent has the `shape` (C, H, W).

        `data`: its leading sub-layers, at least one, of `sublayers`.
        """
        coders = [RangeDecoder(part, self._tables) for part in data]
        return self._model.decode(coders, sublayers, shape, _nearest(level), carried)


def _nearest(level: float) -> int:
    """The level whose tables serve: the nearest one, of two that are as near the upper one."""
    return max(int(level + 0.5), 0)
