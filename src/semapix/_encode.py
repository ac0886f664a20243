"""A picture to a codestream, at a quality or within a number of bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semapix._budget import MOST_BPP, Budget, TooLarge, TooSmall
from semapix._rate import PASSES, search
from semapix._stream import ModelLike, Stream, choose_model
from semapix.bundle import FINGERPRINT_BYTES, Bundle
from semapix.codecs import CODECS, QUALITIES, Analysed, Layers, Region, Steering, open_codec
from semapix.errors import ArgumentError
from semapix.imaging import ImageLike, Picture, load
from semapix.stream import EXIF, ICC, CutPoint, Reader, write

__all__ = ["QUALITY", "check_rate", "encode"]

QUALITY = 5
"""The quality when none is asked for."""

_STRIP = 256  # rows that are compared at once
_FILLED = 0.95  # of a rate, by the largest file of a variant where the one before has none as small


def encode(
    image: ImageLike,
    codec: str | None = None,
    quality: int | None = None,
    model: ModelLike | None = None,
    *,
    max_bytes: int | None = None,
    bpp: float | None = None,
    variant: str | None = None,
    labels: Sequence[str] | None = None,
    strategy: str | None = None,
    quality_map: ImageLike | NDArray[Any] | None = None,
    regions: Iterable[tuple[int, int, int, int]] = (),
) -> Stream:
    """Code a picture.

    `image`: a path, a Pillow image, encoded bytes, or a uint8 array (H, W, 3). `quality`: 1 to 9, by default 5; of the
    Kodak pictures the shipped `scalable` takes about 0.1 bits per pixel at 1, 0.5 at 5, 1.4 at 9, `adaptive` 0.1, 0.3
    and 0.8. `model`: name or path of a bundle; by default the one that ships for the codec. `codec`: by default the
    model's, `scalable` without one.

    `max_bytes`: in place of a quality, the most bytes that the file may have. Two files are made, the one of the
    highest quality that fits and the one of the next quality, cut to `max_bytes`; they are decoded, and the one with
    the smaller squared error is kept. Where even quality 1 takes more, the file is cut short: that of quality 1, of
    the highest quality that gets as far, or of the highest that gets all but as far, whichever has the smallest error.
    It may be shorter than `max_bytes`. Sizes must rise with quality; that takes about five times as long as one quality
    does. The ICC profile is kept if there is room left for it, and so is the EXIF block. A codec without pixels keeps
    the highest quality of which all layers fit, or else the highest of which the first one does, and no ICC profile.

    `bpp`: the same in bits for each pixel of the picture.

    Codec `adaptive` reaches `max_bytes` and `bpp` by itself, in at most four passes and mostly within 1 % from below;
    what takes more than that at its full size it codes at half of it. It spreads bits as it is told: `strategy`,
    `blended` (what is meaningful, then what is simple; the default), `semantic`, `complexity`, `simplicity` or
    `uniform`; or `quality_map`, a map of your own, a grey picture of the same size or an array (H, W) of uint8 or of
    floats 0 to 1, which alone says the quality itself and with a rate or quality the importance; and `regions`, boxes
    (x, y, width, height) in pixels that matter most.

    `variant`: of codec `deepsic`, `pre` (labels are decided while encoding; the default) or `post` (from the file's
    features); of codec `adaptive`, `full` or `half`, the size at which the picture is coded, by default `half` only for
    a rate below what `full` can take. `labels`: for `pre` and `adaptive`, labels of your own in place of the model's, 1
    to 5 names of its classes or groups.

    Raises ImageError for what is no picture; UnknownModel; ArgumentError for a quality, rate or codec out of range
    (with the rates that the picture takes; between the two sizes of `adaptive` a drawing may take none), for more than
    one of quality, `max_bytes` and `bpp`, when the first cut point of the file lies behind `max_bytes`, for a map of
    another size, a region outside of the picture, and steering of a codec that spreads bits evenly.
    """
    bundle = choose_model(codec, model)
    check_rate(quality, max_bytes, bpp)
    picture = load(image)
    opened = open_codec(bundle)
    own = None if quality_map is None else _map(quality_map)
    steering = Steering(strategy, own, tuple(_region(region) for region in regions))
    budget = None if max_bytes is None else Budget(index(max_bytes))
    if bpp is not None:
        budget = Budget.of_rate(bpp, picture.pixels[:, :, 0].size)
    if opened.strategies or steering.asked:
        opened.variant(variant)
        analyse = opened.steer(picture.pixels, steering, labels)
        if budget is not None:
            return _steer_within(picture, bundle, analyse, budget, variant)
        as_it_is = own is not None and quality is None
        mean = None if as_it_is else ((quality or QUALITY) - 1) / (QUALITIES - 1)
        found = analyse(mean, variant)
        return _stream(picture, bundle, found.quality, found.code(0.0), _metadata(picture, bundle))
    if budget is not None:
        return _encode_within(picture, bundle, budget, variant, labels)
    quality = QUALITY if quality is None else index(quality)
    layers = opened.encode(picture.pixels, quality, variant, labels)
    return _stream(picture, bundle, quality, layers, _metadata(picture, bundle))


def check_rate(quality: int | None, max_bytes: int | None, bpp: float | None) -> None:
    """Raises ArgumentError for a quality or rate out of range, and for more than one of them."""
    given = {"quality": quality, "max_bytes": max_bytes, "bpp": bpp}
    stated = [f"{name} (={value})" for name, value in given.items() if value is not None]
    if len(stated) > 1:
        raise ArgumentError(f"{' and '.join(stated)} exclude each other; give one of them")
    if bpp is not None and not 0 < bpp <= MOST_BPP:
        raise ArgumentError(f"bpp (={bpp}) must be above 0, and at most {MOST_BPP}")
    if quality is not None and index(quality) not in range(1, QUALITIES + 1):
        raise ArgumentError(f"quality (={quality}) must lie between 1 (smallest file) and {QUALITIES} (best picture)")


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


def _steer_within(
    picture: Picture,
    bundle: Bundle,
    analyse: Callable[[float | None, str | None], Analysed],
    budget: Budget,
    variant: str | None,
) -> Stream:
    """The file within a budget that a search finds, with what fits of the metadata.

    Of the first of the codec's variants that has one, unless `variant` says which.
    """
    if budget.bytes < 1:
        raise ArgumentError(f"max_bytes (={budget.bytes}) must be 1 or more")
    codec = open_codec(bundle)
    pixels = picture.pixels[:, :, 0].size
    names = [variant] if variant is not None else (codec.variants or (None,))
    passes_left = PASSES

    def found(name: str | None, wanted: Budget, share: float) -> tuple[int, Layers, Stream]:
        """`share`: what this picture takes over what is typical."""

        def coder(mean: float) -> Callable[[float], tuple[int, tuple[int, Layers, Stream]]]:
            nonlocal passes_left
            passes_left -= 1
            quality, code = analyse(mean, name)

            def file_of(thrift: float) -> tuple[int, tuple[int, Layers, Stream]]:
                layers = code(thrift)
                stream = _stream(picture, bundle, quality, layers, {})
                return stream.bytes_total, (quality, layers, stream)

            return file_of

        rates = [share * rate * pixels / 8 for rate in codec.rates(name)]
        return search(coder, wanted, rates, passes=passes_left, reserve=0 if name == names[-1] else 1)

    least: list[int] = []
    share, wanted = 1.0, budget
    for name in names:
        try:
            quality, layers, stream = found(name, wanted, share)
            if least and budget.rate is not None and stream.bytes_total < _FILLED * budget.bytes:
                raise budget.between(stream.bytes_total, min(least))
            return _with_metadata(picture, bundle, quality, layers, stream, budget.bytes)
        except TooSmall as error:
            least.append(error.nearest)
            share = error.nearest / (codec.rates(name)[0] * pixels / 8)
            wanted = Budget(budget.bytes)  # the largest file of the next variant will do: this one has none as small
        except TooLarge as error:
            if variant is None:
                raise
            why = f"variant {variant} takes no more at the highest quality; leave it out, or ask for a number of bytes"
            raise budget.too_large(error.nearest, why) from None
    size = "the lowest quality" if variant is None else f"the lowest quality of variant {variant}"
    raise budget.too_small(min(least), f"this picture takes that at {size}")


def _encode_within(
    picture: Picture, bundle: Bundle, budget: Budget, variant: str | None, labels: Sequence[str] | None
) -> Stream:
    """The better one of two files within a budget: a whole one, and one of the next quality, cut.

    Without pixels, a cut file lacks what machines read: it is made where no whole one fits, as good as it can be.
    """
    codec = open_codec(bundle)
    coded: dict[int, Layers] = {}
    files: dict[int, Stream] = {}

    def file(quality: int) -> Stream:
        if quality not in files:
            coded[quality] = codec.encode(picture.pixels, quality, variant, labels)
            files[quality] = _stream(picture, bundle, quality, coded[quality], {})
        return files[quality]

    def cut(quality: int) -> Stream:
        return Stream(Reader(file(quality).to_bytes(max_bytes=budget.bytes)), bundle)

    def first_of(quality: int) -> CutPoint:
        return file(quality).cut_points[0]

    fits = _highest(lambda quality: file(quality).bytes_total <= budget.bytes)
    if not fits:
        part = 1 if codec.pixels else max(1, _highest(lambda quality: first_of(quality).bytes <= budget.bytes))
        if first_of(part).bytes > budget.bytes:
            raise budget.too_small(first_of(part).bytes, f"{first_of(part).name} ends there")
        return _best_cut(file, cut, budget, picture) if codec.pixels else cut(part)
    best = file(fits)
    if codec.pixels and fits < QUALITIES and first_of(fits + 1).bytes <= budget.bytes:
        best = min(best, cut(fits + 1), key=lambda one: _squared_error(one, picture))
    return _with_metadata(picture, bundle, fits, coded[fits], best, budget.bytes) if best.complete else best


def _best_cut(file: Callable[[int], Stream], cut: Callable[[int], Stream], budget: Budget, picture: Picture) -> Stream:
    """The best one of files that are cut to a budget which even that of quality 1 exceeds.

    What quality 1 leaves of the budget may hold no further cut point, but the same ones of a higher quality, or all but
    the last of a still higher one.
    """

    def finest(place: int) -> int:
        return _highest(lambda quality: file(quality).cut_points[place].bytes <= budget.bytes)

    places = range(len(cut(1).cut_points))[-2:]
    qualities = sorted({1, *(finest(place) for place in places)})
    return min((cut(quality) for quality in qualities), key=lambda one: _squared_error(one, picture))


def _highest(test: Callable[[int], bool]) -> int:
    """The highest quality that passes a test which all lower ones pass too; 0 if none does."""
    passes, fails = 0, QUALITIES + 1
    while fails - passes > 1:
        quality = (passes + fails) // 2
        passes, fails = (quality, fails) if test(quality) else (passes, quality)
    return passes


def _with_metadata(
    picture: Picture, bundle: Bundle, quality: int, layers: Layers, best: Stream, max_bytes: int
) -> Stream:
    """A whole file, with those records of the metadata for which there is room left."""
    kept: dict[int, bytes] = {}
    for kind, data in _metadata(picture, bundle).items():
        larger = _stream(picture, bundle, quality, layers, {**kept, kind: data})
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


def _metadata(picture: Picture, bundle: Bundle) -> dict[int, bytes]:
    """The records to write, in the order of the file: none of what describes pixels that are not there."""
    icc = picture.icc if CODECS[bundle.codec].pixels else None
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
