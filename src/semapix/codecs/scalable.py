"""The scalable system: LFRNet + LCNet on a core, and outer scales up to full size.

"Semantics-to-signal scalable image compression with learned revertible representations", IJCV 2021. Layers: s1 and s2
are the machine layers, s3 to s7 complete the core, s8 and on are the outer scales.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semapix.bundle import Bundle
from semapix.codecs._core import MACHINE_LAYERS, CoreCodec
from semapix.codecs._outer import OuterCodec, scale_sizes
from semapix.codecs._unit import load_tables
from semapix.codecs.base import QUALITIES, Analysed, Codec, Layers, PictureInfo, need_layers
from semapix.codecs.steering import Steering
from semapix.errors import ArgumentError, CorruptLayer
from semapix.graphs import Graphs
from semapix.imaging import resize
from semapix.tasks import Task

__all__ = ["Scalable"]

Pixels = NDArray[np.uint8]

_STEPS = 256  # between two whole qualities
_WHOLE, _BETWEEN = range(2)  # variants: at a whole quality, or at one whose steps beyond it are the first byte of s3
_RATES = [0.11, 0.16, 0.24, 0.34, 0.48, 0.65, 0.87, 1.12, 1.4]  # a search begins there; it finds what a picture takes


class Scalable(Codec):
    """The scalable codec with one model."""

    name = "scalable"
    number = 1
    machine_layers = MACHINE_LAYERS
    unnamed_variants = 1
    continuous = True

    def __init__(self, bundle: Bundle, graphs: Graphs) -> None:
        self._bundle, self._graphs = bundle, graphs

    @property
    def description(self) -> dict[str, Any]:
        return self._bundle.manifest

    @cached_property
    def _tables(self) -> Any:
        return load_tables(self._bundle)

    @cached_property
    def _core(self) -> CoreCodec:
        return CoreCodec(self._bundle, self._graphs, self._tables)

    @cached_property
    def _outer(self) -> OuterCodec:
        return OuterCodec(self._bundle, self._graphs, self._tables)

    @property
    def _core_layers(self) -> int:
        return int(self._bundle.manifest["core"]["levels"]) + MACHINE_LAYERS

    def _sizes(self, info: PictureInfo) -> list[tuple[int, int]]:
        side = int(self._bundle.manifest["core"]["side"])
        return scale_sizes(info.width, info.height, side, self._outer.factor, self._outer.reach)

    def _core_level(self, info: PictureInfo, quality: float) -> float:
        """Quality level of s3 to s7: under outer scales finer, for all of them rest on the core."""
        finer = int(self._bundle.manifest["core"]["finer_under_scales"]) if self._sizes(info) else 0
        return min(max(quality - 1 + finer, 0), self._core.qualities - 1)

    def layer_count(self, info: PictureInfo) -> int:
        return self._core_layers + len(self._sizes(info))

    def encode(
        self, pixels: Pixels, quality: int, variant: str | None = None, labels: Sequence[str] | None = None
    ) -> Layers:
        return self.prepare(pixels, Steering(), labels)((quality - 1) / (QUALITIES - 1), variant).code(0.0)

    def prepare(
        self, pixels: Pixels, steering: Steering, labels: Sequence[str] | None = None
    ) -> Callable[[float | None, str | None], Analysed]:
        self._take_no_options(None, labels)
        core = self._reduce(pixels)

        def analyse(mean: float | None, variant: str | None = None) -> Analysed:
            self._take_no_options(variant, None)
            assert mean is not None  # a map alone is steering
            whole, steps = divmod(round(mean * (QUALITIES - 1) * _STEPS), _STEPS)
            quality = 1 + whole + steps / _STEPS
            info = PictureInfo(pixels.shape[1], pixels.shape[0], 1 + whole)
            sizes, level = self._sizes(info), self._core_level(info, quality)
            written = self._core.encode(core, level)
            machine, signal = written[:MACHINE_LAYERS], [[data] for data in written[MACHINE_LAYERS:]]
            scales = self._outer.analyse(pixels, self._core.decode(written, level), sizes, quality) if sizes else None
            if steps:
                signal[0] = [bytes([steps]) + signal[0][0]]

            def code(thrift: float) -> Layers:
                return Layers(machine, signal + (scales(thrift) if scales else []), _BETWEEN if steps else _WHOLE)

            return Analysed(info.quality, code)

        return analyse

    def rates(self, variant: str | None = None) -> list[float]:
        return _RATES

    @classmethod
    def quality(cls, layers: Layers, info: PictureInfo) -> float:
        if info.variant == _WHOLE or not layers.signal or not layers.signal[0]:
            return info.quality
        steps = layers.signal[0][0][:1]
        if steps in (b"", b"\0") or info.quality == QUALITIES:
            raise CorruptLayer("layer s3 does not begin with the steps of a quality, 1 to 255 above 1 to 8")
        return info.quality + steps[0] / _STEPS

    def encode_machine(self, pixels: Pixels, variant: str | None = None, quality: int = 1) -> Layers:
        self._take_no_options(variant, None)
        return Layers(self._core.encode_machine(self._reduce(pixels)), [])

    def _take_no_options(self, variant: str | None, labels: Sequence[str] | None) -> None:
        self.variant(variant)
        if labels is not None:
            raise ArgumentError("codec scalable writes features, no labels; for labels of your own, choose deepsic")

    def image(self, layers: Layers, info: PictureInfo, decoder: str | None = None) -> Pixels:
        self.decoder(decoder)
        need_layers(len(layers), 1)
        quality, core_layers, scales = self._parts(layers, info)
        core = self._core.decode(core_layers, self._core_level(info, quality))
        sizes = self._sizes(info)
        if not sizes:
            return resize(core, (info.width, info.height), "lanczos")
        return self._outer.decode(scales, core, sizes, quality)

    def features(self, layers: Layers, info: PictureInfo, layer: int) -> NDArray[np.float32]:
        count = self.layer_count(info)
        if not 1 <= layer <= count:
            raise ArgumentError(f"layer (={layer}) must lie between 1 and {count}, the layers of this file")
        need_layers(len(layers), layer)
        quality, core_layers, scales = self._parts(layers, info)
        if layer <= self._core_layers:
            return self._core.features(core_layers[:layer], self._core_level(info, quality), layer - 1)[0]
        sizes, scale = self._sizes(info), layer - self._core_layers - 1
        level = self._outer.level(quality, len(sizes) - 1 - scale)
        return self._outer.latent(scales[scale], sizes[scale], level)[0]

    def scores(self, layers: Layers, info: PictureInfo, task: str) -> NDArray[np.float32]:
        wanted = Task.find(self._bundle.manifest["tasks"], task)
        need_layers(len(layers.machine), wanted.layers)
        return self._head(wanted, self._core.machine_features(layers.machine[: wanted.layers]))

    def machine_features(self, layers: Layers, info: PictureInfo) -> NDArray[np.float32]:
        need_layers(len(layers.machine), 1)
        channels = sum(shape[0] for shape in self._core.band_shapes[: len(layers.machine)])
        return self._core.machine_features(layers.machine)[0, :channels]

    def uncoded_features(self, pixels: Pixels) -> NDArray[np.float32]:
        return self._core.uncoded_features(self._reduce(pixels))[0]

    def uncoded_scores(self, pixels: Pixels, task: str) -> NDArray[np.float32]:
        wanted = Task.find(self._bundle.manifest["tasks"], task)
        return self._head(wanted, self._core.uncoded_features(self._reduce(pixels)))

    def _parts(self, layers: Layers, info: PictureInfo) -> tuple[float, list[bytes], list[Sequence[bytes]]]:
        """The quality, layers of the core, and sub-layers of each outer scale.

        Raises CorruptLayer when their number, or the fraction of the quality, is wrong.
        """
        core_signal = self._core_layers - len(layers.machine)
        wanted = [1] * core_signal + [self._outer.sublayers(size) for size in self._sizes(info)]
        for number, (sublayers, count) in enumerate(zip(layers.signal, wanted, strict=False)):
            least = 1 if number == len(layers.signal) - 1 else count
            if not least <= len(sublayers) <= count:
                name = f"s{len(layers.machine) + number + 1}"
                raise CorruptLayer(f"layer {name} has {len(sublayers)} sub-layers; here it must have {count}")
        core = [*layers.machine, *(sublayers[0] for sublayers in layers.signal[:core_signal])]
        if info.variant == _BETWEEN and len(core) > MACHINE_LAYERS:
            core[MACHINE_LAYERS] = core[MACHINE_LAYERS][1:]
        return self.quality(layers, info), core, list(layers.signal[core_signal:])

    def _head(self, task: Task, main: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._graphs.run(task.head, np.ascontiguousarray(main[:, : task.channels]))[0][0]

    def _reduce(self, pixels: Pixels) -> Pixels:
        """The core of a picture, before coding."""
        return resize(pixels, (self._core.side, self._core.side), "lanczos")
