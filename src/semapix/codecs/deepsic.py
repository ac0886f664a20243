"""DeepSIC: pre- and post-semantic image coding (Luo et al., "DeepSIC: Deep Semantic Image Compression", 2018).

Both variants code the same features of the full picture, in bit planes. A *pre-semantic* file says in s1 what the
encoder saw in the features before they were quantised, as labels. In a *post-semantic* file the decoder finds the
labels itself, in dequantised features: s1 holds those of the *core*, the picture squeezed to the size that the semantic
analysis was trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semapix.bundle import Bundle
from semapix.codecs._labels import LabelLayer
from semapix.codecs._pixels import normalise
from semapix.codecs._tiling import grid_of, picture_of
from semapix.codecs.base import Codec, Layers, PictureInfo, need_layers
from semapix.coding import PLANES, VALUES, BitPlaneModel, Contexts, whole_values
from semapix.errors import ArgumentError, CorruptLayer
from semapix.graphs import Graphs
from semapix.imaging import Box, pad_to, resize
from semapix.tasks import Task

__all__ = ["Deepsic"]

Array = NDArray[np.float32]
Pixels = NDArray[np.uint8]

_PRE, _POST = 0, 1
_TILE = 1024
_ZERO = VALUES // 2
_GREY = 128


class Deepsic(Codec):
    """The DeepSIC codec with one model."""

    name = "deepsic"
    number = 4
    machine_layers = 1
    variant_names = ("pre", "post")
    head_variant = "post"

    def __init__(self, bundle: Bundle, graphs: Graphs) -> None:
        self._bundle, self._graphs = bundle, graphs
        self._core_side = int(bundle.manifest["core_side"])
        self._stride = int(bundle.manifest["stride"])
        self._margin = int(bundle.manifest["margin"])
        self._dead_zone = float(bundle.manifest["dead_zone"])
        self._split_pixels = int(bundle.manifest["split_pixels"])

    @property
    def description(self) -> dict[str, Any]:
        return self._bundle.manifest

    @cached_property
    def planes(self) -> BitPlaneModel:
        """The bit-plane coder."""
        return BitPlaneModel(Contexts.from_arrays(self._bundle.arrays("contexts")))

    @cached_property
    def _gains(self) -> dict[str, NDArray[Any]]:
        return self._bundle.arrays("gains")

    @cached_property
    def _labels(self) -> LabelLayer:
        return LabelLayer(self._bundle.manifest)

    def layer_count(self, info: PictureInfo) -> int:
        """Two, but for a post-semantic file of a picture that is its own core: one."""
        return 1 if info.variant == _POST and self._is_core(info) else 2

    def encode(
        self, pixels: Pixels, quality: int, variant: str | None = None, labels: Sequence[str] | None = None
    ) -> Layers:
        number = self.variant(variant)
        if number == _POST and labels is not None:
            raise ArgumentError("a post-semantic file holds no labels; for labels of your own, choose variant pre")
        info = PictureInfo(pixels.shape[1], pixels.shape[0], quality, number)
        if labels is None:
            machine = self.encode_machine(pixels, variant, quality).machine
        else:
            machine = [self._labels.space.pack(self._labels.named(labels))]
        signal = []
        if self.layer_count(info) > 1:
            signal.append(self._code(self._features(pixels), quality - 1, self._sublayers(info)))
        return Layers(machine, signal, number)

    def encode_machine(self, pixels: Pixels, variant: str | None = None, quality: int = 1) -> Layers:
        number = self.variant(variant)
        if number == _PRE:
            return Layers([self._labels.pack(self._class_logits(self._features(self._core(pixels))))], [], number)
        return Layers([self._code(self._features(self._core(pixels)), quality - 1, 1)[0]], [], number)

    def image(self, layers: Layers, info: PictureInfo, decoder: str | None = None) -> Pixels:
        self.decoder(decoder)
        need_layers(len(layers), 1)
        if layers.signal:
            self._check_signal(layers, info)
            return self._reconstruct(self._picture_features(layers, info), (info.width, info.height))
        if info.variant == _PRE:
            self._labels.space.unpack(layers.machine[0])
            return np.full((info.height, info.width, 3), _GREY, np.uint8)
        side = (self._core_side, self._core_side)
        return resize(self._reconstruct(self._core_features(layers, info), side), (info.width, info.height), "lanczos")

    def features(self, layers: Layers, info: PictureInfo, layer: int) -> Array:
        count = self.layer_count(info)
        if not 1 <= layer <= count:
            raise ArgumentError(f"layer (={layer}) must lie between 1 and {count}, the layers of this file")
        need_layers(len(layers), layer)
        if layer == 2:
            self._check_signal(layers, info)
            return self._picture_features(layers, info)[0]
        if info.variant == _POST:
            return self._core_features(layers, info)[0]
        return self._labels.features(layers.machine[0])

    def scores(self, layers: Layers, info: PictureInfo, task: str) -> Array:
        wanted = Task.find(self._bundle.manifest["tasks"], task)
        need_layers(len(layers.machine), wanted.layers)
        if info.variant == _PRE:
            return self._labels.scores(layers.machine[0], task)
        return self._logits(wanted, self._core_features(layers, info))

    def machine_features(self, layers: Layers, info: PictureInfo) -> Array:
        need_layers(len(layers.machine), 1)
        if info.variant == _PRE:
            raise ArgumentError("a pre-semantic file holds labels, no features for heads; encode with variant post")
        return self._graphs.run("semantics", self._core_features(layers, info))[0][0]

    def uncoded_features(self, pixels: Pixels) -> Array:
        return self._graphs.run("semantics", self._features(self._core(pixels)))[0][0]

    def uncoded_scores(self, pixels: Pixels, task: str) -> Array:
        wanted = Task.find(self._bundle.manifest["tasks"], task)
        return self._logits(wanted, self._features(self._core(pixels)))

    def _is_core(self, info: PictureInfo) -> bool:
        return info.width == info.height == self._core_side

    def _core(self, pixels: Pixels) -> Pixels:
        return resize(pixels, (self._core_side, self._core_side), "lanczos")

    def _sublayers(self, info: PictureInfo) -> int:
        """One for each plane, unless the picture is small: each one costs some seven bytes."""
        return PLANES if info.width * info.height >= self._split_pixels else 1

    def _check_signal(self, layers: Layers, info: PictureInfo) -> None:
        most = self._sublayers(info)
        if len(layers.signal) != 1 or not 1 <= len(layers.signal[0]) <= most:
            parts = ", ".join(str(len(sublayers)) for sublayers in layers.signal)
            raise CorruptLayer(f"layer s2 has {parts} sub-layers; here it must have 1 to {most}, in one layer")

    def _logits(self, task: Task, features: Array) -> Array:
        """Of a task; a group's probability is the sum of its classes'."""
        return self._labels.of_logits(self._class_logits(features), task)

    def _class_logits(self, features: Array) -> Array:
        return self._graphs.run("head", self._graphs.run("semantics", features)[0])[0][0]

    def _features(self, pixels: Pixels) -> Array:
        """Float features (1, C, h, w) of a picture."""

        def run(part: Box) -> Array:
            return self._graphs.run("features", normalise(pad_to(part.of(pixels), self._stride)))[0]

        return grid_of(pixels.shape[1::-1], self._stride, _TILE, self._margin, run)

    def _reconstruct(self, features: Array, size: tuple[int, int]) -> Pixels:
        """The picture of a size (width, height) from dequantised features."""

        def run(part: Box) -> Array:
            seen = features[:, :, part.top : part.bottom, part.left : part.right]
            return self._graphs.run("reconstruction", np.ascontiguousarray(seen))[0]

        return picture_of(size, self._stride, _TILE, self._margin, run)

    def _row(self, name: str, level: int) -> Array:
        row: Array = self._gains[name][level].astype(np.float32)[None, :, None, None]
        return row

    def plane_values(self, pixels: Pixels, quality: int) -> NDArray[np.uint8]:
        """What the bit-plane coder gets of a picture: its quantised features, uint8 (C, h, w)."""
        return self._quantised(self._features(pixels), quality - 1)

    def _code(self, features: Array, level: int, sublayers: int) -> list[bytes]:
        return self.planes.encode(self._quantised(features, level), level, sublayers)

    def _quantised(self, features: Array, level: int) -> NDArray[np.uint8]:
        return whole_values((features * self._row("gain", level))[0], self._dead_zone)

    def _picture_features(self, layers: Layers, info: PictureInfo) -> Array:
        """Dequantised features (1, C, h, w) of the picture, as far as its sub-layers tell."""
        return self._decode(layers.signal[0], self._sublayers(info), (info.width, info.height), info.quality - 1)

    def _core_features(self, layers: Layers, info: PictureInfo) -> Array:
        """Those of the core."""
        return self._decode(layers.machine[:1], 1, (self._core_side, self._core_side), info.quality - 1)

    def _decode(self, data: Sequence[bytes], sublayers: int, size: tuple[int, int], level: int) -> Array:
        channels = self._gains["gain"].shape[1]
        shape = (channels, -(-size[1] // self._stride), -(-size[0] // self._stride))
        values, planes = self.planes.decode(data, sublayers, shape, level)
        return self._dequantised(values, planes, level)

    def _dequantised(self, values: NDArray[np.uint8], planes: int, level: int) -> Array:
        known = values.astype(np.float32)
        if planes < PLANES:
            nodes = (1 << planes) + (values >> (PLANES - planes)).astype(np.intp)
            means = self._gains["means"][level].astype(np.float32)
            known = np.take_along_axis(means, nodes.reshape(len(nodes), -1), axis=1).reshape(values.shape)
        return (known - _ZERO)[None] * self._row("inverse_gain", level)
