"""What holds for every registered codec, on a tiny model of each: a new codec adds a bundle, not a test."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

from semapix.bundle import Bundle
from semapix.codecs import CODECS, Codec, Layers, PictureInfo
from semapix.errors import ArgumentError, CorruptLayer, NoPixels, TruncatedStream
from semapix.graphs import OnnxGraphs
from tests.pictures import picture

SIZES = [(1, 1), (3, 50), (16, 16), (17, 33), (64, 40), (131, 70), (300, 3)]


WAYS = [(name, variant) for name, codec in sorted(CODECS.items()) for variant in codec.variants() or (None,)]


class Coding(NamedTuple):
    """A codec with a tiny model, and the variant to code with."""

    codec: Codec
    variant: str | None

    def encode(self, pixels, quality) -> Layers:
        return self.codec.encode(pixels, quality, self.variant)

    def info(self, width, height, quality) -> PictureInfo:
        return PictureInfo(width, height, quality, self.codec.variant(self.variant))


@pytest.fixture(params=WAYS, ids=lambda way: "-".join(filter(None, way)))
def coding(request, tiny_bundles) -> Coding:
    name, variant = request.param
    bundle = Bundle(tiny_bundles[name])
    assert bundle.codec == name
    return Coding(CODECS[name](bundle, OnnxGraphs(bundle)), variant)


def decoded(coding, layers: Layers, info: PictureInfo) -> tuple[int, ...]:
    """Decode all layers: the shape of the picture; of a codec without pixels, that which the picture would have."""
    codec = coding.codec
    if codec.pixels:
        image = codec.image(layers, info)
        assert image.dtype == np.uint8
        return image.shape
    with pytest.raises(NoPixels, match=r"carries no pixels, only what machines read: ask it with look, or "):
        codec.image(layers, info)
    for layer in range(len(layers)):
        assert np.isfinite(codec.features(layers, info, layer + 1)).all()
    return (info.height, info.width, 3)


def leading(layers: Layers, count: int) -> Layers:
    machine = len(layers.machine)
    return replace(layers, machine=layers.machine[:count], signal=layers.signal[: max(0, count - machine)])


def test_there_is_a_codec():
    assert CODECS
    assert len({codec.number for codec in CODECS.values()}) == len(CODECS)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("quality", [1, 9])
def test_every_prefix_decodes_to_a_whole_picture(coding, size, quality):
    codec = coding.codec
    width, height = size
    info = coding.info(width, height, quality)
    layers = coding.encode(picture(width, height), quality)
    info = replace(info, variant=layers.variant)  # of several numbers that share a name
    assert len(layers) == codec.layer_count(info)
    for count in range(1, len(layers) + 1):
        assert decoded(coding, leading(layers, count), info) == (height, width, 3)
        assert np.isfinite(codec.features(layers, info, count)).all()


def test_the_last_layer_may_lack_sublayers_and_no_other_may(coding):
    codec, info = coding.codec, coding.info(262, 140, 5)  # large enough for every tiny model to split its last layer
    layers = coding.encode(picture(262, 140), 5)
    looked = 0
    for number, sublayers in enumerate(layers.signal):
        for count in range(1, len(sublayers) + 1):
            cut = replace(layers, signal=[*layers.signal[:number], sublayers[:count]])
            assert codec.image(cut, info).shape == (140, 262, 3)
            if count < len(sublayers) and number + 1 < len(layers.signal):
                with pytest.raises(CorruptLayer, match=f"s{len(layers.machine) + number + 1}"):
                    codec.image(replace(layers, signal=[*cut.signal, *layers.signal[number + 1 :]]), info)
            looked += 1
        with pytest.raises(CorruptLayer, match=f"layer s{len(layers.machine) + number + 1} has "):
            codec.image(replace(layers, signal=[*layers.signal[:number], [*sublayers, b""]]), info)
    assert looked == sum(map(len, layers.signal))
    assert looked > len(layers.signal) if codec.pixels else looked == 0


def test_machine_layers_can_be_had_alone(coding):
    pixels = picture(70, 50)
    assert coding.codec.encode_machine(pixels, coding.variant).machine == coding.encode(pixels, 1).machine


def test_what_heads_read_can_be_had_from_machine_layers(coding):
    codec, pixels = coding.codec, picture(70, 50)
    coded = codec.encode_machine(pixels, codec.head_variant)
    if not codec.holds_features:
        with pytest.raises(ArgumentError, match="holds labels, no features for heads; choose codec scalable"):
            codec.machine_features(coded, PictureInfo(70, 50, 1, coded.variant))
        return
    features = codec.machine_features(coded, PictureInfo(70, 50, 1, coded.variant))
    assert features.shape == codec.uncoded_features(pixels).shape
    assert np.isfinite(features).all()


def test_the_same_picture_gives_the_same_bytes(coding):
    pixels = picture(70, 50)
    assert coding.encode(pixels, 5) == coding.encode(pixels, 5)


def test_a_larger_picture_costs_machines_no_more(coding):
    small = picture(64, 64)
    large = np.kron(small, np.ones((4, 4, 1), np.uint8))
    few, many = coding.encode(small, 1).machine, coding.encode(large, 1).machine
    assert sum(map(len, many)) <= 1.1 * sum(map(len, few)) + 4


def test_a_codec_without_pixels_has_no_signal_layers(coding):
    codec, info = coding.codec, coding.info(40, 40, 5)
    layers = coding.encode(picture(40, 40), 5)
    assert codec.pixels == bool(codec.layer_count(info) > codec.machine_layers or layers.signal)
    if not codec.pixels:
        with pytest.raises(CorruptLayer, match="is a signal layer"):
            codec.features(replace(layers, signal=[[b""]]), info, 1)


def test_garbage_in_a_layer_is_a_picture_or_a_typed_error(coding):
    info = coding.info(40, 40, 5)
    layers = coding.encode(picture(40, 40), 5)
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
            outcomes.append(decoded(coding, replace(layers, machine=machine, signal=signal), info))
        except CorruptLayer:
            outcomes.append(CorruptLayer)
    assert set(outcomes) <= {(40, 40, 3), CorruptLayer}
    assert len(outcomes) == len(layers)


def test_a_variant_that_is_not_there_is_named(coding):
    with pytest.raises(ArgumentError, match=r"variant \(='best'\)"):
        coding.codec.encode(picture(16, 16), 5, "best")


def test_errors_name_the_value_and_the_way_out(coding):
    codec, info = coding.codec, coding.info(40, 40, 5)
    layers = coding.encode(picture(40, 40), 5)
    count = codec.layer_count(info)
    with pytest.raises(ArgumentError, match=rf"layer \(={count + 1}\) must lie between 1 and {count}"):
        codec.features(layers, info, count + 1)
    with pytest.raises(ArgumentError, match="no task is called 'colour'; this model has: coarse, fine"):
        codec.scores(layers, info, "colour")
    with pytest.raises(TruncatedStream, match="holds 0 whole layers, 1 are needed"):
        (codec.image if codec.pixels else codec.machine_features)(Layers([], [], info.variant), info)
