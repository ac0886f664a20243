"""How many bytes of a file are coded picture, and not container around it.

What each function counts is what a decoder needs beside the size and kind of the picture, as near as the container
lets one tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from semapix.evaluation.reference.base import ReferenceFailure

__all__ = ["heif_payload", "jpeg_2000_payload", "jpeg_payload", "jpeg_xl_payload", "webp_payload"]

_SOI, _EOI, _SOS, _COM = 0xD8, 0xD9, 0xDA, 0xFE
_APP = range(0xE0, 0xF0)
_RESTARTS = range(0xD0, 0xD8)


class _Bytes:
    """Reads big-endian numbers from bytes, one after the other, and says so when they end."""

    def __init__(self, data: bytes, what: str) -> None:
        self._data, self._at, self._what = data, 0, what

    @property
    def at(self) -> int:
        return self._at

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise ReferenceFailure(f"{self._what} ends too early: {count} bytes wanted at {self._at}, {self.left} left")
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "big")


def jpeg_payload(data: bytes) -> int:
    """Bytes of a JPEG file up to its end marker, without APPn and COM segments.

    Raises ReferenceFailure when it is none, or broken.
    """
    reader = _Bytes(data, "the JPEG file")
    if reader.take(2) != bytes([0xFF, _SOI]):
        raise ReferenceFailure(f"no JPEG file: it begins with {data[:2].hex()}, not ffd8")
    around = 0
    while True:
        start, prefix, marker = reader.at, reader.number(1), reader.number(1)
        if prefix != 0xFF:
            raise ReferenceFailure(f"the JPEG file has no marker at {start}, but {prefix:02x}{marker:02x}")
        while marker == 0xFF:  # a marker may stand behind any number of these
            marker = reader.number(1)
        if marker == _EOI:
            return reader.at - around
        length = reader.number(2)
        if length < 2:
            raise ReferenceFailure(f"the JPEG file has a segment of length {length} at {start}")
        reader.take(length - 2)
        if marker in _APP or marker == _COM:
            around += 2 + length
        if marker == _SOS:
            _skip_scan(data, reader)


def _skip_scan(data: bytes, reader: _Bytes) -> None:
    """Go on to the marker that ends a scan: the first one that is neither a stuffed byte nor a restart."""
    at = reader.at
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            raise ReferenceFailure("the JPEG file ends within a scan")
        if data[at + 1] != 0 and data[at + 1] not in _RESTARTS:
            break
        at += 2
    reader.take(at - reader.at)


def webp_payload(data: bytes) -> int:
    """Bytes in the VP8, VP8L and ALPH chunks of a WebP file. Raises ReferenceFailure when it is none or broken."""
    reader = _Bytes(data, "the WebP file")
    head = reader.take(12)
    if head[:4] != b"RIFF" or head[8:] != b"WEBP":
        raise ReferenceFailure(f"no WebP file: it begins with {head.hex()}")
    coded = 0
    while reader.left:
        name = reader.take(4)
        length = int.from_bytes(reader.take(4), "little")
        reader.take(length)
        if length % 2 and reader.left:
            reader.take(1)  # chunks begin at even places
        if name in (b"VP8 ", b"VP8L", b"ALPH"):
            coded += length
    return _some(coded, "the WebP file has no VP8, VP8L or ALPH chunk")


def jpeg_2000_payload(data: bytes) -> int:
    """Bytes of the codestream: the `jp2c` boxes of a JP2 file, or all of a bare codestream.

    Raises ReferenceFailure when it is neither, or broken.
    """
    if data.startswith(b"\xff\x4f\xff\x51"):
        return len(data)
    if data[4:8] != b"jP  ":
        raise ReferenceFailure(f"no JPEG 2000 file: it begins with {data[:12].hex()}")
    coded = sum(len(box.content) for box in _boxes(data, "the JP2 file") if box.name == b"jp2c")
    return _some(coded, "the JP2 file has no codestream (box jp2c)")


def jpeg_xl_payload(data: bytes) -> int:
    """Bytes of the codestream: `jxlc` or `jxlp` boxes (without the numbers of the parts), or all when it is bare.

    Raises ReferenceFailure when it is neither, or broken.
    """
    if data.startswith(b"\xff\x0a"):
        return len(data)
    if data[4:8] != b"JXL ":
        raise ReferenceFailure(f"no JPEG XL file: it begins with {data[:12].hex()}")
    coded = 0
    for box in _boxes(data, "the JPEG XL file"):
        if box.name == b"jxlc":
            coded += len(box.content)
        elif box.name == b"jxlp":
            coded += max(len(box.content) - 4, 0)
    return _some(coded, "the JPEG XL file has no codestream (box jxlc or jxlp)")


def heif_payload(data: bytes) -> int:
    """Bytes of all items of an AVIF or HEIC file: the sum of the extents in its `iloc` box.

    The decoder's configuration (`av1C`, `hvcC`) is not counted, although a HEIC file keeps its parameter sets there,
    about 80 bytes; in an AVIF file the sequence header stands in the item, too. Raises ReferenceFailure when it is no
    such file or broken.
    """
    if data[4:8] != b"ftyp":
        raise ReferenceFailure(f"no AVIF or HEIC file: it begins with {data[:12].hex()}")
    what = "the AVIF or HEIC file"
    for box in _boxes(data, what):
        if box.name != b"meta":
            continue
        for inner in _boxes(box.content[4:], f"the meta box of {what}"):
            if inner.name == b"iloc":
                return _some(_length_of_items(inner.content, len(data)), f"{what} has no bytes in its items")
    raise ReferenceFailure(f"{what} does not say where its items are (box iloc in box meta)")


def _length_of_items(content: bytes, file_length: int) -> int:
    """The sum of the lengths of all extents of an `iloc` box: ISO/IEC 14496-12, 8.11.3."""
    reader = _Bytes(content, "the iloc box")
    version = reader.number(4) >> 24
    if version > 2:
        raise ReferenceFailure(f"the iloc box has version {version}; 0 to 2 are known")
    sizes = reader.number(2)
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version else 0
    total = 0
    for _ in range(reader.number(4 if version == 2 else 2)):
        reader.take(4 if version == 2 else 2)  # the item's number
        reader.take((2 if version else 0) + 2 + base_size)  # how it is stored, which file holds it, where it begins
        for _ in range(reader.number(2)):
            reader.take(index_size + offset_size)
            total += reader.number(length_size)
    if total > file_length:
        raise ReferenceFailure(f"the iloc box tells of {total} bytes in a file of {file_length}")
    return total


class _Box(NamedTuple):
    name: bytes
    content: bytes


def _boxes(data: bytes, what: str) -> Iterator[_Box]:
    """The boxes that bytes consist of: ISO/IEC 14496-12, 4.2."""
    reader = _Bytes(data, what)
    while reader.left:
        start, size, name = reader.at, reader.number(4), reader.take(4)
        if size == 1:
            size = reader.number(8)
        head = reader.at - start
        if size == 0:  # up to the end
            size = head + reader.left
        if size < head:
            raise ReferenceFailure(f"{what} has a box of length {size} at {start}")
        yield _Box(name, reader.take(size - head))


def _some(count: int, otherwise: str) -> int:
    if not count:
        raise ReferenceFailure(otherwise)
    return count
