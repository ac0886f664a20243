"""A codestream in the hands of a user: what is in the picture, the picture, its features, its layers."""

from __future__ import annotations

from operator import index
from os import PathLike
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semapix.bundle import Bundle, by_fingerprint, default_for, find, installed
from semapix.codecs import CODECS, QUALITIES, Codec, DetectingCodec, Layers, PictureInfo, open_codec
from semapix.errors import ArgumentError, BrokenBundle, CorruptLayer, TruncatedStream
from semapix.files import atomic_write
from semapix.imaging import MAX_SIDE
from semapix.stream import EXIF, ICC, CutPoint, FrontHeader, LayerInfo, Reader, SourceLike
from semapix.tasks import CLASSIFY, Detections, Head, Labels, Task, top_labels

__all__ = ["HeadLike", "ModelLike", "Stream", "choose_model", "label_space", "look", "models", "open"]

ModelLike: TypeAlias = str | PathLike[str] | Bundle
"""The name of an installed model, the path of a bundle, or an open bundle."""

HeadLike: TypeAlias = str | PathLike[str] | Head
"""The path of a head (.spxh), or an open head."""


_CODEC = "scalable"


class Stream:
    """A .spix codestream: a whole one, or any prefix of one.

    Layers are fetched, checked and decoded when they are asked for; nothing is kept open, so there is no `close`.
    `header` is the front header, `layers` the list of layers with name, bytes and checksum, `cut_points` the list of
    places where a shorter file may end. `left_out`: of a file that `encode` has just made for a number of bytes, the
    names of those metadata records of the picture, `ICC` and `EXIF`, for which there was no room.
    """

    def __init__(self, reader: Reader, model: ModelLike | None = None) -> None:
        self._reader = reader
        self._model = model
        self._codec: Codec | None = None
        self.left_out: tuple[str, ...] = ()

    def __repr__(self) -> str:
        width, height = self.size
        return f"<Stream {self._reader.name}: {width}x{height}, {self.bytes_total:,} bytes>"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture in pixels, as Pillow has them."""
        return self.header.width, self.header.height

    @property
    def header(self) -> FrontHeader:
        """The front header: codec, quality, fingerprint of the model, width, height."""
        return self._reader.header

    @property
    def quality(self) -> float:
        """The quality that the picture was coded at, 1 to 9, as far as the file is there to tell.

        A file of codec `scalable` may have one between two whole ones, in steps of 1/256: its front header states the
        lower one, and its first signal layer what lies above. Raises UnknownModel when the model is not installed;
        CorruptLayer.
        """
        codec, first = self._open_codec(), len(self.header.machine_lengths) + 1
        return codec.quality(self._fetch(min(first, self._reader.begun_layers), partial=True), self._info)

    @property
    def layers(self) -> list[LayerInfo]:
        """All layers that the file declares, in order; those that are cut off have `present` False."""
        return self._reader.layers

    @property
    def cut_points(self) -> list[CutPoint]:
        """Where the file, as far as it is there, can be cut: the end of each layer, sub-layer and metadata record.

        In rising order, `name` and `bytes` (of the prefix that ends there) of each. The last one says how far a file
        is used that ends elsewhere.
        """
        return self._reader.cut_points

    @property
    def bytes_read(self) -> int:
        """Bytes that were fetched from the source so far."""
        return self._reader.bytes_read

    @property
    def bytes_total(self) -> int:
        """Bytes in the source."""
        return self._reader.bytes_total

    @property
    def complete(self) -> bool:
        """Whether nothing is missing at the end of the file."""
        return self._reader.complete

    @property
    def model(self) -> Bundle:
        """The bundle that the file was made with. Raises UnknownModel when it is not installed."""
        start = self.header.fingerprint
        if self._model is None:
            return by_fingerprint(start)
        bundle = _bundle(self._model)
        if not bundle.fingerprint.startswith(start):
            raise ArgumentError(
                f"model {bundle.name} ({bundle.fingerprint[: len(start)].hex()}) is not the one that the file was "
                f"made with ({start.hex()})"
            )
        return bundle

    def look(self, task: str | None = None, top: int = 5, *, head: HeadLike | None = None) -> Labels:
        """What is in the picture: the `top` most probable labels, best first.

        `task`: one of the model's tasks, or of the head's; by default the finest, which for the shipped model is
        `fine`. `head`: labels of your own, in place of the model's; a head from `teach`, or the path of its file.

        Reads the front header and the layers of the task, nothing else. Raises ArgumentError for an unknown task, one
        that finds objects (see `detect`), or a head of another model; BrokenHead; TruncatedStream when the file ends
        before the task's layers do.
        """
        codec = self._open_codec()
        if head is None:
            wanted = self.task(task)
            if wanted.kind != CLASSIFY:
                raise ArgumentError(
                    f"task {wanted.name!r} finds objects, no labels of the picture; ask detect for them"
                )
            return top_labels(wanted, codec.scores(self._fetch(wanted.layers), self._info, wanted.name), top)
        taught = head if isinstance(head, Head) else Head.load(head)
        taught.check(self.header.fingerprint, self.model.name)
        wanted = taught.find(task)
        return top_labels(wanted, taught.scores(wanted.name, self.machine_features(wanted.layers)), top)

    def task(self, name: str | None = None) -> Task:
        """A task of the model; the finest classification by default. Raises ArgumentError for an unknown name."""
        return Task.find(self._open_codec().description["tasks"], name)

    def detect(self, task: str = "detect", *, least: float = 0.4, top: int = 100, distinct: bool = True) -> Detections:
        """The objects in the picture, best first, with boxes in its pixels, and masks for tasks of the kind `segment`.

        `least`: the lowest score, 0 to 1. `top`: how many objects at most. `distinct`: whether each object is told
        once, under its most probable name; False tells every name that it may have, as average precision wants.

        Reads the front header and the layers of the task. Raises ArgumentError for an unknown task, one that finds no
        objects, or values out of range; TruncatedStream when the file ends before the task's layers do.
        """
        if not 0 <= least <= 1 or top < 1:
            raise ArgumentError(f"least (={least}) must lie between 0 and 1, and top (={top}) be 1 or more")
        codec, wanted = self._open_codec(), self.task(task)
        if wanted.kind == CLASSIFY:
            raise ArgumentError(f"task {wanted.name!r} finds no objects, only labels of the picture; ask look for them")
        if not isinstance(codec, DetectingCodec):
            raise BrokenBundle(
                f"{self.model.path}: states task {wanted.name!r}, and codec {codec.name} finds no objects"
            )
        return codec.detections(
            self._fetch(wanted.layers), self._info, wanted.name, least=least, top=top, distinct=distinct
        )

    def image(self, layers: int | None = None, *, decoder: str | None = None) -> Image.Image:
        """The picture, full size, RGB, from the first `layers` layers, all of which must be whole.

        By default from all that is there: of a last layer that is cut off inside, the sub-layers before the cut.
        `decoder`: of codec `adaptive`, `faithful` (nearest to the original; the default) or `vivid` (more texture).
        Raises ArgumentError for a decoder that the codec does not have, when `layers` is not between 1 and the number
        of layers, TruncatedStream when the file ends before them, or before its first layer does; NoPixels for a codec
        whose files hold no picture.
        """
        codec, everything = self._open_codec(), layers is None
        count = self._begun() if layers is None else self._count(layers)
        whole = codec.layer_count(self._info)
        if count > whole:
            raise CorruptLayer(f"{self._reader.name}: has {count} layers, a picture of this size has {whole}")
        picture = Image.fromarray(codec.image(self._fetch(count, partial=everything), self._info, decoder))
        metadata = self._reader.metadata if everything else {}
        if ICC in metadata:
            picture.info["icc_profile"] = metadata[ICC]
        if EXIF in metadata:
            picture.info["exif"] = metadata[EXIF]
        return picture

    def features(self, layer: int) -> NDArray[np.float32]:
        """The decoded features of layer `layer` (1 is the first), which must be whole: float32 (C, h, w)."""
        return self._open_codec().features(self._fetch(self._count(layer)), self._info, layer)

    def machine_features(self, layers: int | None = None) -> NDArray[np.float32]:
        """The decoded features of the first `layers` machine layers (all by default) together, float32 (C, h, w).

        What heads read. Raises ArgumentError when `layers` is not between 1 and the number of machine layers,
        TruncatedStream when the file ends before them.
        """
        codec = self._open_codec()
        count = codec.machine_layers if layers is None else index(layers)
        if not 1 <= count <= codec.machine_layers:
            raise ArgumentError(f"layers (={count}) must lie between 1 and {codec.machine_layers}, the machine layers")
        return codec.machine_features(self._fetch(count), self._info)

    def to_bytes(self, layers: int | None = None, *, max_bytes: int | None = None) -> bytes:
        """The file as it is, or a prefix of it, all of which must be intact.

        `layers`: the prefix that ends after so many layers. `max_bytes`: the longest prefix of at most so many bytes
        that ends at a cut point; it is not filled up to that size. Raises ArgumentError when both are given, when
        there are not so many layers, and when `max_bytes` is below the first cut point; TruncatedStream when the
        file ends before the layers do; ChecksumMismatch, naming layer and sub-layer, when the prefix is damaged.
        """
        if layers is not None and max_bytes is not None:
            raise ArgumentError(f"layers (={layers}) and max_bytes (={max_bytes}) exclude each other; give one of them")
        if max_bytes is not None:
            prefix = self._reader.cut(index(max_bytes))
        elif layers is not None:
            prefix = self._reader.prefix(self._count(layers))
        else:
            return self._reader.content()
        Stream(Reader(prefix, self._reader.name))._check()
        return prefix

    def save(
        self,
        path: str | PathLike[str],
        *,
        layers: int | None = None,
        max_bytes: int | None = None,
        force: bool = False,
    ) -> None:
        """Write the file, or its prefix of `layers` layers or of at most `max_bytes` bytes, as `to_bytes` gives it.

        Raises the errors of `to_bytes`, and OutputError when `path` exists, unless `force`.
        """
        atomic_write(path, self.to_bytes(layers, max_bytes=max_bytes), force=force)

    @property
    def _info(self) -> PictureInfo:
        header = self.header
        return PictureInfo(header.width, header.height, header.quality, header.variant)

    def _open_codec(self) -> Codec:
        if self._codec is None:
            codec, header, name = open_codec(self.model), self.header, self._reader.name
            if header.codec != codec.number:
                raise CorruptLayer(f"{name}: says codec {header.codec}, its model is for codec {codec.number}")
            if len(header.machine_lengths) != codec.machine_layers:
                raise CorruptLayer(
                    f"{name}: has {len(header.machine_lengths)} machine layers, codec {codec.name} has "
                    f"{codec.machine_layers}"
                )
            if header.variant >= max(1, len(codec.variant_names)):
                raise CorruptLayer(f"{name}: says variant {header.variant}, which codec {codec.name} does not have")
            if not 1 <= header.quality <= QUALITIES:
                raise CorruptLayer(f"{name}: says quality {header.quality}, which must lie between 1 and {QUALITIES}")
            if max(header.width, header.height) > MAX_SIDE:
                raise CorruptLayer(f"{name}: says {header.width}x{header.height} pixels; a side has {MAX_SIDE} at most")
            self._codec = codec
        return self._codec

    def _count(self, layers: int) -> int:
        """`layers`, when the file has so many."""
        layers = index(layers)
        if 1 <= layers <= len(self.header.machine_lengths):
            return layers  # without a look at the second index, which may be damaged
        declared = len(self.layers)
        if not 1 <= layers <= declared:
            raise ArgumentError(f"layers (={layers}) must lie between 1 and {declared}, the layers of this file")
        return layers

    def _begun(self) -> int:
        """How many layers are there, the last one perhaps in part."""
        count = self._reader.begun_layers
        if count == 0:
            raise TruncatedStream(f"{self._reader.name}: ends before its first layer does")
        return count

    def _fetch(self, count: int, partial: bool = False) -> Layers:
        """The first `count` layers; `partial`: the last one as far as it is there."""
        machine = min(count, len(self.header.machine_lengths))
        if count > machine + 1:
            self._reader.prefetch(count)
        return Layers(
            [self._reader.machine_layer(i) for i in range(machine)],
            [self._reader.signal_layer(i, partial) for i in range(count - machine)],
            self.header.variant,
        )

    def _check(self) -> None:
        """Read all that is there. Raises ChecksumMismatch when it is not intact."""
        self._fetch(self._begun(), partial=True)
        _ = self._reader.metadata


def choose_model(codec: str | None, model: ModelLike | None = None) -> Bundle:
    """The bundle to encode with: `model`, or the one that ships for the codec when None; for `scalable` without either.

    Raises ArgumentError when there is no such codec, or the model is for another; UnknownModel.
    """
    if codec is not None and codec not in CODECS:
        raise ArgumentError(f"no codec is called {codec!r}; there are: {', '.join(CODECS)}")
    bundle = default_for(codec or _CODEC) if model is None else _bundle(model)
    if codec is not None and bundle.codec != codec:
        raise ArgumentError(f"model {bundle.name} is for codec {bundle.codec}, not {codec}")
    return bundle


def _bundle(model: ModelLike) -> Bundle:
    return model if isinstance(model, Bundle) else find(model)


def open(source: SourceLike, model: ModelLike | None = None) -> Stream:
    """Open a codestream: a path, bytes, a binary file object, or a URL that fsspec knows.

    Only the front header is read now. `model`: name or path of the bundle, when it is not an installed one.
    Raises MissingFile; ArgumentError for what else cannot be opened; NotACodestream, TruncatedStream, ChecksumMismatch,
    UnsupportedVersion.
    """
    return Stream(Reader(source), model)


def look(
    source: SourceLike | Stream,
    task: str | None = None,
    top: int = 5,
    model: ModelLike | None = None,
    *,
    head: HeadLike | None = None,
) -> Labels:
    """What is in the picture of a codestream: `open(source, model).look(task, top, head=head)`; or of an open one."""
    if isinstance(source, Stream) and model is not None:
        raise ArgumentError("model: an open codestream has one already; open it with another")
    stream = source if isinstance(source, Stream) else open(source, model)
    return stream.look(task, top, head=head)


def label_space(model: ModelLike) -> dict[str, list[str]]:
    """The labels of a model: the names of its groups (task `coarse`), each with those of its classes (task `fine`).

    Raises UnknownModel.
    """
    manifest = _bundle(model).manifest
    names = {task["name"]: task["labels"] for task in manifest["tasks"]}
    groups: dict[str, list[str]] = {group: [] for group in names["coarse"]}
    for fine, parent in zip(names["fine"], manifest["parents"], strict=True):
        groups[names["coarse"][parent]].append(fine)
    return groups


def models() -> list[dict[str, Any]]:
    """The installed models: `codec`, `model` (its name), `fingerprint` (hex), `path`, `bytes`, and `tasks`."""
    return [
        {
            "codec": bundle.codec,
            "model": bundle.name,
            "fingerprint": bundle.fingerprint.hex(),
            "path": str(bundle.path),
            "bytes": bundle.path.stat().st_size,
            "tasks": [
                {"name": task["name"], "labels": len(task["labels"]), "layers": task["layers"]}
                for task in bundle.manifest["tasks"]
            ],
        }
        for bundle in installed()
    ]
