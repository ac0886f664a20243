"""The front header: all that must be known before the machine layers can be read."""

from __future__ import annotations

from dataclasses import dataclass

from semapix.errors import ArgumentError, NotACodestream, TruncatedStream, UnsupportedVersion
from semapix.stream._wire import Cursor, check, crc16, varint

MAGIC = b"\xd3PX"
VERSION = 1

PIXEL_LIMIT = 2**26
MACHINE_LAYER_LIMIT = 2
VARIANT_LIMIT = 3
MACHINE_PAYLOAD_LIMIT = 2**14 - 1  # the largest two-byte varint

HEADER_LIMIT = 20
"""No front header is longer, in bytes: 9 fixed ones, 5 for width and height, 2 for each machine layer, 2 of checksum.

Width and height take 5 together because a varint of n bytes means a side of 2^(7(n - 1)) pixels or more, and there are
at most 2^26.
"""


@dataclass(frozen=True)
class FrontHeader:
    """What the front header says.

    Raises:
        ArgumentError: A field is outside of its range.
    """

    codec: int
    """Number of the codec, 0 to 15."""
    quality: int
    """1 to 9, or 0 where the codec knows no quality."""
    fingerprint: bytes
    """The first 4 bytes of the bundle's fingerprint."""
    width: int
    """Pixels from left to right, at least 1; width times height is at most 2^26."""
    height: int
    """Pixels from top to bottom, at least 1."""
    machine_lengths: tuple[int, ...]
    """Bytes in the payload of each machine layer, its checksum not counted: at most 2 layers of 0 to 16383."""
    variant: int = 0
    """Which of the codec's variants made the file, 0 to 3; 0 where there is one only."""

    def __post_init__(self) -> None:
        if not 0 <= self.codec <= 15:
            raise ArgumentError(f"codec must be 0 to 15, not {self.codec}")
        if not 0 <= self.quality <= 9:
            raise ArgumentError(f"quality must be 1 to 9, or 0 for none, not {self.quality}")
        if not 0 <= self.variant <= VARIANT_LIMIT:
            raise ArgumentError(f"variant must be 0 to {VARIANT_LIMIT}, not {self.variant}")
        if len(self.fingerprint) != 4:
            raise ArgumentError(f"fingerprint must be 4 bytes long, not {len(self.fingerprint)}")
        if self.width < 1 or self.height < 1 or self.width * self.height > PIXEL_LIMIT:
            size = f"{self.width}x{self.height}"
            raise ArgumentError(f"width and height must be at least 1 and give at most 2^26 pixels, not {size}")
        if len(self.machine_lengths) > MACHINE_LAYER_LIMIT:
            raise ArgumentError(f"at most {MACHINE_LAYER_LIMIT} machine layers fit, not {len(self.machine_lengths)}")
        for length in self.machine_lengths:
            if not 0 <= length <= MACHINE_PAYLOAD_LIMIT:
                raise ArgumentError(f"a machine layer must be 0 to {MACHINE_PAYLOAD_LIMIT} bytes long, not {length}")

    def pack(self) -> bytes:
        """The header as it stands in the file, at most `HEADER_LIMIT` bytes. A header has one form only."""
        fields = b"".join(
            [
                MAGIC,
                bytes([VERSION << 4 | self.codec, self.variant << 6 | len(self.machine_lengths) << 4 | self.quality]),
                self.fingerprint,
                *map(varint, (self.width - 1, self.height - 1, *self.machine_lengths)),
            ]
        )
        return fields + crc16(fields).to_bytes(2, "little")

    @classmethod
    def unpack(cls, data: bytes, name: str = "codestream") -> FrontHeader:
        """Reads the header that `data` begins with; looks at the first `HEADER_LIMIT` bytes at most.

        Args:
            data: The beginning of a file.
            name: What errors call the file.

        Raises:
            NotACodestream: `data` begins otherwise, or the header breaks a rule of the format.
            UnsupportedVersion: The header is of another version.
            TruncatedStream: `data` ends inside of the header.
            ChecksumMismatch: The header was changed.
        """
        data = data[:HEADER_LIMIT]
        if not MAGIC.startswith(data[:3]):
            raise NotACodestream(f"{name}: begins with {data[:3].hex(' ')}; a .spix file begins with {MAGIC.hex(' ')}")
        cursor = Cursor(data, at=3)
        try:
            version, codec = divmod(cursor.number(1), 16)
            if version != VERSION:
                raise UnsupportedVersion(f"{name}: has format version {version}; this release reads version {VERSION}")
            flags, quality = divmod(cursor.number(1), 16)
            variant, layers = divmod(flags, 4)
            fingerprint = cursor.take(4)
            width, height = cursor.varint() + 1, cursor.varint() + 1
            lengths = tuple(cursor.varint() for _ in range(layers))
            computed = crc16(data[: cursor.at])
            stored = cursor.number(2)
        except EOFError:
            if len(data) < HEADER_LIMIT:
                raise TruncatedStream(f"{name}: ends after {len(data)} bytes, inside of its front header") from None
            raise NotACodestream(f"{name}: its front header goes beyond the {HEADER_LIMIT} bytes allowed") from None
        except ValueError as error:
            raise NotACodestream(f"{name}: front header: {error}") from None
        check(f"{name}: front header", stored, computed, digits=4)
        try:
            return cls(codec, quality, fingerprint, width, height, lengths, variant)
        except ArgumentError as error:
            raise NotACodestream(f"{name}: front header: {error}") from None
