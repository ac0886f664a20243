"""A codec made up for tests of what stands around codecs: its layers are sub-layers, each a bit plane of a channel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semapix.bundle import Bundle, save_bundle
from semapix.codecs import Codec, Layers, PictureInfo
from semapix.errors import CorruptLayer
from semapix.graphs import Graphs

SUBLAYERS = (3, 9, 12)
"""Sub-layers of s3, s4 and s5: the highest bit of red, green and blue, then the next three bits of each, then the rest.

Quality q codes the q - 1 highest bits; sub-layers of lower bits are empty, which says no more than if they were not
there.
"""


class Planes(Codec):
    """Says the mean of a picture in s1 and s2, and its bits in s3 to s5."""

    name = "planes"
    number = 15
    machine_layers = 2

    def __init__(self, bundle: Bundle, graphs: Graphs) -> None:
        self._bundle = bundle

    @property
    def description(self) -> dict[str, Any]:
        return self._bundle.manifest

    def layer_count(self, info: PictureInfo) -> int:
        return self.machine_layers + len(SUBLAYERS)

    def encode(
        self,
        pixels: NDArray[np.uint8],
        quality: int,
        variant: str | None = None,
        labels: Sequence[str] | None = None,
    ) -> Layers:
        planes = [
            np.packbits(pixels[:, :, channel] >> bit & 1).tobytes() if bit > 8 - quality else b""
            for bit in range(7, -1, -1)
            for channel in range(3)
        ]
        starts = np.cumsum([0, *SUBLAYERS]).tolist()
        signal = [planes[start : start + count] for start, count in zip(starts, SUBLAYERS, strict=False)]
        return Layers(self.encode_machine(pixels).machine, signal)

    def encode_machine(self, pixels: NDArray[np.uint8], variant: str | None = None, quality: int = 1) -> Layers:
        means = pixels.reshape(-1, 3).mean(axis=0).astype(np.uint8)
        return Layers([bytes([int(means.mean())]), means.tobytes()], [])

    def image(self, layers: Layers, info: PictureInfo, decoder: str | None = None) -> NDArray[np.uint8]:
        for number, (sublayers, count) in enumerate(zip(layers.signal, SUBLAYERS, strict=False), start=1):
            if len(sublayers) > count or (len(sublayers) < count and number < len(layers.signal)):
                raise CorruptLayer(f"layer s{number + 2} has {len(sublayers)} sub-layers, not {count}")
        picture = np.empty((info.height, info.width, 3), np.uint8)
        picture[:] = list(layers.machine[-1])
        planes = [plane for sublayers in layers.signal for plane in sublayers]
        for channel in range(3):
            known = [plane for plane in planes[channel::3] if plane]
            if known:
                picture[:, :, channel] = 128 >> len(known)  # the middle of what is not known
            for bit, plane in zip(range(7, -1, -1), known, strict=False):
                bits = np.unpackbits(np.frombuffer(plane, np.uint8), count=info.width * info.height)
                picture[:, :, channel] |= bits.reshape(info.height, info.width) << bit
        return picture

    def features(self, layers: Layers, info: PictureInfo, layer: int) -> NDArray[np.float32]:
        raise NotImplementedError

    def scores(self, layers: Layers, info: PictureInfo, task: str) -> NDArray[np.float32]:
        raise NotImplementedError

    def machine_features(self, layers: Layers, info: PictureInfo) -> NDArray[np.float32]:
        raise NotImplementedError

    def uncoded_features(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        raise NotImplementedError

    def uncoded_scores(self, pixels: NDArray[np.uint8], task: str) -> NDArray[np.float32]:
        raise NotImplementedError


def save_planes(path: Path) -> None:
    """Write a bundle for it."""
    save_bundle(path, {"name": "planes", "codec": "planes", "tasks": []}, {}, {})
