"""What the reference codecs of Pillow promise beyond being codecs."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from PIL import Image

from semapix.evaluation.reference import ReferenceFailure
from semapix.evaluation.reference.pillow import AVIF, AVIF_444, JPEG, JPEG_444, JPEG_2000, WEBP, PillowCodec
from tests.pictures import picture

ORIGINAL = picture(160, 120)


@pytest.mark.parametrize(("codec", "first"), [(JPEG, (2, 2)), (JPEG_444, (1, 1))])
def test_subsampling_of_jpeg(codec: PillowCodec, first: tuple[int, int]):
    with Image.open(io.BytesIO(codec.encode(ORIGINAL, 50))) as image:
        assert image.format == "JPEG"
        assert [layer[1:3] for layer in image.layer] == [first, (1, 1), (1, 1)]


@pytest.mark.parametrize(("codec", "flags"), [(AVIF, 0b1100), (AVIF_444, 0b0000)])
def test_subsampling_of_avif(codec: PillowCodec, flags: int):
    file = codec.encode(ORIGINAL, 50)
    configuration = file[file.index(b"av1C") + 4 :]
    assert configuration[2] & 0b1100 == flags  # chroma_subsampling_x, chroma_subsampling_y
    assert not configuration[2] & 0b1000000  # high_bitdepth


def test_jpeg_2000_is_a_bare_codestream_of_the_rate_asked_for():
    file = JPEG_2000.encode(ORIGINAL, 1.0)
    assert file[:4] == b"\xff\x4f\xff\x51"
    assert 0.85 < 8 * len(file) / (160 * 120) <= 1.01  # whole code blocks only, of a small picture


def test_jpeg_2000_has_the_colour_transform_and_the_9_7_wavelet():
    file = JPEG_2000.encode(ORIGINAL, 1.0)
    start = file.index(b"\xff\x52")  # COD: marker, length, style, progression, layers, transform of components, ...
    assert file[start + 8] == 1
    assert file[start + 13] == 0  # wavelet: 0 is 9/7, 1 is 5/3


def test_webp_is_lossy():
    assert WEBP.encode(ORIGINAL, 50)[12:16] == b"VP8 "


def test_a_failing_encoder():
    broken = replace(WEBP, options=lambda quality: {"quality": "much"})
    with pytest.raises(ReferenceFailure, match=r"^webp at quality 50 failed: .+"):
        broken.encode(ORIGINAL, 50)


def test_pillow_without_the_library(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("PIL.features.check", lambda feature: feature != "avif")
    assert AVIF.missing() == ("Pillow was built without avif; pip install --upgrade pillow brings a build that has it")
    assert JPEG.missing() is None


def test_a_file_of_another_format():
    with pytest.raises(ReferenceFailure, match=r"^webp cannot decode"):
        WEBP.decode(JPEG.encode(ORIGINAL, 50), ORIGINAL.shape)
