"""What machines get: pictures coded into files, tasks answered from prefixes of these, and from uncoded features."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semapix.bundle import FINGERPRINT_BYTES, Bundle, find
from semapix.codecs import CODECS, Codec, Layers, PictureInfo
from semapix.errors import ArgumentError
from semapix.graphs import OnnxGraphs
from semapix.stream import Reader, write
from semapix.tasks import Task

__all__ = ["Look", "MachineCoder", "look_at", "machine_layers", "opened", "rank_of"]

_QUALITY = 5  # matters for the few machine layers that serve people too


@dataclass(frozen=True)
class Look:
    """What a task says: its logits (classes,), and the bytes of the file that were read, front header included."""

    scores: NDArray[np.float32]
    bytes_read: int


class MachineCoder:
    """Codes the machine layers of pictures with one model and asks its tasks.

    `threads`: of each graph; one is best where several processes share the cores. A codec with variants codes the one
    whose machine layers have features.
    """

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        self._bundle = bundle
        self._codec = CODECS[bundle.codec](bundle, OnnxGraphs(bundle, threads))

    @property
    def layers(self) -> int:
        """How many machine layers a file has."""
        return self._codec.machine_layers

    def encode(self, pixels: NDArray[np.uint8]) -> bytes:
        """A picture, uint8 (H, W, 3), as a .spix file without signal layers: the first bytes of one of quality 5."""
        coded = self._codec.encode_machine(pixels, self._codec.head_variant, _QUALITY)
        return write(
            codec=self._codec.number,
            quality=_QUALITY,
            fingerprint=self._bundle.fingerprint[:FINGERPRINT_BYTES],
            width=pixels.shape[1],
            height=pixels.shape[0],
            machine=coded.machine,
            variant=coded.variant,
        )

    def look(self, coded: bytes, task: str) -> Look:
        """Ask a task. The file is cut behind the task's last layer, saved, and opened again."""
        layers = Task.find(self._bundle.manifest["tasks"], task).layers
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "prefix.spix"
            path.write_bytes(Reader(coded).prefix(layers))
            return look_at(path, self._codec, task)

    def features(self, coded: bytes, layers: int) -> NDArray[np.float32]:
        """The features, float32 (C, h, w), that the first `layers` machine layers of a file give."""
        return self._codec.machine_features(*machine_layers(Reader(coded), layers))

    def prefix_bytes(self, coded: bytes, layers: int) -> int:
        """Bytes of a file that ends behind its first `layers` layers."""
        return len(Reader(coded).prefix(layers))

    def uncoded_features(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The features, float32 (C, h, w), of a picture that was not coded."""
        return self._codec.uncoded_features(pixels)

    def machine_bytes(self, coded: bytes) -> int:
        """Bytes of the machine layers of a file, with their checksums, without the front header."""
        return sum(layer.length for layer in Reader(coded).layers if layer.kind == "machine")

    def uncoded(self, pixels: NDArray[np.uint8], task: str) -> NDArray[np.float32]:
        """The logits of a task's head on the features of a picture that was not coded."""
        return self._codec.uncoded_scores(pixels, task)

    def check_labels(self, task: str, labels: list[str]) -> None:
        """Raises ArgumentError when a task's label space is not `labels`."""
        have = Task.find(self._bundle.manifest["tasks"], task).labels
        if have != labels:
            raise ArgumentError(
                f"{self._bundle.path}: task {task} has {len(have)} labels ({', '.join(have[:2])}, ...) that are not "
                f"the {len(labels)} of the data ({', '.join(labels[:2])}, ...)"
            )


def look_at(file: Path, codec: Codec, task: str) -> Look:
    """Ask a task about a .spix file, of which its front header and the task's layers are read."""
    reader = Reader(file)
    layers, info = machine_layers(reader, Task.find(codec.description["tasks"], task).layers)
    return Look(codec.scores(layers, info, task), reader.bytes_read)


def machine_layers(reader: Reader, count: int) -> tuple[Layers, PictureInfo]:
    """The first `count` layers of a file, all of them machine layers, and what its header says."""
    header = reader.header
    layers = Layers([reader.machine_layer(i) for i in range(count)], [], header.variant)
    return layers, PictureInfo(header.width, header.height, header.quality, header.variant)


@lru_cache(maxsize=1)
def opened(model: Path) -> MachineCoder:
    """The coder of the bundle at a path; each process opens a model once."""
    return MachineCoder(find(model))


def rank_of(label: int, scores: NDArray[np.float32]) -> int:
    """Position of a label among all, 0 when it is the best; of equal scores the first label goes before.

    Raises ArgumentError for what is no label of these.
    """
    if not isinstance(label, int) or not 0 <= label < len(scores):
        raise ArgumentError(f"label (={label!r}) must be a whole number between 0 and {len(scores) - 1}")
    return int(np.flatnonzero(np.argsort(-scores, kind="stable") == label)[0])
