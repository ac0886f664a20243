"""The second index: lengths and checksums of all that follows it. Who reads machine layers only never reads it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from semapix.errors import ArgumentError, ChecksumMismatch, CorruptLayer
from semapix.stream._wire import Cursor, check, crc16, crc32, varint

ICC = 1
"""Kind of the metadata record that holds an ICC profile."""
EXIF = 2
"""Kind of the metadata record that holds an EXIF block."""

_NAMES = {ICC: "ICC", EXIF: "EXIF"}

SMALLEST_INDEX = 9
"""Bytes in the index of a file without signal layers and metadata; so many may be read before its length is known."""
BODY_LIMIT = 2**18
"""Most bytes in the body of an index: 29 thousand sub-layers at least, yet hostile numbers cost no memory."""


def metadata_name(kind: int) -> str:
    """What people call a kind of metadata record: "ICC", "EXIF", or "metadata 9" where this release knows no name."""
    return _NAMES.get(kind, f"metadata {kind}")


class Part(NamedTuple):
    """A piece of the file that has a checksum of its own: a sub-layer or a metadata record."""

    length: int
    checksum: int

    @classmethod
    def of(cls, data: bytes) -> Part:
        """The entry that describes `data`."""
        return cls(len(data), crc32(data))

    def pack(self) -> bytes:
        """The entry as it stands in the index."""
        return varint(self.length) + self.checksum.to_bytes(4, "little")

    @classmethod
    def unpack(cls, cursor: Cursor) -> Part:
        """Takes one entry off `cursor`, with its errors."""
        return cls(cursor.varint(), cursor.number(4))


@dataclass(frozen=True)
class SecondIndex:
    """What the second index says.

    Raises:
        ArgumentError: A signal layer has no sub-layers, or the metadata kinds are not 1 to 255, each once, ascending.
    """

    signal: tuple[tuple[Part, ...], ...]
    """For each signal layer its sub-layers, in the order of the file."""
    metadata: tuple[tuple[int, Part], ...]
    """For each metadata record its kind and itself, in the order of the file."""

    def __post_init__(self) -> None:
        if () in self.signal:
            raise ArgumentError(f"signal layer {self.signal.index(())} must have at least one sub-layer, not 0")
        kinds = [kind for kind, _ in self.metadata]
        if kinds != sorted(set(kinds)) or not set(kinds) <= set(range(1, 256)):
            raise ArgumentError(f"metadata kinds must be 1 to 255, each once, ascending, not {kinds}")

    def pack(self) -> bytes:
        """The index as it stands in the file. An index has one form only.

        Raises:
            ArgumentError: There are too many layers for an index, or one of them is too long.
        """
        body = b"".join(self._fields())
        if len(body) > BODY_LIMIT:
            raise ArgumentError(f"the index of these layers takes {len(body)} bytes; at most {BODY_LIMIT} are allowed")
        length = varint(len(body))
        fields = length + crc16(length).to_bytes(2, "little") + body
        return fields + crc32(fields).to_bytes(4, "little")

    def _fields(self) -> Iterable[bytes]:
        yield varint(len(self.signal))
        for layer in self.signal:
            yield varint(len(layer))
            yield from (part.pack() for part in layer)
        yield varint(len(self.metadata))
        yield from (bytes([kind]) + part.pack() for kind, part in self.metadata)

    @staticmethod
    def size(start: bytes, name: str) -> int:
        """Bytes in the whole index, its own length and checksum included, told by its first `SMALLEST_INDEX` bytes.

        Raises:
            ChecksumMismatch: The length was changed.
        """
        cursor = Cursor(start)
        try:
            body = cursor.varint()
        except ValueError as error:
            raise ChecksumMismatch(f"{name}: second index: {error}") from None
        length = start[: cursor.at]
        check(f"{name}: length of the second index", cursor.number(2), crc16(length), digits=4)
        if not 2 <= body <= BODY_LIMIT:
            raise ChecksumMismatch(f"{name}: second index: its body must be 2 to {BODY_LIMIT} bytes, not {body}")
        return cursor.at + body + 4

    @classmethod
    def unpack(cls, data: bytes, name: str) -> SecondIndex:
        """Reads an index from exactly its bytes, as many as `size` says.

        Raises:
            ChecksumMismatch: The index was changed.
            CorruptLayer: The checksum holds, but the index contradicts itself.
        """
        fields, stored = data[:-4], int.from_bytes(data[-4:], "little")
        check(f"{name}: second index", stored, crc32(fields), digits=8)
        cursor = Cursor(fields)
        try:
            cursor.varint(), cursor.number(2)  # the length and its checksum, which led here
            # The counts are only claims: entries are made as bytes are found for them, never ahead.
            signal = tuple(tuple(Part.unpack(cursor) for _ in range(cursor.varint())) for _ in range(cursor.varint()))
            metadata = tuple((cursor.number(1), Part.unpack(cursor)) for _ in range(cursor.varint()))
            index = cls(signal, metadata)
        except EOFError:
            raise CorruptLayer(f"{name}: second index: its {len(fields)} bytes end before its last entry") from None
        except ValueError as error:
            raise CorruptLayer(f"{name}: second index: {error}") from None
        if left := len(fields) - cursor.at:
            raise CorruptLayer(f"{name}: second index: {left} bytes are left over after its last entry")
        return index
