"""Layers of a picture, and what came with it, as a codestream."""

from __future__ import annotations

from semapix._stream import Stream
from semapix.bundle import FINGERPRINT_BYTES, Bundle
from semapix.codecs import CODECS, Layers
from semapix.imaging import Picture
from semapix.stream import EXIF, ICC, Reader, write

__all__ = ["metadata_of", "small_metadata", "written", "written_within"]


def metadata_of(picture: Picture, bundle: Bundle) -> dict[int, bytes]:
    """The records to write, in the order of the file: none of what describes pixels that are not there."""
    icc = picture.icc if CODECS[bundle.codec].pixels else None
    return {kind: data for kind, data in ((ICC, icc), (EXIF, picture.exif)) if data}


def small_metadata(picture: Picture, bundle: Bundle, most: int) -> dict[int, bytes]:
    """Those of the records to write that take at most `most` bytes, each with those before it."""
    kept: dict[int, bytes] = {}
    for kind, data in metadata_of(picture, bundle).items():
        if sum(map(len, (*kept.values(), data))) <= most:
            kept[kind] = data
    return kept


def written(picture: Picture, bundle: Bundle, quality: int, layers: Layers, metadata: dict[int, bytes]) -> Stream:
    """The whole file of a picture; `quality`: 1 to 9, for its front header."""
    height, width = picture.pixels.shape[:2]
    content = write(
        codec=CODECS[bundle.codec].number,
        quality=quality,
        fingerprint=bundle.fingerprint[:FINGERPRINT_BYTES],
        width=width,
        height=height,
        machine=layers.machine,
        signal=layers.signal,
        metadata=metadata,
        variant=layers.variant,
    )
    return Stream(Reader(content), bundle)


def written_within(
    picture: Picture, bundle: Bundle, quality: int, layers: Layers, max_bytes: int, metadata: dict[int, bytes]
) -> Stream:
    """The file with `metadata`, which fits into `max_bytes`, and those other records for which there is room."""
    kept = metadata
    best = written(picture, bundle, quality, layers, kept)
    for kind, data in metadata_of(picture, bundle).items():
        wanted = dict(sorted({**kept, kind: data}.items()))
        if kind not in kept and (larger := written(picture, bundle, quality, layers, wanted)).bytes_total <= max_bytes:
            best, kept = larger, wanted
    return best
