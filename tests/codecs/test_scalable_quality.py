"""Qualities between two whole ones: files of codec scalable that state them, and how they fill a number of bytes."""

from dataclasses import replace
from importlib import resources

import numpy as np
import pytest
from PIL import Image

import semapix
from semapix.bundle import find
from semapix.codecs import Layers, PictureInfo, open_codec
from semapix.errors import CorruptLayer


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    path = resources.files("semapix") / "assets" / "lighthouse.png"
    with path.open("rb") as file:
        return np.asarray(Image.open(file).convert("RGB"))[100:324, 200:488]


def layers_of(stream: semapix.Stream) -> tuple[Layers, PictureInfo]:
    header = stream.header
    return stream._fetch(len(stream.layers)), PictureInfo(header.width, header.height, header.quality, header.variant)


def error_of(stream: semapix.Stream, pixels: np.ndarray) -> float:
    return float(((np.asarray(stream.image()).astype(float) - pixels) ** 2).mean())


@pytest.mark.parametrize("side", [48, 224])  # the core alone, and with an outer scale
def test_bytes_and_errors_run_smoothly_from_one_quality_to_the_next(photo, side):
    pixels = photo[:side, :side]
    files = [semapix.encode(pixels, quality=quality) for quality in (6, 6.25, 6.5, 6.75, 7)]
    assert [file.quality for file in files] == [6, 6.25, 6.5, 6.75, 7]
    assert [file.header.quality for file in files] == [6, 6, 6, 6, 7]
    assert [file.header.variant for file in files] == [0, 1, 1, 1, 0]
    sizes, errors = [file.bytes_total for file in files], [error_of(file, pixels) for file in files]
    assert sizes == sorted(set(sizes))
    assert all(np.diff(errors) < 0.02 * errors[0])  # a core has few values, and errors of them are rough
    assert errors[-1] < errors[2] < errors[0]
    middle = (np.log(sizes[0]) + np.log(sizes[-1])) / 2
    assert abs(np.log(sizes[2]) - middle) < 0.25 * (middle - np.log(sizes[0]))


def test_steps_are_the_first_byte_of_s3(photo):
    layers, info = layers_of(semapix.encode(photo, quality=5.5))
    assert layers.signal[0][0][0] == 128
    codec = open_codec(find("scalable"))
    assert codec.quality(layers, info) == 5.5
    assert codec.quality(replace(layers, signal=[]), info) == 5
    assert codec.quality(layers, replace(info, variant=0)) == 5
    assert codec.features(layers, info, 3).shape == codec.features(layers, info, 3).shape
    whole, its_info = layers_of(semapix.encode(photo, quality=5))
    assert len(layers.signal[0][0]) >= len(whole.signal[0][0])
    for number in range(1, len(layers) + 1):
        assert codec.features(layers, info, number).shape == codec.features(whole, its_info, number).shape


def test_labels_do_not_depend_on_the_quality(photo):
    whole, between = (semapix.encode(photo, quality=quality) for quality in (4, 4.7))
    assert [between.layers[n].length for n in (0, 1)] == [whole.layers[n].length for n in (0, 1)]
    assert between.look() == whole.look()


def test_every_cut_of_such_a_file_decodes(photo):
    stream = semapix.encode(photo, quality=2.3)
    errors = []
    for point in stream.cut_points:
        cut = semapix.open(stream.to_bytes(max_bytes=point.bytes))
        assert cut.quality == (stream.quality if point.bytes > stream.layers[1].end else 2)
        errors.append(error_of(cut, photo))
    assert errors[-1] == min(errors) < errors[3] / 2


@pytest.mark.parametrize("start", [b"", b"\0"])
def test_a_file_without_steps_that_says_it_has_some_is_damaged(photo, start):
    layers, info = layers_of(semapix.encode(photo, quality=2.3))
    rest = layers.signal[0][0][1:] if start else b""
    damaged = replace(layers, signal=[[start + rest], *layers.signal[1:]])
    codec = open_codec(find("scalable"))
    for ask in (codec.quality, codec.image):
        with pytest.raises(CorruptLayer, match="layer s3 does not begin with the steps of a quality, 1 to 255 above"):
            ask(damaged, info)
    with pytest.raises(CorruptLayer, match="steps of a quality, 1 to 255 above 1 to 8"):
        codec.image(layers, replace(info, quality=9))


@pytest.mark.parametrize("bpp", [0.5, 0.83, 1.3])
def test_a_rate_is_filled(photo, bpp):
    stream = semapix.encode(photo, bpp=bpp)
    budget = int(bpp * photo[:, :, 0].size / 8)
    assert stream.complete
    assert 0.99 * budget <= stream.bytes_total <= budget
    assert stream.header.quality == int(stream.quality)
    whole = [semapix.encode(photo, quality=quality) for quality in range(1, 10)]
    fitting = [file for file in whole if file.bytes_total <= budget]
    cut = semapix.open(whole[len(fitting)].to_bytes(max_bytes=budget))
    assert error_of(stream, photo) < min(error_of(fitting[-1], photo), error_of(cut, photo))


def test_what_is_too_much_for_the_lowest_quality_is_cut_short(photo):
    lowest = semapix.encode(photo, quality=1)
    stream = semapix.encode(photo, max_bytes=int(0.8 * lowest.bytes_total))
    assert stream.bytes_total <= 0.8 * lowest.bytes_total
    assert not stream.complete


def test_the_largest_file_serves_bytes_that_none_fills(photo):
    best = semapix.encode(photo, quality=9)
    assert semapix.encode(photo, max_bytes=4 * best.bytes_total).bytes_total == best.bytes_total
    most = r"bpp \(=20\) must be \S+ or less: this picture takes no more at the highest quality; a number of bytes"
    with pytest.raises(semapix.errors.ArgumentError, match=most):
        semapix.encode(photo, bpp=20)
