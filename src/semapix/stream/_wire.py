"""Numbers and checksums as they stand in the file. All fixed-size numbers are little-endian."""

from __future__ import annotations

import binascii

from semapix.errors import ArgumentError, ChecksumMismatch

VARINT_LIMIT = 2**32
"""Every varint is below this, hence at most 5 bytes long."""


def varint(value: int) -> bytes:
    """Packs `value` (0 to 2^32 - 1) as LEB128: 7 bits a byte, lowest first, the top bit set on all bytes but the last.

    `0 -> 00`, `127 -> 7f`, `128 -> 80 01`, `300 -> ac 02`.

    Raises:
        ArgumentError: `value` is outside of the range.
    """
    if not 0 <= value < VARINT_LIMIT:
        raise ArgumentError(f"a number in a .spix file must be 0 to {VARINT_LIMIT - 1}, not {value}")
    packed = bytearray()
    while value >= 0x80:
        packed.append(value & 0x7F | 0x80)
        value >>= 7
    packed.append(value)
    return bytes(packed)


def crc16(data: bytes) -> int:
    """CRC-16/CCITT-FALSE: polynomial 0x1021, start 0xFFFF, not reflected. `b"123456789" -> 0x29b1`."""
    return binascii.crc_hqx(data, 0xFFFF)


def crc32(data: bytes) -> int:
    """CRC-32 of zlib, gzip and PNG. `b"123456789" -> 0xcbf43926`."""
    return binascii.crc32(data)


def check(what: str, stored: int, computed: int, digits: int) -> None:
    """Raises ChecksumMismatch, with both numbers in hexadecimal, unless `what` has the checksum it should have."""
    if stored != computed:
        raise ChecksumMismatch(
            f"{what} was changed or damaged: its checksum is {stored:0{digits}x}, its bytes give {computed:0{digits}x}"
        )


class Cursor:
    """Takes numbers off `data`, one after the other, from position `at` on.

    Its methods raise EOFError where `data` ends too early; the caller knows what was being read, and says so.
    """

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        taken = self.data[self.at : self.at + count]
        if len(taken) < count:
            raise EOFError
        self.at += count
        return taken

    def number(self, count: int) -> int:
        """The next `count` bytes as one little-endian number."""
        return int.from_bytes(self.take(count), "little")

    def varint(self) -> int:
        """The next varint. Raises ValueError for one that `varint` would not have written."""
        value = 0
        for shift in range(0, 35, 7):
            byte = self.number(1)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
        if byte >= 0x80 or value >= VARINT_LIMIT:
            raise ValueError(f"a number is above {VARINT_LIMIT - 1}")
        if byte == 0 and shift > 0:
            raise ValueError(f"the number {value} is not in its shortest form")
        return value
