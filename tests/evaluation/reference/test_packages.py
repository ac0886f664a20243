"""HEIC and JPEG XL, whose packages may be missing."""

from __future__ import annotations

import sys

import pytest

from semapix.evaluation.reference import ReferenceFailure
from semapix.evaluation.reference.heif import HEIC, HEIC_444, Heic
from semapix.evaluation.reference.jxl import JPEG_XL
from tests.pictures import picture

ORIGINAL = picture(64, 48)


@pytest.mark.parametrize(("codec", "chroma_format"), [(HEIC, 1), (HEIC_444, 3)])
def test_subsampling_of_heic(codec: Heic, chroma_format: int):
    file = codec.encode(ORIGINAL, 50)
    configuration = file[file.index(b"hvcC") + 4 :]
    assert configuration[16] & 3 == chroma_format
    assert configuration[17] & 7 == 0  # 8 bits of luma


def test_jpeg_xl_is_a_bare_codestream():
    assert JPEG_XL.encode(ORIGINAL, 2.5)[:2] == b"\xff\x0a"


@pytest.mark.parametrize(
    ("codec", "module", "package"),
    [(HEIC, "pillow_heif", "pillow-heif"), (JPEG_XL, "imagecodecs", "imagecodecs")],
)
def test_no_package(codec, module: str, package: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, module, None)
    line = f"{package} is not installed; pip install {package} (or 'semapix[eval]' for all of them)"
    assert codec.missing() == line
    with pytest.raises(ReferenceFailure) as raised:
        codec.encode(ORIGINAL, 10)
    assert str(raised.value) == f"{codec.name} cannot run: {line}"


@pytest.mark.parametrize(
    ("codec", "function", "setting"),
    [(HEIC, "pillow_heif.from_bytes", "quality 10"), (JPEG_XL, "imagecodecs.jpegxl_encode", "distance 10")],
)
def test_a_failing_encoder(codec, function: str, setting: str, monkeypatch: pytest.MonkeyPatch):
    def fail(*args: object, **options: object) -> None:
        raise RuntimeError("out of paper\nand more")

    monkeypatch.setattr(function, fail)
    with pytest.raises(ReferenceFailure, match=f"^{codec.name} at {setting} failed: out of paper$"):
        codec.encode(ORIGINAL, 10)


def test_an_encoder_that_writes_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("imagecodecs.jpegxl_encode", lambda *args, **options: b"")
    with pytest.raises(ReferenceFailure, match=r"^jxl at distance 10 failed: the file is empty$"):
        JPEG_XL.encode(ORIGINAL, 10)


def test_an_error_without_words(monkeypatch: pytest.MonkeyPatch):
    def fail(*args: object, **options: object) -> None:
        raise ValueError

    monkeypatch.setattr("imagecodecs.jpegxl_decode", fail)
    with pytest.raises(ReferenceFailure, match=r"^jxl cannot decode 2 bytes: ValueError$"):
        JPEG_XL.decode(b"\xff\x0a", (4, 4))
