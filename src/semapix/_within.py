"""A picture within a number of bytes: a codec with all qualities fills them, of others the best file is found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from semapix._bracket import bracket
from semapix._budget import Budget, TooLarge, TooSmall
from semapix._rate import PASSES, search
from semapix._stream import Stream
from semapix._write import small_metadata, written, written_within
from semapix.bundle import Bundle
from semapix.codecs import QUALITIES, Analysed, ContinuousCodec, Layers, open_codec
from semapix.errors import ArgumentError
from semapix.imaging import Picture, squared_error
from semapix.stream import CutPoint, Reader

__all__ = ["best_within", "filled", "most_passes"]

_PASSES = 12  # of a picture by networks that cost little, at all sizes together; two are left for each smaller size
_TRIED = 3  # passes, at the least, that a smaller size of a soft picture is worth
_HOPELESS = 1.25  # times the budget, the least that a variant takes as far as larger ones tell: not worth a try
_METADATA = 10  # the share of a budget that is kept for metadata is one in so many
_FILLED = 0.95  # of a rate, by the largest file of a variant where the one before has none as small


class _File(NamedTuple):
    """Bytes, with the metadata that has its place, quality for the front header, and layers."""

    size: int
    quality: int
    layers: Layers


def most_passes(codec: ContinuousCodec) -> int:
    """How often the networks of a continuous codec see a picture at most, at all of its sizes together."""
    return PASSES if codec.thrifty else _PASSES


def filled(
    picture: Picture,
    bundle: Bundle,
    codec: ContinuousCodec,
    analyse: Callable[[float | None, str | None], Analysed],
    budget: Budget,
    variant: str | None,
) -> Stream:
    """The file of a continuous codec within a budget that a search finds, with what fits of the metadata.

    `analyse`: what the codec prepared of the picture.

    Of the first of the codec's variants that has one, unless `variant` says which; of a soft picture also of the next
    ones, and the best of them. Where none has, a file that is cut short, if the codec has good ones. Small records of
    the metadata have their place before the picture, unless it has none beside them; others get what is left. Raises
    ArgumentError for a budget that no file keeps, and a rate that none fills.
    """
    if budget.bytes < 1:
        raise ArgumentError(f"max_bytes (={budget.bytes}) must be 1 or more")
    if metadata := small_metadata(picture, bundle, budget.bytes // _METADATA):
        try:
            file = _filled(picture, bundle, codec, analyse, budget, variant, metadata)
        except ArgumentError:  # it may be the records that do not fit
            file = None
        if file is not None and file.complete:
            return file
    return _filled(picture, bundle, codec, analyse, budget, variant, {})


def _filled(
    picture: Picture,
    bundle: Bundle,
    codec: ContinuousCodec,
    analyse: Callable[[float | None, str | None], Analysed],
    budget: Budget,
    variant: str | None,
    metadata: dict[int, bytes],
) -> Stream:
    """What `filled` says, with a place for these records of the metadata."""
    pixels = picture.pixels[:, :, 0].size
    height, width = picture.pixels.shape[:2]
    names: Sequence[str | None] = [variant] if variant is not None else (codec.variants_for(width, height) or [None])
    passes_left = most_passes(codec)
    best: Stream | None = None

    def found(name: str | None, wanted: Budget, rates: Sequence[float]) -> _File:
        nonlocal passes_left

        def coder(mean: float) -> Callable[[float], tuple[int, _File]]:
            nonlocal passes_left
            passes_left -= 1
            quality, code = analyse(mean, name)

            def file_of(thrift: float) -> tuple[int, _File]:
                layers = code(thrift)
                size = written(picture, bundle, quality, layers, metadata).bytes_total
                return size, _File(size, quality, layers)

            return file_of

        later = 0 if best else len(names) - 1 - names.index(name)  # sizes that a pass is kept for
        if codec.thrifty:
            return search(coder, wanted, rates, passes=passes_left, reserve=min(1, later))
        return bracket(lambda mean: coder(mean)(0.0), wanted, rates, passes=passes_left, reserve=2 * later)

    least: list[int] = []
    share, wanted = 1.0, budget  # `share`: what this picture takes over what is typical
    for name in names:
        rates = [share * rate * pixels / 8 for rate in codec.rates(name)]
        if least and name != names[-1] and rates[0] > _HOPELESS * budget.bytes:
            continue
        try:
            file = found(name, wanted, rates)
            if least and budget.rate is not None and file.size < _FILLED * budget.bytes:
                raise budget.between(file.size, min(least))
            stream = written_within(picture, bundle, file.quality, file.layers, budget.bytes, metadata)
            best = stream if best is None else min(best, stream, key=lambda one: _squared_error(one, picture))
            last = name == names[-1] or passes_left < _TRIED or file.quality == QUALITIES
            if last or not codec.soft(picture.pixels, name, file.quality):
                return best
            wanted = Budget(budget.bytes)
        except TooSmall as error:
            if best is not None:
                return best
            least.append(error.nearest)
            share = error.nearest / (codec.rates(name)[0] * pixels / 8)
            wanted = Budget(budget.bytes)  # the largest file of the next variant will do: this one has none as small
        except TooLarge as error:
            if variant is None:
                raise
            raise budget.too_large(error.nearest, variant) from None
    if best is not None:
        return best
    if codec.cuts_below:
        return _cut_short(_Files(picture, bundle, budget, names[-1], None))
    size_name = "the lowest quality" if variant is None else f"the lowest quality of variant {variant}"
    raise budget.too_small(min(least), f"this picture takes that at {size_name}")


def best_within(
    picture: Picture, bundle: Bundle, budget: Budget, variant: str | None, labels: Sequence[str] | None
) -> Stream:
    """The better one of two files within a budget: a whole one, and one of the next quality, cut.

    Without pixels, a cut file lacks what machines read: it is made where no whole one fits, as good as it can be.
    Raises ArgumentError where the first layer of none fits.
    """
    files = _Files(picture, bundle, budget, variant, labels)
    fits = _highest(lambda quality: files.whole(quality).bytes_total <= budget.bytes)
    if not fits:
        return _cut_short(files)
    best = files.whole(fits)
    if files.pixels and fits < QUALITIES and files.first(fits + 1).bytes <= budget.bytes:
        best = min(best, files.cut(fits + 1), key=lambda one: _squared_error(one, picture))
    return written_within(picture, bundle, fits, files.layers[fits], budget.bytes, {}) if best.complete else best


class _Files:
    """Files of a picture at whole qualities, made when they are first asked for."""

    def __init__(
        self,
        picture: Picture,
        bundle: Bundle,
        budget: Budget,
        variant: str | None,
        labels: Sequence[str] | None,
    ) -> None:
        self.picture, self.budget = picture, budget
        self.layers: dict[int, Layers] = {}
        self._bundle, self._variant, self._labels = bundle, variant, labels
        self._codec = open_codec(bundle)
        self.pixels = self._codec.pixels
        self._written: dict[int, Stream] = {}

    def whole(self, quality: int) -> Stream:
        """The whole file, without metadata."""
        if quality not in self._written:
            layers = self._codec.encode(self.picture.pixels, quality, self._variant, self._labels)
            self.layers[quality] = layers
            self._written[quality] = written(self.picture, self._bundle, quality, layers, {})
        return self._written[quality]

    def cut(self, quality: int) -> Stream:
        """What of it fits into the budget."""
        return Stream(Reader(self.whole(quality).to_bytes(max_bytes=self.budget.bytes)), self._bundle)

    def first(self, quality: int) -> CutPoint:
        """Where its first layer ends."""
        return self.whole(quality).cut_points[0]


def _cut_short(files: _Files) -> Stream:
    """The best one of files that are cut to a budget which even that of quality 1 exceeds.

    What quality 1 leaves of the budget may hold no further cut point, but the same ones of a higher quality, or all but
    the last of a still higher one. Without pixels, the highest quality of which the first layer fits. Raises
    ArgumentError where that of none does.
    """
    most = files.budget.bytes
    part = 1 if files.pixels else max(1, _highest(lambda quality: files.first(quality).bytes <= most))
    first = files.first(part)
    if first.bytes > most:
        raise files.budget.too_small(first.bytes, f"{first.name} ends there")
    if not files.pixels:
        return files.cut(part)

    def finest(place: int) -> int:
        return _highest(lambda quality: files.whole(quality).cut_points[place].bytes <= most)

    places = range(len(files.cut(1).cut_points))[-2:]
    qualities = sorted({1, *(finest(place) for place in places)})
    return min((files.cut(quality) for quality in qualities), key=lambda one: _squared_error(one, files.picture))


def _highest(test: Callable[[int], bool]) -> int:
    """The highest quality that passes a test which all lower ones pass too; 0 if none does."""
    passes, fails = 0, QUALITIES + 1
    while fails - passes > 1:
        quality = (passes + fails) // 2
        passes, fails = (quality, fails) if test(quality) else (passes, quality)
    return passes


def _squared_error(file: Stream, picture: Picture) -> int:
    """Of the picture that a file decodes to, against the one that was coded."""
    return squared_error(np.asarray(file.image()), picture.pixels)
