from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semapix.errors import ArgumentError, ChecksumMismatch, CorruptLayer
from semapix.stream._index import BODY_LIMIT, SMALLEST_INDEX, Part, SecondIndex
from semapix.stream._wire import crc16, crc32, varint

parts = st.builds(Part, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
indexes = st.builds(
    SecondIndex,
    st.lists(st.lists(parts, min_size=1, max_size=4).map(tuple), max_size=4).map(tuple),
    st.dictionaries(st.integers(1, 255), parts, max_size=3).map(lambda records: tuple(sorted(records.items()))),
)
HUGE = varint(2**32 - 1)


def length_field(length: bytes) -> bytes:
    """A length with its checksum."""
    return length + crc16(length).to_bytes(2, "little")


def sealed(body: bytes) -> bytes:
    """An index of any body, with a length and a checksum that hold."""
    fields = length_field(varint(len(body))) + body
    return fields + crc32(fields).to_bytes(4, "little")


@given(indexes)
def test_round_trip(index: SecondIndex) -> None:
    packed = index.pack()
    assert SecondIndex.unpack(packed, "x") == index
    assert SecondIndex.size(packed[:SMALLEST_INDEX], "x") == len(packed) >= SMALLEST_INDEX


def test_smallest() -> None:
    packed = SecondIndex((), ()).pack()
    assert packed == sealed(b"\0\0")
    assert len(packed) == SMALLEST_INDEX


def test_part_of() -> None:
    assert Part.of(b"123456789") == Part(9, 0xCBF43926)


@pytest.mark.parametrize(
    ("kinds", "text"),
    [((2, 1), r"\[2, 1\]"), ((1, 1), r"\[1, 1\]"), ((0,), r"\[0\]"), ((256,), r"\[256\]")],
)
def test_metadata_kinds(kinds: tuple[int, ...], text: str) -> None:
    with pytest.raises(ArgumentError, match=f"metadata kinds must be 1 to 255, each once, ascending, not {text}"):
        SecondIndex((), tuple((kind, Part(0, 0)) for kind in kinds))


def test_a_signal_layer_has_a_sublayer() -> None:
    with pytest.raises(ArgumentError, match="signal layer 1 must have at least one sub-layer, not 0"):
        SecondIndex(((Part(0, 0),), ()), ())


def test_too_many_sublayers() -> None:
    index = SecondIndex(((Part(0, 0),) * (BODY_LIMIT // 5 + 1),), ())
    with pytest.raises(ArgumentError, match="the index of these layers takes 262150 bytes; at most 262144 are allowed"):
        index.pack()


@pytest.mark.parametrize(
    ("start", "text"),
    [
        (length_field(HUGE) + b"\0\0", "x: second index: its body must be 2 to 262144 bytes, not 4294967295"),
        (length_field(varint(BODY_LIMIT + 1)) + bytes(4), "not 262145"),
        (length_field(b"\x01") + bytes(6), "not 1"),
        (b"\x02" + bytes(8), "x: length of the second index was changed"),
        (b"\x82\0" + bytes(5), "x: second index: the number 2 is not in its shortest form"),
        (b"\xff" * 7, "x: second index: a number is above 4294967295"),
    ],
)
def test_lengths_that_cannot_be(start: bytes, text: str) -> None:
    with pytest.raises(ChecksumMismatch, match=text):
        SecondIndex.size(start, "x")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (HUGE + b"\0", "x: second index: its 9 bytes end before its last entry"),
        (b"\x01" + HUGE, "its 9 bytes end before its last entry"),
        (b"\0" + HUGE, "its 9 bytes end before its last entry"),
        (b"\0\x01\x01" + HUGE, "its 11 bytes end before its last entry"),
        (b"\x01\0\0", "signal layer 0 must have at least one sub-layer, not 0"),
        (b"\0\x01\0\0" + bytes(4), r"metadata kinds must be .*, not \[0\]"),
        (b"\0\x02" + (b"\x01\0" + bytes(4)) * 2, r"metadata kinds must be .*, not \[1, 1\]"),
        (b"\x80\0\0", "the number 0 is not in its shortest form"),
        (b"\x01\x01" + b"\xff" * 9, "a number is above 4294967295"),
        (b"\0\0abc", "3 bytes are left over after its last entry"),
    ],
)
def test_contradictions_under_a_good_checksum(body: bytes, text: str) -> None:
    with pytest.raises(CorruptLayer, match=text):
        SecondIndex.unpack(sealed(body), "x")


@given(st.binary(min_size=2, max_size=60))
def test_garbage_under_a_good_checksum(body: bytes) -> None:
    try:
        index = SecondIndex.unpack(sealed(body), "x")
    except CorruptLayer:
        return
    assert index.pack() == sealed(body)


@pytest.mark.parametrize("body", [HUGE + b"\x01" * 999, b"\x01" + HUGE + bytes(999), b"\0" + HUGE + bytes(range(256))])
def test_claims_cost_no_memory(body: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(CorruptLayer, match="x: "):
        SecondIndex.unpack(sealed(body), "x")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**18
