"""What holds for every registered codec, on a tiny model of each: a new codec adds a bundle, not a test."""

import numpy as np
import pytest

from semapix.bundle import Bundle
from semapix.codecs import CODECS, Codec, Layers, PictureInfo
from semapix.errors import ArgumentError, CorruptLayer, TruncatedStream
from semapix.graphs import OnnxGraphs
from tests.pictures import picture

SIZES = [(1, 1), (3, 50), (16, 16), (17, 33), (64, 40), (131, 70)]


@pytest.fixture(params=sorted(CODECS))
def codec(request, tiny_bundle) -> Codec:
    bundle = Bundle(tiny_bundle)
    assert bundle.codec == request.param
    return CODECS[request.param](bundle, OnnxGraphs(bundle))


def leading(layers: Layers, count: int) -> Layers:
    machine = len(layers.machine)
    return Layers(layers.machine[:count], layers.signal[: max(0, count - machine)])


def test_there_is_a_codec():
    assert CODECS
    assert len({codec.number for codec in CODECS.values()}) == len(CODECS)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("quality", [1, 9])
def test_every_prefix_decodes_to_a_whole_picture(codec, size, quality):
    width, height = size
    info = PictureInfo(width, height, quality)
    layers = codec.encode(picture(width, height), quality)
    assert len(layers) == codec.layer_count(info)
    for count in range(1, len(layers) + 1):
        image = codec.image(leading(layers, count), info)
        assert image.shape == (height, width, 3)
        assert image.dtype == np.uint8
        assert np.isfinite(codec.features(layers, info, count)).all()


def test_the_last_layer_may_lack_sublayers_and_no_other_may(codec):
    info = PictureInfo(131, 70, 5)  # two outer scales on the tiny core, the larger one in sub-layers
    layers = codec.encode(picture(131, 70), 5)
    looked = 0
    for number, sublayers in enumerate(layers.signal):
        for count in range(1, len(sublayers) + 1):
            cut = Layers(layers.machine, [*layers.signal[:number], sublayers[:count]])
            assert codec.image(cut, info).shape == (70, 131, 3)
            if count < len(sublayers) and number + 1 < len(layers.signal):
                with pytest.raises(CorruptLayer, match=f"s{len(layers.machine) + number + 1}"):
                    codec.image(Layers(layers.machine, [*cut.signal, *layers.signal[number + 1 :]]), info)
            looked += 1
        with pytest.raises(CorruptLayer, match=f"layer s{len(layers.machine) + number + 1} has "):
            codec.image(Layers(layers.machine, [*layers.signal[:number], [*sublayers, b""]]), info)
    assert looked == sum(map(len, layers.signal)) >= len(layers.signal) > 3


def test_machine_layers_are_the_same_at_every_quality(codec):
    pixels = picture(70, 50)
    assert codec.encode(pixels, 1).machine == codec.encode(pixels, 9).machine


def test_the_same_picture_gives_the_same_bytes(codec):
    pixels = picture(70, 50)
    assert codec.encode(pixels, 5) == codec.encode(pixels, 5)


def test_a_larger_picture_costs_machines_no_more(codec):
    small = picture(64, 64)
    large = np.kron(small, np.ones((4, 4, 1), np.uint8))
    few, many = codec.encode(small, 1).machine, codec.encode(large, 1).machine
    assert sum(map(len, many)) <= 1.1 * sum(map(len, few)) + 4


def test_garbage_in_a_layer_is_a_picture_or_a_typed_error(codec):
    info = PictureInfo(40, 40, 5)
    layers = codec.encode(picture(40, 40), 5)
    rng = np.random.default_rng(0)
    outcomes = []
    for number in range(len(layers)):
        machine, signal = list(layers.machine), [list(parts) for parts in layers.signal]
        junk = rng.bytes(int(rng.integers(0, 40)))
        if number < len(machine):
            machine[number] = junk
        else:
            signal[number - len(machine)][0] = junk
        try:
            outcomes.append(codec.image(Layers(machine, signal), info).shape)
        except CorruptLayer:
            outcomes.append(CorruptLayer)
    assert set(outcomes) <= {(40, 40, 3), CorruptLayer}
    assert len(outcomes) == len(layers)


def test_errors_name_the_value_and_the_way_out(codec):
    info = PictureInfo(40, 40, 5)
    layers = codec.encode(picture(40, 40), 5)
    count = codec.layer_count(info)
    with pytest.raises(ArgumentError, match=rf"layer \(={count + 1}\) must lie between 1 and {count}"):
        codec.features(layers, info, count + 1)
    with pytest.raises(ArgumentError, match="no task is called 'colour'; this model has: coarse, fine"):
        codec.scores(layers, info, "colour")
    with pytest.raises(TruncatedStream, match="holds 0 whole layers, 1 are needed"):
        codec.image(Layers([], []), info)
