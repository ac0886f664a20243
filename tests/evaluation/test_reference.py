"""Reference codecs: real files, in the form that the records say."""

import io

import pytest
from PIL import Image

from semapix.errors import ArgumentError
from semapix.evaluation.metrics import psnr
from semapix.evaluation.reference import decode, jpeg, jpeg_2000
from tests.pictures import picture

ORIGINAL = picture(160, 120)


@pytest.mark.parametrize(("encode", "settings"), [(jpeg, (10, 50, 90)), (jpeg_2000, (0.3, 1.0, 3.0))])
def test_more_bytes_are_better(encode, settings):
    files = [encode(ORIGINAL, setting) for setting in settings]
    figures = [psnr(decode(file), ORIGINAL) for file in files]
    assert sorted(map(len, files)) == [len(file) for file in files]
    assert sorted(figures) == figures
    assert figures[-1] > 30


def test_jpeg_is_4_2_0():
    file = jpeg(ORIGINAL, 50)
    with Image.open(io.BytesIO(file)) as image:
        assert image.format == "JPEG"
        assert [layer[1:3] for layer in image.layer] == [(2, 2), (1, 1), (1, 1)]


def test_jpeg_2000_is_a_bare_codestream_of_the_rate_asked_for():
    file = jpeg_2000(ORIGINAL, 1.0)
    assert file[:4] == b"\xff\x4f\xff\x51"
    assert 0.85 < 8 * len(file) / (160 * 120) <= 1.01  # whole code blocks only, of a small picture


def test_jpeg_2000_has_the_colour_transform_and_the_9_7_wavelet():
    file = jpeg_2000(ORIGINAL, 1.0)
    start = file.index(b"\xff\x52")  # COD: marker, length, style, progression, layers, transform of components, ...
    assert file[start + 8] == 1
    assert file[start + 13] == 0  # wavelet: 0 is 9/7, 1 is 5/3


def test_settings_out_of_range():
    with pytest.raises(ArgumentError, match=r"quality \(=96\) must lie between 1 and 95"):
        jpeg(ORIGINAL, 96)
    with pytest.raises(ArgumentError, match=r"bpp \(=0\) must be above 0 and at most 24"):
        jpeg_2000(ORIGINAL, 0)
