from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semapix.errors import ArgumentError, ChecksumMismatch
from semapix.stream._wire import Cursor, check, crc16, crc32, varint


@pytest.mark.parametrize(
    ("value", "packed"),
    [(0, "00"), (127, "7f"), (128, "80 01"), (300, "ac 02"), (16383, "ff 7f"), (2**32 - 1, "ff ff ff ff 0f")],
)
def test_varint_examples(value: int, packed: str) -> None:
    assert varint(value) == bytes.fromhex(packed)
    assert Cursor(bytes.fromhex(packed)).varint() == value


@given(st.integers(0, 2**32 - 1), st.binary(max_size=3))
def test_varint_round_trip_stops_at_its_end(value: int, behind: bytes) -> None:
    packed = varint(value)
    cursor = Cursor(packed + behind)
    assert cursor.varint() == value
    assert cursor.at == len(packed) == max(1, -(-value.bit_length() // 7))


@given(st.binary(min_size=1, max_size=6))
def test_varint_has_one_form_only(data: bytes) -> None:
    cursor = Cursor(data)
    try:
        value = cursor.varint()
    except (EOFError, ValueError):
        return
    assert varint(value) == data[: cursor.at]


@pytest.mark.parametrize("packed", ["80 00", "ff 00", "ac 82 00", "80 80 80 80 00"])
def test_longer_form_is_refused(packed: str) -> None:
    with pytest.raises(ValueError, match=r"the number \d+ is not in its shortest form"):
        Cursor(bytes.fromhex(packed)).varint()


@pytest.mark.parametrize("packed", ["80 80 80 80 10", "ff ff ff ff 7f", "80 80 80 80 80 00", "ff ff ff ff ff ff"])
def test_too_large_a_number_is_refused(packed: str) -> None:
    with pytest.raises(ValueError, match="a number is above 4294967295"):
        Cursor(bytes.fromhex(packed)).varint()


@pytest.mark.parametrize("packed", ["", "80", "ff ff ff ff"])
def test_varint_that_is_cut_off(packed: str) -> None:
    with pytest.raises(EOFError):
        Cursor(bytes.fromhex(packed)).varint()


@pytest.mark.parametrize("value", [-1, 2**32])
def test_varint_range(value: int) -> None:
    with pytest.raises(ArgumentError, match=f"must be 0 to 4294967295, not {value}"):
        varint(value)


def test_checksums_of_the_usual_check_string() -> None:
    assert (crc16(b"123456789"), crc16(b"")) == (0x29B1, 0xFFFF)
    assert (crc32(b"123456789"), crc32(b"")) == (0xCBF43926, 0)


def test_check_names_both_numbers() -> None:
    check("x.spix: layer s1", 0x0ABC, 0x0ABC, digits=4)
    with pytest.raises(
        ChecksumMismatch, match=r"x\.spix: layer s1 was changed or damaged: its checksum is 0abc, its bytes give 0001"
    ):
        check("x.spix: layer s1", 0x0ABC, 1, digits=4)
