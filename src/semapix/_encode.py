"""A picture to a codestream, at a quality or within a number of bytes."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index

import numpy as np

from semapix._stream import ModelLike, Stream, choose_model
from semapix.bundle import FINGERPRINT_BYTES, Bundle
from semapix.codecs import CODECS, QUALITIES, Codec, Layers, open_codec
from semapix.errors import ArgumentError
from semapix.imaging import ImageLike, Picture, load
from semapix.stream import EXIF, ICC, Reader, write

__all__ = ["QUALITY", "encode"]

QUALITY = 5
"""The quality when none is asked for."""

_STRIP = 256  # rows that are compared at once


def encode(
    image: ImageLike,
    codec: str | None = None,
    quality: int | None = None,
    model: ModelLike | None = None,
    *,
    max_bytes: int | None = None,
    variant: str | None = None,
    labels: Sequence[str] | None = None,
) -> Stream:
    """Code a picture.

    `image`: a path, a Pillow image, encoded bytes, or a uint8 array (H, W, 3). `quality`: 1 to 9, by default 5; the
    shipped model takes about 0.1 bits per pixel of the Kodak pictures at 1, 0.5 at 5, 1.6 at 9. `model`: name or path
    of a bundle; by default the one that ships for the codec. `codec`: by default the model's, `scalable` without one.

    `max_bytes`: in place of a quality, the most bytes that the file may have. Two files are made, the one of the
    highest quality that fits and the one of the next quality, cut to `max_bytes`; they are decoded, and the one with
    the smaller squared error is kept. It may be shorter than `max_bytes`. Sizes must rise with quality; that takes
    about five times as long as one quality does. The ICC profile is kept if there is room left for it, and so is the
    EXIF block. A codec without pixels keeps the highest quality that fits, and no ICC profile.

    `variant`: of codec `deepsic`, `pre` (labels are decided while encoding; the default) or `post` (from the file's
    features). `labels`: for `pre`, labels of your own in place of the model's, 1 to 5 names of its classes or groups.

    Raises ImageError for what is no picture; UnknownModel; ArgumentError for a quality or codec out of range, for a
    quality beside `max_bytes`, and when the first cut point of the file lies behind `max_bytes`.
    """
    bundle = choose_model(codec, model)
    if max_bytes is not None:
        if quality is not None:
            raise ArgumentError(
                f"quality (={quality}) and max_bytes (={max_bytes}) exclude each other; give one of them"
            )
        return _encode_within(load(image), bundle, index(max_bytes), variant, labels)
    quality = QUALITY if quality is None else index(quality)
    if quality not in range(1, QUALITIES + 1):
        raise ArgumentError(f"quality (={quality}) must lie between 1 (smallest file) and {QUALITIES} (best picture)")
    picture = load(image)
    system = open_codec(bundle)
    layers = system.encode(picture.pixels, quality, variant, labels)
    return _stream(picture, bundle, quality, layers, _metadata(picture, system))


def _encode_within(
    picture: Picture, bundle: Bundle, max_bytes: int, variant: str | None, labels: Sequence[str] | None
) -> Stream:
    """The better one of two files of at most `max_bytes` bytes: a whole one, and one of the next quality, cut."""
    codec = open_codec(bundle)
    fits, exceeds = 0, QUALITIES + 1  # the highest quality known to fit, the lowest known not to
    coded: dict[int, Layers] = {}
    files: dict[int, Stream] = {}
    while exceeds - fits > 1:
        quality = (fits + exceeds) // 2
        coded[quality] = codec.encode(picture.pixels, quality, variant, labels)
        files[quality] = _stream(picture, bundle, quality, coded[quality], {})
        if files[quality].bytes_total <= max_bytes:
            fits = quality
        else:
            exceeds = quality
    candidates = [files[fits]] if fits else []
    if exceeds in files and (codec.pixels or not fits):  # without a picture, a cut file lacks what machines read
        candidates.append(Stream(Reader(files[exceeds].to_bytes(max_bytes=max_bytes)), bundle))
    best = candidates[0] if len(candidates) == 1 else min(candidates, key=lambda file: _squared_error(file, picture))
    if not best.complete:
        return best
    kept: dict[int, bytes] = {}
    for kind, data in _metadata(picture, codec).items():
        larger = _stream(picture, bundle, fits, coded[fits], {**kept, kind: data})
        if larger.bytes_total <= max_bytes:
            best, kept[kind] = larger, data
    return best


def _squared_error(file: Stream, picture: Picture) -> int:
    """The sum of the squared differences between the picture that a file decodes to and the one that was coded."""
    decoded, total = np.asarray(file.image()), 0
    for top in range(0, len(decoded), _STRIP):
        difference = decoded[top : top + _STRIP].astype(np.int32) - picture.pixels[top : top + _STRIP]
        total += int(np.sum(difference**2, dtype=np.int64))
    return total


def _metadata(picture: Picture, codec: Codec) -> dict[int, bytes]:
    """The records to write, in the order of the file: none of what describes pixels that are not there."""
    icc = picture.icc if codec.pixels else None
    return {kind: data for kind, data in ((ICC, icc), (EXIF, picture.exif)) if data}


def _stream(picture: Picture, bundle: Bundle, quality: int, layers: Layers, metadata: dict[int, bytes]) -> Stream:
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
