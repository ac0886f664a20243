"""Files cut anywhere: of a codec with many sub-layers, and of every real one as it is."""

import numpy as np
import pytest
from PIL import Image

import semapix
from semapix.errors import ArgumentError, ChecksumMismatch, CorruptLayer, StreamError, TruncatedStream
from semapix.stream import write
from tests.pictures import picture
from tests.planes import SUBLAYERS


@pytest.fixture(params=["planes", "scalable"])
def model(request, tiny_bundle):
    return tiny_bundle if request.param == "scalable" else request.getfixturevalue("planes_bundle")


@pytest.fixture
def stream(model) -> semapix.Stream:
    image = Image.fromarray(picture(20, 12) if "planes" in model.name else picture(90, 61))
    image.info["exif"] = Image.Exif().tobytes()
    codec = "planes" if "planes" in model.name else "scalable"
    return semapix.encode(image, codec, 8, model)


def test_cut_points_end_layers_sublayers_and_the_file(stream):
    content, points = stream.to_bytes(), stream.cut_points
    ends = [point.bytes for point in points]
    assert ends == sorted(set(ends))
    assert ends[-1] == len(content)
    assert {layer.end for layer in stream.layers} <= set(ends)
    assert sum(len(layer.sublayers) for layer in stream.layers) >= len(points) - 1
    assert points[0] == stream.layers[0].cut_points[0]
    assert points[-1].name == "EXIF"


def test_sublayers_have_names(planes_bundle):
    stream = semapix.encode(picture(20, 12), "planes", 9, planes_bundle)
    numbered = [f"s{layer}.{n}" for layer, count in enumerate(SUBLAYERS, start=3) for n in range(1, count + 1)]
    assert [point.name for point in stream.cut_points] == ["s1", "s2", *numbered]


def test_a_file_cut_anywhere_decodes_as_at_the_last_cut_point(stream, model):
    content, points = stream.to_bytes(), stream.cut_points
    pictures = {}
    for point in points:
        prefix = semapix.open(content[: point.bytes], model)
        assert prefix.cut_points[-1] == point
        pictures[point] = np.asarray(prefix.image())
    looked = 0
    for length in range(len(content) + 1):
        there = [point for point in points if point.bytes <= length]
        if not there:
            with pytest.raises(StreamError, match="ends"):
                semapix.open(content[:length], model).image()
            looked += 1
            continue
        prefix = semapix.open(content[:length], model)
        assert prefix.cut_points == there
        assert stream.to_bytes(max_bytes=length) == content[: there[-1].bytes]
        if "planes" in model.name or length in (there[-1].bytes + 1, len(content) - 1):
            assert np.array_equal(np.asarray(prefix.image()), pictures[there[-1]])
            looked += 1
    assert looked > len(points)
    assert np.array_equal(pictures[points[-1]], np.asarray(stream.image()))


def test_whole_layers_are_what_layers_asks_for(stream, model):
    content = stream.to_bytes()
    for number, layer in enumerate(stream.layers, start=1):
        prefix = semapix.open(content[: layer.end], model)
        assert np.array_equal(np.asarray(prefix.image(number)), np.asarray(stream.image(number)))
        assert np.array_equal(np.asarray(prefix.image()), np.asarray(stream.image(number)))
        assert stream.to_bytes(number) == content[: layer.end]
        assert len(stream.to_bytes(max_bytes=layer.end)) == layer.end
    assert number >= 4


def test_each_sublayer_of_a_cut_layer_counts(planes_bundle):
    pixels = picture(20, 12)
    whole = semapix.encode(pixels, "planes", 9, planes_bundle)
    content, errors = whole.to_bytes(), []
    for point in whole.cut_points:
        decoded = np.asarray(semapix.open(content[: point.bytes], planes_bundle).image())
        errors.append(int(((decoded.astype(int) - pixels) ** 2).sum()))
    assert len(set(errors)) == len(errors) > sum(SUBLAYERS)
    assert errors[-1] == 0


def test_layers_asks_for_whole_layers_only(planes_bundle):
    whole = semapix.encode(picture(20, 12), "planes", 9, planes_bundle)
    cut = semapix.open(whole.to_bytes(max_bytes=whole.layers[3].end - 1), planes_bundle)
    assert cut.cut_points[-1].name == "s4.8"
    assert np.array_equal(np.asarray(cut.image(3)), np.asarray(whole.image(3)))
    assert not np.array_equal(np.asarray(cut.image()), np.asarray(whole.image(3)))
    for ask in (cut.image, cut.to_bytes):
        with pytest.raises(TruncatedStream, match=f"before the end of .* at byte {whole.layers[3].end}"):
            ask(4)


def test_a_saved_prefix_is_the_prefix(stream, model, tmp_path):
    point = stream.cut_points[2]
    stream.save(tmp_path / "a.spix", max_bytes=point.bytes + 1)
    assert (tmp_path / "a.spix").read_bytes() == stream.to_bytes()[: point.bytes]
    again = semapix.open(tmp_path / "a.spix", model)
    assert again.to_bytes(max_bytes=10**9) == again.to_bytes()
    assert not again.complete


def test_a_damaged_sublayer_is_named(planes_bundle):
    stream = semapix.encode(picture(20, 12), "planes", 9, planes_bundle)
    content, points = stream.to_bytes(), {point.name: point.bytes for point in stream.cut_points}
    damaged = bytearray(content)
    damaged[points["s4.5"] - 1] ^= 1
    opened = semapix.open(bytes(damaged), planes_bundle)
    text = "codestream: layer s4, sub-layer 5 of 9 was changed or damaged: its checksum is "
    cut = semapix.open(bytes(damaged[: points["s4.6"]]), planes_bundle)
    for ask in (opened.image, cut.image, lambda: opened.to_bytes(4), lambda: opened.to_bytes(max_bytes=len(content))):
        with pytest.raises(ChecksumMismatch, match=text):
            ask()
    assert opened.to_bytes(max_bytes=points["s4.5"] - 1) == content[: points["s4.4"]]
    semapix.open(bytes(damaged[: points["s4.5"] - 1]), planes_bundle).image()


def test_damaged_metadata_is_not_kept(stream):
    content, (*_, last, end) = bytearray(stream.to_bytes()), stream.cut_points
    content[-1] ^= 1
    damaged = semapix.open(bytes(content))
    with pytest.raises(ChecksumMismatch, match="metadata record 2 was changed or damaged"):
        damaged.to_bytes(max_bytes=end.bytes)
    assert damaged.to_bytes(max_bytes=end.bytes - 1) == content[: last.bytes]


def test_errors_name_the_value_and_the_way_out(stream, model):
    first = stream.cut_points[0].bytes
    with pytest.raises(ArgumentError, match=rf"max_bytes \(={first - 1}\) must be {first} or more: s1 ends there"):
        stream.to_bytes(max_bytes=first - 1)
    with pytest.raises(ArgumentError, match=r"max_bytes \(=-1\) must be"):
        stream.to_bytes(max_bytes=-1)
    with pytest.raises(
        ArgumentError, match=r"layers \(=2\) and max_bytes \(=99\) exclude each other; give one of them"
    ):
        stream.to_bytes(2, max_bytes=99)
    with pytest.raises(TypeError):
        stream.to_bytes(max_bytes=99.5)
    empty = semapix.open(stream.to_bytes()[: first - 1], model)
    assert empty.cut_points == []
    for ask in (empty.image, lambda: empty.to_bytes(max_bytes=10_000)):
        with pytest.raises(TruncatedStream, match="ends before its first layer does"):
            ask()


def test_sublayers_missing_before_the_last_layer_are_no_prefix(planes_bundle):
    stream = semapix.encode(picture(20, 12), "planes", 9, planes_bundle)
    machine, signal = ([stream._reader.machine_layer(i) for i in range(2)], [[b""] * 2, [b""] * 9])
    header = stream.header
    fields = {"codec": header.codec, "quality": 1, "fingerprint": header.fingerprint, "width": 20, "height": 12}
    with pytest.raises(CorruptLayer, match="layer s3 has 2 sub-layers, not 3"):
        semapix.open(write(**fields, machine=machine, signal=signal), planes_bundle).image()
    semapix.open(write(**fields, machine=machine, signal=signal[:1]), planes_bundle).image()
