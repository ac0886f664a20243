"""Payloads of containers made by hand, and of broken ones."""

from __future__ import annotations

import struct

import pytest

from semapix.evaluation.reference import ReferenceFailure
from semapix.evaluation.reference.payload import (
    heif_payload,
    jpeg_2000_payload,
    jpeg_payload,
    jpeg_xl_payload,
    webp_payload,
)


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, 2 + len(content)) + content


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def webp(*chunks: bytes) -> bytes:
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def iloc(version: int, items: list[list[int]], *, base: int = 0) -> bytes:
    """An iloc box whose items have extents of the given lengths; offsets and lengths of 4 bytes each."""
    number = ">I" if version == 2 else ">H"
    content = struct.pack(">IBB", version << 24, 0x44, base << 4) + struct.pack(number, len(items))
    for index, extents in enumerate(items):
        content += struct.pack(number, index) + bytes(2 if version else 0) + bytes(2 + base)
        content += struct.pack(">H", len(extents)) + b"".join(struct.pack(">II", 0, length) for length in extents)
    return box(b"iloc", content)


def heif(*inner: bytes, data: int = 100) -> bytes:
    return box(b"ftyp", b"avif") + box(b"meta", bytes(4) + b"".join(inner)) + box(b"mdat", bytes(data))


START, END = b"\xff\xd8", b"\xff\xd9"
SCAN = segment(0xDA, b"header") + b"coded\xff\x00\xff\xd0coded"
JPEG = START + segment(0xDB, b"table") + SCAN + SCAN + END


def test_jpeg():
    around = segment(0xE0, b"JFIF") + segment(0xFE, b"a comment") + segment(0xE1, b"Exif")
    assert jpeg_payload(JPEG) == len(JPEG)
    assert jpeg_payload(START + around + JPEG[2:]) == len(JPEG)
    assert jpeg_payload(JPEG + b"something behind") == len(JPEG)
    assert jpeg_payload(JPEG[:-2] + b"\xff" + END) == len(JPEG) + 1  # filled up before the marker


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the JPEG file ends too early: 2 bytes wanted at 0, 0 left"),
        (b"GIF89a", "no JPEG file: it begins with 4749, not ffd8"),
        (START + b"ab", "the JPEG file has no marker at 2, but 6162"),
        (START + b"\xff\xe0\0\1", "the JPEG file has a segment of length 1 at 2"),
        (START + b"\xff\xe0\0\x09abc", "the JPEG file ends too early: 7 bytes wanted at 6, 3 left"),
        (JPEG[:-2], "the JPEG file ends within a scan"),
        (JPEG[:-1], "the JPEG file ends within a scan"),
        (START, "the JPEG file ends too early: 1 bytes wanted at 2, 0 left"),
    ],
)
def test_broken_jpeg(data: bytes, message: str):
    with pytest.raises(ReferenceFailure, match=f"^{message}$"):
        jpeg_payload(data)


def test_webp():
    assert webp_payload(webp(chunk(b"VP8 ", bytes(11)))) == 11
    extended = [chunk(b"VP8X", bytes(10)), chunk(b"ICCP", bytes(5)), chunk(b"ALPH", bytes(7)), chunk(b"VP8 ", bytes(4))]
    assert webp_payload(webp(*extended)) == 11
    assert webp_payload(webp(chunk(b"VP8L", bytes(3)))[:-1]) == 3  # without the byte that fills up the last chunk


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"RIFF", "the WebP file ends too early: 12 bytes wanted at 0, 4 left"),
        (b"RIFF\0\0\0\0WAVE", "no WebP file: it begins with 524946460000000057415645"),
        (webp(), "the WebP file has no VP8, VP8L or ALPH chunk"),
        (webp(chunk(b"VP8 ", bytes(10)))[:-1], "the WebP file ends too early: 10 bytes wanted at 20, 9 left"),
    ],
)
def test_broken_webp(data: bytes, message: str):
    with pytest.raises(ReferenceFailure, match=f"^{message}$"):
        webp_payload(data)


SIGNATURE = box(b"jP  ", b"\r\n\x87\n")


def test_jpeg_2000():
    assert jpeg_2000_payload(b"\xff\x4f\xff\x51" + bytes(20)) == 24
    assert jpeg_2000_payload(SIGNATURE + box(b"jp2h", bytes(30)) + box(b"jp2c", bytes(17))) == 17
    assert jpeg_2000_payload(SIGNATURE + struct.pack(">I4s", 0, b"jp2c") + bytes(19)) == 19  # up to the end
    assert jpeg_2000_payload(SIGNATURE + struct.pack(">I4sQ", 1, b"jp2c", 16 + 5) + bytes(5)) == 5  # a long length


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xff\xd8\xff\xe0", "no JPEG 2000 file: it begins with ffd8ffe0"),
        (SIGNATURE, r"the JP2 file has no codestream \(box jp2c\)"),
        (SIGNATURE + struct.pack(">I4s", 7, b"jp2c"), "the JP2 file has a box of length 7 at 12"),
        (SIGNATURE + struct.pack(">I4s", 20, b"jp2c"), "the JP2 file ends too early: 12 bytes wanted at 20, 0 left"),
        (SIGNATURE + b"\0\0", "the JP2 file ends too early: 4 bytes wanted at 12, 2 left"),
    ],
)
def test_broken_jpeg_2000(data: bytes, message: str):
    with pytest.raises(ReferenceFailure, match=f"^{message}$"):
        jpeg_2000_payload(data)


XL = box(b"JXL ", b"\r\n\x87\n") + box(b"ftyp", b"jxl ")


def test_jpeg_xl():
    assert jpeg_xl_payload(b"\xff\x0a" + bytes(20)) == 22
    assert jpeg_xl_payload(XL + box(b"jxlc", bytes(17)) + box(b"Exif", bytes(40))) == 17
    assert jpeg_xl_payload(XL + box(b"jxlp", bytes(4 + 9)) + box(b"jxlp", bytes(4 + 6))) == 15


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xff\xd8", "no JPEG XL file: it begins with ffd8"),
        (XL, r"the JPEG XL file has no codestream \(box jxlc or jxlp\)"),
        (XL + box(b"jxlp", b"\0"), r"the JPEG XL file has no codestream \(box jxlc or jxlp\)"),
    ],
)
def test_broken_jpeg_xl(data: bytes, message: str):
    with pytest.raises(ReferenceFailure, match=f"^{message}$"):
        jpeg_xl_payload(data)


@pytest.mark.parametrize("version", [0, 1, 2])
def test_heif(version: int):
    assert heif_payload(heif(box(b"pitm", bytes(6)), iloc(version, [[40]]))) == 40
    assert heif_payload(heif(iloc(version, [[20, 30], [7]], base=4))) == 57


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xff\xd8", "no AVIF or HEIC file: it begins with ffd8"),
        (heif(), r"the AVIF or HEIC file does not say where its items are \(box iloc in box meta\)"),
        (heif(iloc(3, [[1]])), "the iloc box has version 3; 0 to 2 are known"),
        (heif(iloc(0, [[5000]])), "the iloc box tells of 5000 bytes in a file of [0-9]+"),
        (heif(iloc(0, [[0]])), "the AVIF or HEIC file has no bytes in its items"),
        (heif(box(b"iloc", bytes(4) + b"\x44\0\0\1")), "the iloc box ends too early: 2 bytes wanted at 8, 0 left"),
        (heif(b"\0\0\0\x20iloc"), "the meta box of the AVIF or HEIC file ends too early: 24 bytes wanted at 8, 0 left"),
    ],
)
def test_broken_heif(data: bytes, message: str):
    with pytest.raises(ReferenceFailure, match=f"^{message}$"):
        heif_payload(data)
