from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semapix.errors import ArgumentError, ChecksumMismatch, NotACodestream, TruncatedStream, UnsupportedVersion
from semapix.stream import HEADER_LIMIT, FrontHeader
from semapix.stream._wire import crc16, varint

HEADER = FrontHeader(1, 5, b"\xc0\xff\xee\x42", 640, 480, (3, 5))


@st.composite
def headers(draw: st.DrawFn) -> FrontHeader:
    width = draw(st.integers(0, 26).flatmap(lambda bits: st.integers(1, 2**bits)))
    return FrontHeader(
        codec=draw(st.integers(0, 15)),
        quality=draw(st.integers(0, 9)),
        fingerprint=draw(st.binary(min_size=4, max_size=4)),
        width=width,
        height=draw(st.integers(1, 2**26 // width)),
        machine_lengths=tuple(draw(st.lists(st.integers(0, 16383), max_size=2))),
        variant=draw(st.integers(0, 3)),
    )


def sealed(fields: bytes) -> bytes:
    """`fields` with a checksum that holds."""
    return fields + crc16(fields).to_bytes(2, "little")


@given(headers(), st.binary(max_size=30))
def test_round_trip_in_at_most_20_bytes(header: FrontHeader, behind: bytes) -> None:
    packed = header.pack()
    assert len(packed) <= HEADER_LIMIT == 20
    assert FrontHeader.unpack(packed + behind) == header


def test_no_header_is_longer_than_20_bytes() -> None:
    # Length depends on how many bytes each varint takes; the smallest picture of each pair of lengths decides.
    smallest_side = {size: 2 ** (7 * (size - 1)) + (size > 1) for size in (1, 2, 3, 4)}
    lengths = []
    for width in smallest_side.values():
        for height in smallest_side.values():
            if width * height <= 2**26:
                lengths.append(len(FrontHeader(15, 9, bytes(4), width, height, (16383, 16383)).pack()))
            else:
                with pytest.raises(ArgumentError, match=f"not {width}x{height}"):
                    FrontHeader(15, 9, bytes(4), width, height, ())
    assert (len(lengths), max(lengths)) == (10, 20)


@pytest.mark.parametrize("size", [(2**26, 1), (1, 2**26), (8192, 8192), (1, 1)])
def test_largest_and_smallest_pictures(size: tuple[int, int]) -> None:
    header = FrontHeader(0, 0, bytes(4), *size, ())
    assert FrontHeader.unpack(header.pack()) == header


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"codec": 16}, "codec must be 0 to 15, not 16"),
        ({"codec": -1}, "codec must be 0 to 15, not -1"),
        ({"quality": 10}, "quality must be 1 to 9, or 0 for none, not 10"),
        ({"fingerprint": b"abc"}, "fingerprint must be 4 bytes long, not 3"),
        ({"width": 0}, "width and height must be at least 1 and give at most 2\\^26 pixels, not 0x480"),
        ({"height": -3}, "not 640x-3"),
        ({"width": 2**20}, "not 1048576x480"),
        ({"variant": 4}, "variant must be 0 to 3, not 4"),
        ({"machine_lengths": (1, 2, 3)}, "at most 2 machine layers fit, not 3"),
        ({"machine_lengths": (5, 16384)}, "a machine layer must be 0 to 16383 bytes long, not 16384"),
    ],
)
def test_every_range(change: dict[str, Any], text: str) -> None:
    with pytest.raises(ArgumentError, match=text):
        replace(HEADER, **change)


def test_every_prefix_is_cut_off() -> None:
    packed = HEADER.pack()
    for length in range(len(packed)):
        with pytest.raises(TruncatedStream, match=rf"x\.spix: ends after {length} bytes, inside of its front header"):
            FrontHeader.unpack(packed[:length], "x.spix")


def test_every_changed_byte_is_found() -> None:
    packed = HEADER.pack()
    for at in range(len(packed)):
        for flip in range(1, 256):
            damaged = bytearray(packed + bytes(9))
            damaged[at] ^= flip
            with pytest.raises((NotACodestream, UnsupportedVersion, ChecksumMismatch, TruncatedStream)):
                FrontHeader.unpack(bytes(damaged))


@pytest.mark.parametrize(
    ("data", "error", "text"),
    [
        (b"\x89PNG", NotACodestream, "x: begins with 89 50 4e; a .spix file begins with d3 50 58"),
        (b"\xd3P\0", NotACodestream, "begins with d3 50 00"),
        (b"\xd3PX\x21", UnsupportedVersion, "x: has format version 2; this release reads version 1"),
        (b"\xd3PX\x11\x25" + bytes(4) + b"\x80\x00", NotACodestream, "x: front header: the number 0 is not in its sho"),
        (b"\xd3PX\x11\x25" + b"\xff" * 20, NotACodestream, "x: front header: a number is above 4294967295"),
        (
            b"\xd3PX\x11\x35" + bytes(4) + b"\xff\xff\xff\x7f" * 4,
            NotACodestream,
            "x: its front header goes beyond the 20 bytes allowed",
        ),
        (
            b"\xd3PX\x11\x05" + bytes(8),
            ChecksumMismatch,
            "x: front header was changed or damaged: its checksum is 0000",
        ),
        (sealed(b"\xd3PX\x11\x0a" + bytes(6)), NotACodestream, "x: front header: quality must be .* not 10"),
        (sealed(b"\xd3PX\x11\x35" + bytes(9)), NotACodestream, "x: front header: at most 2 machine layers fit, not 3"),
        (
            sealed(b"\xd3PX\x11\x35" + bytes(4) + b"\xff\xff\xff\x7f" * 2 + b"\xff\x7f" * 2)[:20],
            NotACodestream,
            "goes beyond the 20 bytes allowed",
        ),
        (sealed(b"\xd3PX\x11\x05" + bytes(4) + varint(2**26) + b"\0"), NotACodestream, "not 67108865x1"),
        (sealed(b"\xd3PX\x11\x15" + bytes(6) + varint(16384)), NotACodestream, "not 16384"),
    ],
)
def test_refusals_name_the_file_and_the_value(data: bytes, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        FrontHeader.unpack(data, "x")


@given(st.binary(max_size=40))
def test_garbage_is_refused(data: bytes) -> None:
    for start in (data, b"\xd3PX\x11" + data):
        with pytest.raises((NotACodestream, UnsupportedVersion, ChecksumMismatch, TruncatedStream)):
            FrontHeader.unpack(start)
