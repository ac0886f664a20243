"""Puts a file together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from semapix.errors import ArgumentError
from semapix.stream._header import FrontHeader
from semapix.stream._index import EXIF, ICC, Part, SecondIndex
from semapix.stream._wire import crc16


def write(
    *,
    codec: int,
    quality: int,
    fingerprint: bytes,
    width: int,
    height: int,
    machine: Sequence[bytes],
    signal: Sequence[Sequence[bytes]] = (),
    metadata: Mapping[int, bytes] | None = None,
    variant: int = 0,
) -> bytes:
    """Makes the bytes of a .spix file. Equal arguments make equal bytes.

    Args:
        codec: Number of the codec, 0 to 15.
        quality: 1 to 9, or 0 where the codec knows no quality.
        fingerprint: The first 4 bytes of the bundle's fingerprint.
        width: Pixels from left to right, at least 1; width times height is at most 2^26.
        height: Pixels from top to bottom, at least 1.
        machine: The payloads of the machine layers: at most 2, of at most 16383 bytes.
        signal: For each signal layer the payloads of its sub-layers, at least one.
        variant: Which of the codec's variants made the layers, 0 to 3.
        metadata: The ICC profile under `ICC` and the EXIF block under `EXIF`, as far as there are any.

    Raises:
        ArgumentError: An argument is outside of its range.
    """
    records = sorted((metadata or {}).items())
    for kind, _ in records:
        if kind not in (ICC, EXIF):
            raise ArgumentError(f"metadata kinds are {ICC} (ICC) and {EXIF} (EXIF), not {kind}")
    header = FrontHeader(codec, quality, fingerprint, width, height, tuple(map(len, machine)), variant)
    index = SecondIndex(
        signal=tuple(tuple(map(Part.of, sublayers)) for sublayers in signal),
        metadata=tuple((kind, Part.of(record)) for kind, record in records),
    )
    return b"".join(
        [
            header.pack(),
            *(payload + crc16(payload).to_bytes(2, "little") for payload in machine),
            index.pack(),
            *(sublayer for sublayers in signal for sublayer in sublayers),
            *(record for _, record in records),
        ]
    )
