"""Outer scales in sub-layers: any leading ones decode, a wrong number of them is refused."""

import numpy as np
import pytest

from semapix.bundle import Bundle
from semapix.codecs import Layers, PictureInfo
from semapix.codecs.scalable import Scalable
from semapix.errors import CorruptLayer
from semapix.graphs import OnnxGraphs
from tests.pictures import picture

SIZE = (150, 40)  # scales of 19x5 and 150x40 pixels on a core of 16; the tiny recipe splits from 512 pixels on
INFO = PictureInfo(*SIZE, 9)


@pytest.fixture(scope="module")
def codec(tiny_bundle) -> Scalable:
    bundle = Bundle(tiny_bundle)
    return Scalable(bundle, OnnxGraphs(bundle))


@pytest.fixture(scope="module")
def layers(codec) -> Layers:
    return codec.encode(picture(*SIZE), 9)


def part(layers: Layers, sublayers: int) -> Layers:
    """The layers without the last scale, and its first sub-layers."""
    last = [layers.signal[-1][:sublayers]] if sublayers else []
    return Layers(layers.machine, [*layers.signal[:-1], *last])


def test_small_scales_have_one_and_large_ones_have_one_for_each_group(codec):
    layers = codec.encode(picture(300, 100), 9)  # on one of 38x13
    assert [len(sublayers) for sublayers in layers.signal][-3:] == [1, 1, 2]


def test_each_sublayer_changes_the_picture(codec, layers):
    pictures = [codec.image(part(layers, count), INFO).astype(int) for count in (0, 1, 2)]
    assert np.array_equal(pictures[2], codec.image(layers, INFO))
    assert not np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[1], pictures[2])


@pytest.mark.parametrize("count", [0, 3])
def test_a_wrong_number_is_refused(codec, layers, count):
    sublayers = (list(layers.signal[-1]) * 2)[:count]
    with pytest.raises(CorruptLayer, match=rf"s5 has {count} sub-layers"):
        codec.image(Layers(layers.machine, [*layers.signal[:-1], sublayers]), INFO)


def test_only_the_last_layer_may_be_short(codec, layers):
    wide = PictureInfo(300, 240, 9)
    whole = codec.encode(picture(300, 240), 9)
    assert [len(sublayers) for sublayers in whole.signal][-2:] == [2, 2]
    short = Layers(whole.machine, [*whole.signal[:-2], whole.signal[-2][:1], whole.signal[-1]])
    with pytest.raises(CorruptLayer, match="must have 2"):
        codec.image(short, wide)
    codec.image(Layers(whole.machine, short.signal[:-1]), wide)
