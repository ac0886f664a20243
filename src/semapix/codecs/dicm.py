"""DICM: one compact stream of features for many analysis tasks, without pixels.

Z. Tang, X. Yi and H. Wang, "Towards Learned Image Compression for Multiple Semantic Analysis Tasks" (IEEE Transactions
on Broadcasting, 2025). Both machine layers hold the same kind of features, coded by the same networks: s1 those of the
*glance*, the picture squeezed to the small square that classifiers are trained on, and s2 those of the *scene*, the
picture reduced to the size at which objects are found. So a label costs a few dozen bytes, however large the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semapix.bundle import Bundle
from semapix.codecs._frame import glance, padded, scene, seen
from semapix.codecs._pixels import normalise
from semapix.codecs._unit import Unit, load_tables
from semapix.codecs.base import DetectingCodec, Layers, PictureInfo, need_layers
from semapix.errors import ArgumentError, CorruptLayer, NoPixels
from semapix.graphs import Graphs
from semapix.tasks import CLASSIFY, Answers, Detections, Frame, Task, find_objects, places, probabilities

__all__ = ["Dicm"]

Array = NDArray[np.float32]
Pixels = NDArray[np.uint8]

_FINE, _SEGMENT = "fine", "segment"


class Dicm(DetectingCodec):
    """The DICM codec with one model."""

    name = "dicm"
    number = 3
    machine_layers = 2
    pixels = False

    def __init__(self, bundle: Bundle, graphs: Graphs) -> None:
        self._bundle, self._graphs = bundle, graphs
        self._glance_side = int(bundle.manifest["glance_side"])
        self._scene_side = int(bundle.manifest["scene_side"])
        self._multiple = int(bundle.manifest["multiple"])
        self._stride = int(bundle.manifest["latent_stride"])
        self._channels = int(bundle.manifest["latents"])
        self._pool = int(bundle.manifest["pool"])
        self._unit = Unit(bundle, graphs, load_tables(bundle), "codec")

    @property
    def description(self) -> dict[str, Any]:
        return self._bundle.manifest

    def layer_count(self, info: PictureInfo) -> int:
        return self.machine_layers

    def encode(
        self, pixels: Pixels, quality: int, variant: str | None = None, labels: Sequence[str] | None = None
    ) -> Layers:
        if labels is not None:
            raise ArgumentError("codec dicm writes features, no labels; to state labels, choose deepsic or adaptive")
        return self.encode_machine(pixels, variant, quality)

    def encode_machine(self, pixels: Pixels, variant: str | None = None, quality: int = 1) -> Layers:
        self.variant(variant)
        return Layers(
            [b"" if frame is None else self._code(pixels, frame, quality) for frame in self._frames(pixels)], []
        )

    def image(self, layers: Layers, info: PictureInfo, decoder: str | None = None) -> Pixels:
        raise NoPixels(
            "this stream carries no pixels, only what machines read: ask it with look, or encode the picture with "
            "another codec"
        )

    def features(self, layers: Layers, info: PictureInfo, layer: int) -> Array:
        if not 1 <= layer <= self.machine_layers:
            raise ArgumentError(
                f"layer (={layer}) must lie between 1 and {self.machine_layers}, the layers of this file"
            )
        need_layers(len(layers), layer)
        return self._decoded(layers, info, layer)[0][0]

    def scores(self, layers: Layers, info: PictureInfo, task: str) -> Array:
        wanted = self._task(task, finds=False)
        need_layers(len(layers), wanted.layers)
        return self._logits(wanted, self._decoded(layers, info, 1)[0])

    def machine_features(self, layers: Layers, info: PictureInfo) -> Array:
        need_layers(len(layers), 1)
        parts = [self._pooled(self._decoded(layers, info, layer + 1)[0]) for layer in range(len(layers.machine))]
        return np.concatenate(parts)

    def uncoded_features(self, pixels: Pixels) -> Array:
        small, large = self._frames(pixels)
        return np.concatenate([self._pooled(self._features(pixels, frame)) for frame in (small, large or small)])

    def uncoded_scores(self, pixels: Pixels, task: str) -> Array:
        wanted = self._task(task, finds=False)
        return self._logits(wanted, self._features(pixels, self._frames(pixels)[0]))

    def detections(
        self, layers: Layers, info: PictureInfo, task: str, *, least: float = 0.4, top: int = 100, distinct: bool = True
    ) -> Detections:
        wanted = self._task(task, finds=True)
        need_layers(len(layers), wanted.layers)
        return self._objects(*self._decoded(layers, info, self.machine_layers), wanted, least, top, distinct)

    def uncoded_detections(
        self, pixels: Pixels, task: str, *, least: float = 0.4, top: int = 100, distinct: bool = True
    ) -> Detections:
        wanted = self._task(task, finds=True)
        small, large = self._frames(pixels)
        return self._objects(self._features(pixels, large or small), large or small, wanted, least, top, distinct)

    def _task(self, name: str, *, finds: bool) -> Task:
        """A task; `finds`: whether it must be one that finds objects. Raises ArgumentError for another kind."""
        task = Task.find(self._bundle.manifest["tasks"], name)
        if (task.kind != CLASSIFY) != finds:
            raise ArgumentError(
                f"task {name!r} tells {'one label for a picture' if finds else 'objects'}, and was asked for "
                f"{'objects' if finds else 'one label'}"
            )
        return task

    def _frames(self, pixels: Pixels) -> tuple[Frame, Frame | None]:
        """What s1 and s2 code of a picture."""
        return self._frames_of(pixels.shape[1], pixels.shape[0])

    def _frames_of(self, width: int, height: int) -> tuple[Frame, Frame | None]:
        side = self._glance_side
        return glance(width, height, side), scene(width, height, self._scene_side, side)

    def _features(self, pixels: Pixels, frame: Frame) -> Array:
        """Features (1, C, h, w) before coding."""
        return self._graphs.run("features", normalise(seen(pixels, frame, self._multiple)))[0]

    def _code(self, pixels: Pixels, frame: Frame, quality: int) -> bytes:
        """A layer's bytes."""
        gain = self._unit.row("gain", quality - 1)
        latent, hyper = self._unit.graph("analysis", self._features(pixels, frame), gain)
        coded, _ = self._unit.encode(latent, hyper, quality - 1)
        return coded[0]

    def _decoded(self, layers: Layers, info: PictureInfo, layer: int) -> tuple[Array, Frame]:
        """Features (1, C, h, w) of a layer, and the frame that they show; s2 shows the glance if it has no scene."""
        if layers.signal:
            raise CorruptLayer(f"layer s{self.machine_layers + 1} is a signal layer; files of codec dicm have none")
        small, large = self._frames_of(info.width, info.height)
        frame, number = (small, 1) if layer == 1 or large is None else (large, 2)
        if large is None and len(layers.machine) > 1 and layers.machine[1]:
            raise CorruptLayer(
                f"layer s2 has {len(layers.machine[1])} bytes; a picture of {info.width}x{info.height} pixels has an "
                "empty one"
            )
        height, width = padded(frame, self._multiple)
        shape = (self._channels, height // self._stride, width // self._stride)
        level = info.quality - 1
        decoded = self._unit.decode([layers.machine[number - 1]], shape, level)
        return self._unit.graph("synthesis", decoded.latent[None], self._unit.row("inverse_gain", level))[0], frame

    def _pooled(self, features: Array) -> Array:
        """What heads read: the last map of the tail, averaged to a small square, (C, pool, pool)."""
        deepest = self._graphs.run("tail", features)[-1][0]
        cells = []
        for axis in (1, 2):
            edges = np.arange(self._pool + 1) * deepest.shape[axis] / self._pool
            cells.append([(int(a), int(np.ceil(b))) for a, b in pairwise(edges)])
        rows = [[deepest[:, a:b, c:d].mean(axis=(1, 2)) for c, d in cells[1]] for a, b in cells[0]]
        return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)

    def _logits(self, task: Task, features: Array) -> Array:
        """Of a task; a group's probability is the sum of its classes'."""
        logits = self._graphs.run("classifier", self._pooled(features)[None])[0][0]
        if task.name == _FINE:
            return logits
        shares = probabilities(logits, Task.find(self._bundle.manifest["tasks"], _FINE).temperature)
        groups = np.bincount(self._bundle.manifest["parents"], shares, len(task.labels)) + 1e-9
        return np.log(groups).astype(np.float32)

    def _objects(self, features: Array, frame: Frame, task: Task, least: float, top: int, distinct: bool) -> Detections:
        maps = self._graphs.run("tail", features)
        detector = self._bundle.manifest["detector"]
        classes, sides, central, mixture, prototypes = self._graphs.run("detector", *maps[detector["first_map"] :])
        answers = Answers(
            classes[0], sides[0], central[0, :, 0], mixture[0], prototypes[0], int(detector["prototype_stride"])
        )
        at = places(*padded(frame, self._multiple), detector["strides"])  # the maps cover the padding too
        return find_objects(
            answers,
            at,
            frame,
            task.labels,
            task.name,
            masks=task.kind == _SEGMENT,
            least=least,
            top=top,
            distinct=distinct,
        )
