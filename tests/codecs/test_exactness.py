"""The promise: the same bytes decode to the same symbols in every executor and with every thread count."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from semapix.bundle import Bundle
from semapix.codecs import Layers, PictureInfo
from semapix.codecs.scalable import Scalable
from semapix.coding import RangeDecoder
from semapix.graphs import Graphs, OnnxGraphs
from semapix.training.runtime_graphs import TorchGraphs
from semapix.training.scalable.graphs import scalable_graphs
from tests.pictures import picture

INFO = PictureInfo(90, 61, 6)

Outputs = list[NDArray[np.float32]]


class Disturbed:
    """An executor whose every result is off by a few units in the last place."""

    def __init__(self, graphs: Graphs) -> None:
        self._graphs, self._rng = graphs, np.random.default_rng(0)

    def run(self, name: str, *inputs: NDArray[np.float32]) -> Outputs:
        disturbed = []
        for values in self._graphs.run(name, *inputs):
            steps = self._rng.integers(-4, 5, values.shape).astype(np.float32)
            disturbed.append((values + steps * np.spacing(np.abs(values))).astype(np.float32))
        return disturbed


def symbols(bundle: Bundle, graphs: Graphs, layers: Layers, monkeypatch: pytest.MonkeyPatch) -> list[NDArray[np.int32]]:
    """All integers that decoding reads from the range coder, in order."""
    seen: list[NDArray[np.int32]] = []
    decode: Callable[..., NDArray[np.int32]] = RangeDecoder.decode

    def spy(self: RangeDecoder, levels: NDArray[np.uint8]) -> NDArray[np.int32]:
        values = decode(self, levels)
        seen.append(values)
        return values

    with monkeypatch.context() as patch:
        patch.setattr(RangeDecoder, "decode", spy)
        Scalable(bundle, graphs).image(layers, INFO)
    return seen


def test_symbols_do_not_depend_on_the_executor(tiny_bundle, tiny_trained, monkeypatch):
    bundle = Bundle(tiny_bundle)
    layers = Scalable(bundle, OnnxGraphs(bundle, threads=1)).encode(picture(INFO.width, INFO.height), INFO.quality)
    wanted = symbols(bundle, OnnxGraphs(bundle, threads=1), layers, monkeypatch)
    assert sum(map(len, wanted)) > 500
    executors: list[Graphs] = [
        OnnxGraphs(bundle, threads=2),
        TorchGraphs(scalable_graphs(tiny_trained)),
        *(Disturbed(OnnxGraphs(bundle)) for _ in range(3)),
    ]
    for graphs in executors:
        found = symbols(bundle, graphs, layers, monkeypatch)
        assert len(found) == len(wanted)
        assert all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_each_executor_decodes_what_the_other_encoded(tiny_bundle, tiny_trained):
    bundle = Bundle(tiny_bundle)
    onnx = Scalable(bundle, OnnxGraphs(bundle))
    torch = Scalable(bundle, TorchGraphs(scalable_graphs(tiny_trained)))
    pixels = picture(INFO.width, INFO.height)
    for encoder, decoder in ((onnx, torch), (torch, onnx)):
        layers = encoder.encode(pixels, INFO.quality)
        mine, other = encoder.image(layers, INFO), decoder.image(layers, INFO)
        assert np.abs(mine.astype(int) - other.astype(int)).max() <= 1
