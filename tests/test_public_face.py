"""What `import semapix` gives: encode, open, look, models, and the stream in a user's hands."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import semapix
from semapix.bundle import Bundle
from semapix.errors import (
    ArgumentError,
    ChecksumMismatch,
    CorruptLayer,
    ImageError,
    OutputError,
    StreamError,
    TruncatedStream,
    UnknownModel,
)
from semapix.stream import write
from tests.pictures import picture

PUBLIC = ["Detection", "Detections", "Head", "Label", "Labels", "SemapixError", "Stream", "encode", "label_space"]
PUBLIC += ["look", "models", "open", "teach"]


@pytest.fixture(scope="module")
def stream(tiny_bundle) -> semapix.Stream:
    return semapix.encode(picture(90, 61), quality=6, model=tiny_bundle)


@pytest.fixture(scope="module")
def content(stream) -> bytes:
    return stream.to_bytes()


def test_public_names_are_frozen():
    assert semapix.__all__ == PUBLIC
    assert all(hasattr(semapix, name) for name in PUBLIC)


def test_an_open_file_can_be_looked_at_and_printed(stream, tiny_bundle):
    assert semapix.look(stream, "coarse", 1) == stream.look("coarse", 1)
    assert stream.size == (90, 61)
    assert repr(stream) == f"<Stream codestream: 90x61, {stream.bytes_total:,} bytes>"
    with pytest.raises(ArgumentError, match="an open codestream has one already"):
        semapix.look(stream, model=tiny_bundle)


def test_a_file_keeps_everything(stream, tiny_bundle, tmp_path):
    path = tmp_path / "a.spix"
    stream.save(path)
    again = semapix.open(path, model=tiny_bundle)
    assert again.header == stream.header
    assert (again.header.width, again.header.height, again.header.quality) == (90, 61, 6)
    assert again.look("coarse") == stream.look("coarse")
    assert np.array_equal(np.asarray(again.image()), np.asarray(stream.image()))
    assert again.bytes_total == path.stat().st_size == len(stream.to_bytes())


def test_looking_reads_the_machine_layers_only(content, tiny_bundle):
    ends = {layer.name: layer.end for layer in semapix.open(content, tiny_bundle).layers}
    for task, last in (("coarse", "s1"), ("fine", "s2")):
        opened = semapix.open(io.BytesIO(content), model=tiny_bundle)
        labels = opened.look(task, top=3)
        assert opened.bytes_read == max(20, ends[last])
        assert sum(label.probability for label in opened.look(task, top=4)) <= 1 + 1e-9
        assert [x.probability for x in labels] == sorted((x.probability for x in labels), reverse=True)


def test_flipped_bytes_are_never_a_picture(content, tiny_bundle):
    looked = 0
    for position in range(0, len(content), 5):
        damaged = bytearray(content)
        damaged[position] ^= 0x10
        with pytest.raises(StreamError, match=r"codestream: .+"):
            semapix.open(bytes(damaged), tiny_bundle).image()
        looked += 1
    assert looked == -(-len(content) // 5) > 50


def test_cutting_gives_a_prefix(stream, content, tiny_bundle, tmp_path):
    for layers in (1, 2, 3):
        path = tmp_path / f"{layers}.spix"
        stream.save(path, layers=layers)
        assert content.startswith(path.read_bytes())
        assert np.array_equal(
            np.asarray(semapix.open(path, tiny_bundle).image()), np.asarray(stream.image(layers=layers))
        )


def test_metadata_travels(tiny_bundle, tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "camera"
    exif[0x0112] = 6
    path = tmp_path / "a.jpg"
    Image.fromarray(picture(40, 30)).save(path, exif=exif)
    image = semapix.encode(path, model=tiny_bundle).image()
    assert image.size == (30, 40)
    assert image.getexif()[0x010F] == "camera"
    assert image.getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_every_mode_is_coded(mode, tiny_bundle):
    image = Image.fromarray(picture(20, 17))
    image = Image.fromarray(np.full((17, 20), 40000, np.uint16)) if mode == "I;16" else image.convert(mode)
    assert semapix.encode(image, model=tiny_bundle).image().size == (20, 17)


def test_more_quality_is_more_bytes(tiny_bundle):
    sizes = [len(semapix.encode(picture(200, 120), quality=q, model=tiny_bundle).to_bytes()) for q in (1, 5, 9)]
    assert sizes == sorted(set(sizes))


def test_installed_models_are_whole():
    installed = semapix.models()
    assert installed, "a release ships at least one model"
    for model in installed:
        bundle = Bundle(model["path"])
        assert model["bytes"] <= 8_000_000
        assert Path(model["path"]).with_suffix(".md").is_file(), "every shipped bundle has a model card"
        assert [task["name"] for task in model["tasks"]][:2] == ["coarse", "fine"]
        for name in bundle.graph_names:
            assert bundle.graph(name)
        json.dumps(model)


def test_errors_name_the_value_and_the_way_out(content, tiny_bundle, tmp_path):
    pixels = picture(16, 16)
    with pytest.raises(ArgumentError, match=r"quality \(=10\) must lie between 1 .* and 9"):
        semapix.encode(pixels, quality=10)
    with pytest.raises(ArgumentError, match=r"no codec is called 'jpeg'; there are: .*scalable"):
        semapix.encode(pixels, codec="jpeg")
    with pytest.raises(UnknownModel, match="no model is called 'best'; installed: "):
        semapix.encode(pixels, model="best")
    with pytest.raises(ArgumentError, match=r"uint8 .* not float64 \(16, 16, 3\)"):
        semapix.encode(pixels.astype(float), model=tiny_bundle)
    with pytest.raises(ImageError, match="not an image"):
        semapix.encode(b"text", model=tiny_bundle)
    with pytest.raises(UnknownModel, match=r"the file was made with model .* which is not installed"):
        semapix.open(content).look()
    with pytest.raises(ArgumentError, match=r"layers \(=99\) must lie between 1 and"):
        semapix.open(content, tiny_bundle).image(99)
    with pytest.raises(ArgumentError, match=r"top \(=0\) must be 1 or more"):
        semapix.open(content, tiny_bundle).look(top=0)
    with pytest.raises(TruncatedStream, match="ends after"):
        semapix.open(content[:30], tiny_bundle).look()
    (tmp_path / "there").write_bytes(b"")
    with pytest.raises(OutputError, match="exists"):
        semapix.open(content).save(tmp_path / "there")


def test_a_header_that_contradicts_the_codec_is_refused(stream, tiny_bundle):
    layers = [stream._reader.machine_layer(i) for i in range(2)]
    fields = {
        "codec": 1,
        "quality": 5,
        "fingerprint": stream.header.fingerprint,
        "width": 16,
        "height": 16,
        "machine": layers,
        "signal": [[b""], [b""]],
    }
    semapix.open(write(**fields), tiny_bundle).image()
    wrong = {
        "says codec 7, its model is for codec 1": {"codec": 7},
        "says quality 0, which must lie between 1 and 9": {"quality": 0},
        "has 1 machine layers, codec scalable has 2": {"machine": layers[:1]},
        "says 70000x16 pixels; a side has 65535 at most": {"width": 70_000},
        "has 5 layers, a picture of this size has 4": {"signal": [[b""]] * 3},
        "layer s3 has 2 sub-layers": {"signal": [[b"", b""]]},
    }
    for text, change in wrong.items():
        with pytest.raises(CorruptLayer, match=text):
            semapix.open(write(**{**fields, **change}), tiny_bundle).image()


def test_a_damaged_index_leaves_the_machine_layers_alone(content, tiny_bundle):
    ends = [layer.end for layer in semapix.open(content).layers]
    damaged = bytearray(content)
    damaged[ends[1] + 6] ^= 1
    stream = semapix.open(bytes(damaged), tiny_bundle)
    assert stream.image(2).size == (90, 61)
    assert stream.to_bytes(2) == content[: ends[1]]
    with pytest.raises(ChecksumMismatch, match="second index"):
        stream.image()
