"""A picture to a codestream, at a quality or within a number of bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from numbers import Real
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semapix._budget import MOST_BPP, Budget
from semapix._stream import ModelLike, Stream, choose_model
from semapix._within import best_within, filled
from semapix._write import metadata_of, written
from semapix.bundle import Bundle
from semapix.codecs import QUALITIES, Codec, ContinuousCodec, Region, Steering, open_codec
from semapix.errors import ArgumentError
from semapix.imaging import ImageLike, Picture, load
from semapix.stream import metadata_name

__all__ = ["QUALITY", "check_rate", "encode"]

QUALITY = 5
"""The quality when none is asked for."""


def encode(
    image: ImageLike,
    codec: str | None = None,
    quality: float | None = None,
    model: ModelLike | None = None,
    *,
    max_bytes: int | None = None,
    bpp: float | None = None,
    variant: str | None = None,
    labels: Sequence[str] | None = None,
    strategy: str | None = None,
    quality_map: ImageLike | NDArray[Any] | None = None,
    regions: Iterable[tuple[int, int, int, int]] = (),
    exif: bool = True,
) -> Stream:
    """Code a picture.

    `image`: a path, a Pillow image, encoded bytes, or a uint8 array (H, W, 3). `quality`: 1 to 9, by default 5, whole
    or, for codecs `scalable` and `adaptive`, anything between; of the Kodak pictures the shipped `scalable` takes about
    0.1 bits per pixel at 1, 0.5 at 5, 1.4 at 9, `adaptive` 0.1, 0.3 and 0.8. `model`: name or path of a bundle; by
    default the one that ships for the codec. `codec`: by default the model's, `scalable` without one.

    `max_bytes`: in place of a quality, the most bytes that the file may have. Codecs `scalable` and `adaptive` fill
    them, mostly within 1 % from below: they code the picture at the largest size that fits (full, half, and for
    `scalable` a quarter, which it also tries where the picture is soft), by a quality found in at most four passes of
    the networks of `adaptive`, and mostly four, at most twelve, of those of `scalable`. Below that
    `scalable` cuts the file of the smallest size short: that of quality 1, that of the highest quality that gets as
    far, or of the highest that gets all but as far, whichever has the smallest squared error. Of other codecs two files
    are made, the one of the highest quality that fits and the one of the next quality, cut, and the better one is kept;
    sizes must rise with quality. A codec without pixels keeps the highest quality of which all layers fit, or else the
    highest of which the first one does, and no ICC profile. ICC profile and EXIF block are kept if there is room left
    for them, and named in `left_out` of what is returned if not; of codecs that fill `max_bytes` a tenth of it is
    theirs, as far as they fit into that.

    `bpp`: the same in bits for each pixel of the picture; of codecs that fill it a rate, which a picture may not have.

    Codec `adaptive` spreads bits as it is told: `strategy`, `blended` (what is meaningful, then what is simple; the
    default), `semantic`, `complexity`, `simplicity` or `uniform`; or `quality_map`, a map of your own, a grey picture
    of the same size or an array (H, W) of uint8 or of floats 0 to 1, which alone says the quality itself and with a
    rate or quality the importance; and `regions`, boxes (x, y, width, height) in pixels that matter most.

    `variant`: of codec `deepsic`, `pre` (labels are decided while encoding; the default) or `post` (from the file's
    features); of codecs `scalable` and `adaptive`, `full`, `half` or, of `scalable`, `quarter`, the size at which the
    picture is coded, by default `full` but for a rate that it cannot take, and for soft pictures. `labels`: for `pre`
    and `adaptive`, what is in the picture, in place of what the model sees: 1 to 5 names of its classes or groups.
    `exif`: False leaves the EXIF block out, which may tell where and when the picture was made.

    Raises MissingFile; ImageError for what is no picture; UnknownModel; ArgumentError for a quality, rate or codec out
    of range (with the rates that the picture takes; between the two sizes of `adaptive` a drawing may take none), for
    more than one of quality, `max_bytes` and `bpp`, when the first cut point of the file lies behind `max_bytes`, for a
    map of another size, a region outside of the picture, and steering of a codec that spreads bits evenly.
    """
    bundle = choose_model(codec, model)
    check_rate(quality, max_bytes, bpp)
    picture = load(image)
    if not exif:
        picture = replace(picture, exif=None)
    opened = open_codec(bundle)
    own = None if quality_map is None else _map(quality_map)
    steering = Steering(strategy, own, tuple(_region(region) for region in regions))
    budget = None if max_bytes is None else Budget(index(max_bytes))
    if bpp is not None:
        budget = Budget.of_rate(bpp, picture.pixels[:, :, 0].size)
    if steering.asked and not opened.strategies:
        raise ArgumentError(
            f"codec {opened.name} spreads bits evenly; for strategies, maps and regions choose codec adaptive"
        )
    if not isinstance(opened, ContinuousCodec):
        if budget is not None:
            return _told(best_within(picture, bundle, budget, variant, labels), picture, bundle)
        quality = QUALITY if quality is None else _whole(quality, opened)
        layers = opened.encode(picture.pixels, quality, variant, labels)
        return written(picture, bundle, quality, layers, metadata_of(picture, bundle))
    opened.variant(variant)
    analyse = opened.prepare(picture.pixels, steering, labels)
    if budget is not None:
        return _told(filled(picture, bundle, opened, analyse, budget, variant), picture, bundle)
    as_it_is = own is not None and quality is None
    mean = None if as_it_is else ((QUALITY if quality is None else quality) - 1) / (QUALITIES - 1)
    found = analyse(mean, variant)
    return written(picture, bundle, found.quality, found.code(0.0), metadata_of(picture, bundle))


def _told(stream: Stream, picture: Picture, bundle: Bundle) -> Stream:
    """A file with the names of the records that it lacks."""
    kept = stream._reader.metadata
    stream.left_out = tuple(metadata_name(kind) for kind in metadata_of(picture, bundle) if kind not in kept)
    return stream


def check_rate(quality: float | None, max_bytes: int | None, bpp: float | None) -> None:
    """Raises ArgumentError for a quality or rate out of range, and for more than one of them; TypeError for others."""
    for name, value in (("quality", quality), ("bpp", bpp)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, Real)):
            raise TypeError(f"{name} (={value!r}) must be a number")
    given = {"quality": quality, "max_bytes": max_bytes, "bpp": bpp}
    stated = [f"{name} (={value})" for name, value in given.items() if value is not None]
    if len(stated) > 1:
        raise ArgumentError(f"{' and '.join(stated)} exclude each other; give one of them")
    if bpp is not None and not 0 < bpp <= MOST_BPP:
        raise ArgumentError(f"bpp (={bpp}) must be above 0, and at most {MOST_BPP}")
    if quality is not None and not 1 <= quality <= QUALITIES:
        raise ArgumentError(f"quality (={quality}) must lie between 1 (smallest file) and {QUALITIES} (best picture)")


def _whole(quality: float, codec: Codec) -> int:
    if quality != int(quality):
        raise ArgumentError(
            f"quality (={quality}) must be a whole number for codec {codec.name}; scalable and adaptive take any"
        )
    return int(quality)


def _map(source: ImageLike | NDArray[Any]) -> NDArray[Any]:
    """A caller's map: an array of one value a pixel as it is, any picture as grey."""
    if isinstance(source, np.ndarray) and source.ndim == 2:
        return source
    grey: NDArray[np.uint8] = np.asarray(Image.fromarray(load(source).pixels).convert("L"))
    return grey


def _region(values: Any) -> Region:
    try:
        return Region(*map(index, values))
    except TypeError:
        raise ArgumentError(f"region (={values!r}) must be four whole numbers of pixels: x, y, width, height") from None
