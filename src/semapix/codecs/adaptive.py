"""The adaptive system: one model for all rates, steered by a map of what matters (HEVRC).

"Conditional Encoder-Based Adaptive Deep Image Compression with Classification-Driven Semantic Awareness", Electronics
2023. Layers: s1 holds labels, what the encoder's classifier saw; s2 the picture, its latent in channel groups.
Variant `half` codes the picture at half its size, for rates below those that the model was trained for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semapix.bundle import Bundle
from semapix.codecs._importance import STRATEGIES, blend, centre_weighted, complexity, resample, unit_range
from semapix.codecs._labels import LabelLayer
from semapix.codecs._pixels import normalise
from semapix.codecs._quality_map import map_symbols, quality_map, spread_map
from semapix.codecs._tiling import grid_of, picture_of
from semapix.codecs._unit import Unit, load_tables
from semapix.codecs.base import QUALITIES, Analysed, ContinuousCodec, Layers, PictureInfo, need_layers
from semapix.codecs.steering import Steering
from semapix.coding import FRACTION_BITS
from semapix.errors import ArgumentError, CorruptLayer
from semapix.graphs import Graphs
from semapix.imaging import Box, pad_to, resize
from semapix.tasks import Task, probabilities

__all__ = ["Adaptive"]

Array = NDArray[np.float32]
Pixels = NDArray[np.uint8]

_STRIDE = 16  # pixels for a latent position
_HYPER_STRIDE = 64  # pixels for a hyper-latent position; tiles begin at multiples of it
_TILE = 1024
_GREY = 128
_SEEN = 5  # how many classes the semantic importance looks for
_FULL, _HALF = range(2)
_FACTOR = 2  # by which a side of the picture is shorter in variant `half`
_HALF_RATE = 0.31  # bits of `half` over those of `full` at the same quality, of held-out photos (results/ablations.md)


class Adaptive(ContinuousCodec):
    """The adaptive codec with one model."""

    name = "adaptive"
    number = 2
    machine_layers = 1
    holds_features = False
    strategies = STRATEGIES
    thrifty = True
    cuts_below = False
    decoders = ("faithful", "vivid")
    variant_names = ("full", "half")

    def __init__(self, bundle: Bundle, graphs: Graphs) -> None:
        self._bundle, self._graphs = bundle, graphs
        manifest = bundle.manifest
        self._latents = int(manifest["latents"])
        self._groups = int(manifest["groups"])
        self._margin = int(manifest["margin"])
        self._split_pixels = int(manifest["split_pixels"])
        self._error_weight = float(manifest["error_weight"])
        self._core_side = int(manifest["core_side"])
        self._look_side = int(manifest["look_side"])

    @property
    def description(self) -> dict[str, Any]:
        return self._bundle.manifest

    @cached_property
    def _labels(self) -> LabelLayer:
        return LabelLayer(self._bundle.manifest)

    @cached_property
    def _unit(self) -> Unit:
        return Unit(self._bundle, self._graphs, load_tables(self._bundle), "latent")

    def layer_count(self, info: PictureInfo) -> int:
        return 2

    def encode_machine(self, pixels: Pixels, variant: str | None = None, quality: int = 1) -> Layers:
        return Layers([self._labels.pack(self._class_logits(pixels))], [], self.variant(variant))

    def prepare(
        self, pixels: Pixels, steering: Steering, labels: Sequence[str] | None = None
    ) -> Callable[[float | None, str | None], Analysed]:
        if labels is None:
            machine = self._labels.pack(self._class_logits(pixels))
        else:
            machine = self._labels.space.pack(self._labels.named(labels))
        importance = self.importance(pixels, steering)

        @cache
        def sized(number: int) -> tuple[Pixels, Array]:
            if number == _FULL:
                return pixels, importance
            size = _coded_size(pixels.shape[1], pixels.shape[0], number)
            return resize(pixels, size, "lanczos"), _halved(importance)

        def analyse(mean: float | None, variant: str | None = None) -> Analysed:
            number = self.variant(variant)
            seen, matters = sized(number)
            height, width = seen.shape[:2]
            quality = matters if mean is None else quality_map(matters, mean)
            level = int(np.rint(quality.mean() * (QUALITIES - 1)))
            latent, hyper = self._latents_of(seen, quality)

            def code(thrift: float) -> Layers:
                weight = self._error_weight * 2.0**-thrift
                data, _ = self._unit.encode(latent, hyper, level, None, self._sublayers(width, height), weight)
                return Layers([machine], [data], number)

            return Analysed(level + 1, code)

        return analyse

    def rates(self, variant: str | None = None) -> list[float]:
        share = _HALF_RATE if self.variant(variant) == _HALF else 1.0
        return [rate * share for rate in self._bundle.manifest["rates"]]

    def image(self, layers: Layers, info: PictureInfo, decoder: str | None = None) -> Pixels:
        chosen = self.decoder(decoder)
        need_layers(len(layers), 1)
        self._labels.space.unpack(layers.machine[0])
        if not layers.signal:
            return np.full((info.height, info.width, 3), _GREY, np.uint8)
        size = _coded_size(info.width, info.height, info.variant)
        latent, state, coded = self._decode(layers, size, info.quality)

        def run(part: Box) -> Array:
            views = (np.ascontiguousarray(x[:, :, part.top : part.bottom, part.left : part.right]) for x in arrays)
            return self._graphs.run(chosen, *self._graphs.run("decoder", *views))[0]

        arrays = (latent, state, coded)
        picture = picture_of(size, _STRIDE, _TILE, self._margin, run)
        return picture if size == (info.width, info.height) else resize(picture, (info.width, info.height), "lanczos")

    def features(self, layers: Layers, info: PictureInfo, layer: int) -> Array:
        if layer not in (1, 2):
            raise ArgumentError(f"layer (={layer}) must lie between 1 and 2, the layers of this file")
        need_layers(len(layers), layer)
        if layer == 1:
            return self._labels.features(layers.machine[0])
        return self._decode(layers, _coded_size(info.width, info.height, info.variant), info.quality)[0][0]

    def scores(self, layers: Layers, info: PictureInfo, task: str) -> Array:
        wanted = Task.find(self._bundle.manifest["tasks"], task)
        need_layers(len(layers.machine), wanted.layers)
        return self._labels.scores(layers.machine[0], task)

    def machine_features(self, layers: Layers, info: PictureInfo) -> Array:
        need_layers(len(layers.machine), 1)
        raise ArgumentError("a file of codec adaptive holds labels, no features for heads; choose codec scalable")

    def uncoded_features(self, pixels: Pixels) -> Array:
        return self._evidence(pixels, (self._core_side, self._core_side))

    def uncoded_scores(self, pixels: Pixels, task: str) -> Array:
        wanted = Task.find(self._bundle.manifest["tasks"], task)
        return self._labels.of_logits(self._class_logits(pixels), wanted)

    def importance(self, pixels: Pixels, steering: Steering) -> Array:
        """How important each block of 16x16 pixels is, float32 (rows, columns), 0 to 1 (paper, section III-B)."""
        height, width = pixels.shape[:2]
        own = steering.own_map(width, height)
        values = own if own is not None else self._by_strategy(pixels, steering.strategy or STRATEGIES[0])
        return steering.with_regions(values, width, height)

    def _by_strategy(self, pixels: Pixels, strategy: str) -> Array:
        rows, columns = -(-pixels.shape[0] // _STRIDE), -(-pixels.shape[1] // _STRIDE)
        if strategy == "uniform":
            return np.ones((rows, columns), np.float32)
        if strategy == "semantic":
            return self._semantic(pixels, rows, columns)
        busy = complexity(pixels)
        if strategy == "complexity":
            return busy
        return (1 - busy) if strategy == "simplicity" else blend(self._semantic(pixels, rows, columns), busy)

    def _semantic(self, pixels: Pixels, rows: int, columns: int) -> Array:
        return centre_weighted(self.evidence(pixels, rows, columns))

    def evidence(self, pixels: Pixels, rows: int, columns: int) -> Array:
        """What speaks for the most probable classes at each block, weighted by their probability; float32, 0 to 1."""
        height, width = pixels.shape[:2]
        scale = self._look_side / max(1, min(height, width))
        longest = 4 * self._look_side  # thinner pictures are squeezed
        size = (min(longest, max(8, round(width * scale))), min(longest, max(8, round(height * scale))))
        evidence = self._evidence(pixels, size)
        shares = probabilities(evidence.mean(axis=(1, 2)), 1.0)
        seen = np.argsort(-shares)[:_SEEN]
        found = np.tensordot(shares[seen].astype(np.float32), np.maximum(evidence[seen], 0), 1)
        return unit_range(resample(unit_range(found), rows, columns))

    def _evidence(self, pixels: Pixels, size: tuple[int, int]) -> Array:
        """What speaks for each class at each position of the picture resampled to a size (width, height), (K, h, w)."""
        seen = pad_to(resize(pixels, size, "lanczos"), 8)
        return self._graphs.run("classifier", normalise(seen))[0][0]

    def _class_logits(self, pixels: Pixels) -> Array:
        side = self._core_side
        logits: Array = self._evidence(pixels, (side, side)).mean(axis=(1, 2))
        return logits

    def _sublayers(self, width: int, height: int) -> int:
        """One for each group, unless the picture is small: each one costs some seven bytes."""
        return self._groups if width * height >= self._split_pixels else 1

    def _latents_of(self, pixels: Pixels, quality: Array) -> tuple[Array, Array]:
        """The latent of a picture under a quality map, and its hyper-latent, not rounded, with a batch axis."""
        symbols = map_symbols(quality)
        arrays = quality[None, None], spread_map(symbols, *quality.shape)[None, None]

        def run(part: Box) -> Array:
            top, left = part.top // _STRIDE, part.left // _STRIDE
            bottom, right = -(-part.bottom // _STRIDE), -(-part.right // _STRIDE)
            maps = (np.ascontiguousarray(x[:, :, top:bottom, left:right]) for x in arrays)
            return self._graphs.run("encoder", normalise(pad_to(part.of(pixels), _STRIDE)), *maps)[0]

        latent = grid_of((pixels.shape[1], pixels.shape[0]), _STRIDE, _TILE, self._margin, run)
        return latent, np.concatenate([symbols[None], self._graphs.run("hyper", latent)[0]], axis=1)

    def _decode(self, layers: Layers, size: tuple[int, int], quality: int) -> tuple[Array, Array, Array]:
        """The latent, the entropy model's state and the coded map, each (1, C, rows, columns).

        `size`: width and height of the picture as it was coded.
        """
        width, height = size
        most = self._sublayers(width, height)
        if len(layers.signal) != 1 or not 1 <= len(layers.signal[0]) <= most:
            parts = ", ".join(str(len(sublayers)) for sublayers in layers.signal)
            raise CorruptLayer(f"layer s2 has {parts} sub-layers; here it must have 1 to {most}, in one layer")
        rows, columns = -(-height // _STRIDE), -(-width // _STRIDE)
        shape = (self._latents, rows, columns)
        decoded = self._unit.decode(layers.signal[0], shape, quality - 1, sublayers=most)
        state = (decoded.state * 2.0**-FRACTION_BITS).astype(np.float32)
        coded = spread_map(decoded.hyper[:1].astype(np.float32), rows, columns)
        return decoded.latent[None], state[None], coded[None, None]


def _coded_size(width: int, height: int, variant: int) -> tuple[int, int]:
    """Width and height at which a variant codes a picture."""
    return (-(-width // _FACTOR), -(-height // _FACTOR)) if variant == _HALF else (width, height)


def _halved(importance: Array) -> Array:
    """The map of a picture, (rows, columns), as one of the picture at half its size: means of 2x2 blocks."""
    rows, columns = importance.shape
    padded = np.pad(importance, ((0, -rows % _FACTOR), (0, -columns % _FACTOR)), "edge")
    blocks = padded.reshape(padded.shape[0] // _FACTOR, _FACTOR, padded.shape[1] // _FACTOR, _FACTOR)
    means: Array = blocks.mean(axis=(1, 3), dtype=np.float32)
    return means
