"""The scalable system: LFRNet + LCNet on a core, and outer scales up to full size.

"Semantics-to-signal scalable image compression with learned revertible representations", IJCV 2021. Layers: s1 and s2
are the machine layers, s3 to s7 complete the core, s8 and on are the outer scales. A picture that fits into the core
has a scale of its own size all the same, unless it is far smaller: that takes up to a third less than the core's own
layers would (results/ablations.md). Variants `half` and `quarter` code the picture at a part of its size, for rates
below those that the model was trained for; the core is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semapix.bundle import Bundle
from semapix.codecs._core import MACHINE_LAYERS, CoreCodec
from semapix.codecs._outer import OuterCodec, scale_sizes
from semapix.codecs._unit import load_tables
from semapix.codecs.base import QUALITIES, Analysed, ContinuousCodec, Layers, PictureInfo, need_layers
from semapix.codecs.steering import Steering
from semapix.errors import ArgumentError, CorruptLayer
from semapix.graphs import Graphs
from semapix.imaging import resize, squared_error
from semapix.tasks import Task

__all__ = ["Scalable"]

Pixels = NDArray[np.uint8]

_STEPS = 256  # between two whole qualities
_WHOLE, _FULL, _HALF, _QUARTER = range(4)  # variants; but for the first, s3 begins with the steps
_REDUCED = {_WHOLE: 1, _FULL: 1, _HALF: 2, _QUARTER: 4}  # by which a side of the picture is shorter
_RATES = [0.11, 0.16, 0.24, 0.34, 0.48, 0.65, 0.87, 1.12, 1.4]  # searches begin there and find what a picture takes
_TYPICAL_PSNR = 26.7, 1.4  # of photos at quality 1, and what each further one adds
_SMALL = 4  # times the pixels of a picture that would still fit into the core: too small for a scale of its own
_SOFT = 0.5  # of the error that is typical of a file: a picture that loses less at half of its size is soft
_LEAST_CORE = {_WHOLE: 0.0, _FULL: 0.0, _HALF: -1.0, _QUARTER: -2.0}  # level: of a small file the core is a large part
_SHARES = {_WHOLE: 1.0, _HALF: 0.36, _QUARTER: 0.16}  # of them, at the same quality (results/ablations.md)


class Scalable(ContinuousCodec):
    """The scalable codec with one model."""

    name = "scalable"
    number = 1
    machine_layers = MACHINE_LAYERS
    variant_names = ("full", "full", "half", "quarter")

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
        side, size = int(self._bundle.manifest["core"]["side"]), _coded_size(info)
        sizes = scale_sizes(*size, side, self._outer.factor, self._outer.reach)
        own = info.variant == _FULL and _SMALL * size[0] * size[1] > side**2
        return sizes or ([size] if own else [])

    def _has_own_scale(self, width: int, height: int) -> bool:
        """Whether a picture that needs no scale has one all the same."""
        without, own = (self._sizes(PictureInfo(width, height, 1, number)) for number in (_WHOLE, _FULL))
        return len(own) > len(without)

    def _core_level(self, info: PictureInfo, quality: float) -> float:
        """Quality level of s3 to s7: under outer scales another one, for all of them rest on the core."""
        under = bool(self._sizes(info))
        finer = int(self._bundle.manifest["core"]["finer_under_scales"]) if under else 0
        least = _LEAST_CORE[info.variant] if under else 0.0
        return min(max(quality - 1 + finer, least), self._core.qualities - 1)

    def layer_count(self, info: PictureInfo) -> int:
        return self._core_layers + len(self._sizes(info))

    def prepare(
        self, pixels: Pixels, steering: Steering, labels: Sequence[str] | None = None
    ) -> Callable[[float | None, str | None], Analysed]:
        if labels is not None:
            raise ArgumentError(
                "codec scalable writes features, no labels; to state labels, choose deepsic or adaptive"
            )
        core, (height, width) = self._reduce(pixels), pixels.shape[:2]
        own_scale = self._has_own_scale(width, height)

        @cache
        def sized(variant: int) -> Pixels:
            size = _coded_size(PictureInfo(width, height, 1, variant))
            return pixels if size == (width, height) else resize(pixels, size, "lanczos")

        def analyse(mean: float | None, variant: str | None = None) -> Analysed:
            assert mean is not None  # only a map has none
            whole, steps = divmod(round(mean * (QUALITIES - 1) * _STEPS), _STEPS)
            number = self.variant(variant) or (_FULL if steps or own_scale else _WHOLE)
            info, quality = PictureInfo(width, height, 1 + whole, number), 1 + whole + steps / _STEPS
            sizes, level = self._sizes(info), self._core_level(info, quality)
            written, below = self._core.encode(core, level)
            machine, signal = written[:MACHINE_LAYERS], [[data] for data in written[MACHINE_LAYERS:]]
            if number != _WHOLE:
                signal[0] = [bytes([steps]) + signal[0][0]]
            if sizes:
                signal += self._outer.encode(sized(number), below, sizes, quality)
            return Analysed(info.quality, lambda thrift: Layers(machine, signal, number))

        return analyse

    def rates(self, variant: str | None = None) -> list[float]:
        share = _SHARES[self.variant(variant)]
        return [share * rate for rate in _RATES]

    def variants_for(self, width: int, height: int) -> tuple[str, ...]:
        under = [self._sizes(PictureInfo(width, height, 1, number)) for number in (_WHOLE, _HALF)]
        count = 1 + (bool(under[0]) and 1 + bool(under[1]))  # what has no outer scale is smallest already
        return self.variants()[:count]

    def soft(self, pixels: Pixels, variant: str | None, quality: float) -> bool:
        number = {_WHOLE: _HALF, _HALF: _QUARTER}.get(self.variant(variant))
        if number is None:
            return False
        height, width = pixels.shape[:2]
        size = _coded_size(PictureInfo(width, height, 1, number))
        again = resize(resize(pixels, size, "lanczos"), (width, height), "lanczos")
        lowest, rise = _TYPICAL_PSNR
        typical = 255.0**2 / 10 ** ((lowest + rise * (quality - 1)) / 10)
        return squared_error(again, pixels) < _SOFT * typical * pixels.size

    @classmethod
    def quality(cls, layers: Layers, info: PictureInfo) -> float:
        if info.variant == _WHOLE or not layers.signal or not layers.signal[0]:
            return info.quality
        first = layers.signal[0][0][:1]
        if not first or (first > b"\0" and info.quality == QUALITIES):
            raise CorruptLayer("layer s3 does not begin with the steps of its quality, 0 to 255, up to quality 9")
        return info.quality + first[0] / _STEPS if first[0] else info.quality

    def encode_machine(self, pixels: Pixels, variant: str | None = None, quality: int = 1) -> Layers:
        height, width = pixels.shape[:2]
        number = self.variant(variant) or (_FULL if self._has_own_scale(width, height) else _WHOLE)
        return Layers(self._core.encode_machine(self._reduce(pixels)), [], number)

    def image(self, layers: Layers, info: PictureInfo, decoder: str | None = None) -> Pixels:
        self.decoder(decoder)
        need_layers(len(layers), 1)
        quality, core_layers, scales = self._parts(layers, info)
        picture = self._core.decode(core_layers, self._core_level(info, quality))
        if sizes := self._sizes(info):
            picture = self._outer.decode(scales, picture, sizes, quality)
        size = (info.width, info.height)
        return picture if sizes and sizes[-1] == size else resize(picture, size, "lanczos")

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
        if info.variant != _WHOLE and len(core) > MACHINE_LAYERS:
            core[MACHINE_LAYERS] = core[MACHINE_LAYERS][1:]
        return self.quality(layers, info), core, list(layers.signal[core_signal:])

    def _head(self, task: Task, main: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._graphs.run(task.head, np.ascontiguousarray(main[:, : task.channels]))[0][0]

    def _reduce(self, pixels: Pixels) -> Pixels:
        """The core of a picture, before coding."""
        return resize(pixels, (self._core.side, self._core.side), "lanczos")


def _coded_size(info: PictureInfo) -> tuple[int, int]:
    """Width and height at which a picture's outer scales end."""
    factor = _REDUCED[info.variant]
    return -(-info.width // factor), -(-info.height // factor)
