"""Reads a file piece by piece, each when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate

from semapix.errors import ArgumentError, ChecksumMismatch, TruncatedStream
from semapix.stream._header import HEADER_LIMIT, FrontHeader
from semapix.stream._index import SMALLEST_INDEX, SecondIndex, metadata_name
from semapix.stream._layout import CutPoint, LayerInfo
from semapix.stream._source import SourceLike, open_source
from semapix.stream._wire import Cursor, check, crc16, crc32


class Reader:
    """A .spix file, or the first part of one, as its pieces.

    Opening fetches the front header, in one read of at most 20 bytes. Whatever else is asked for is then fetched, and
    nothing behind it: a machine layer needs no byte behind itself; all the rest needs the second index too. The
    beginning of the file, as far as it was fetched in one piece, stays at hand; a layer further on is fetched alone,
    each time. Any prefix that holds the front header is a valid source. Bytes behind the end of the complete file are
    ignored.

    A reader keeps nothing open: a path is opened for each piece that is fetched. A file object has one position: do not
    share its reader among threads.

    Args:
        source: Bytes, a path, a seekable binary file object (read from its present position on), or a URL that fsspec
            knows ("https://...", "s3://...").
        name: What errors call the file; by default its path or URL.

    Attributes:
        name: What errors call the file.
        header: The front header.

    Raises:
        ArgumentError: The source cannot be opened; MissingFile, one of them, where there is no such file.
        NotACodestream: It does not begin like a .spix file.
        UnsupportedVersion: It is of a version that this release cannot read.
        TruncatedStream: It ends inside of the front header. Of any later piece: it ends before the end of that piece.
        ChecksumMismatch: The front header was changed. Of any later piece: that piece, or the index, was changed.
        CorruptLayer: Of any piece behind the index: the index contradicts itself, though its checksum holds.
        StreamError: The source could be opened, but then not be read.
    """

    def __init__(self, source: SourceLike, name: str | None = None) -> None:
        self._source = open_source(source, name)
        self.name = self._source.name
        first = min(HEADER_LIMIT, self.bytes_total)
        self._start = self._source.read(0, first) if first else b""
        self.header = FrontHeader.unpack(self._start, self.name)

    def prefetch(self, n_layers: int) -> None:
        """Fetch what is there of the first `n_layers` layers in one go: each piece of them is then at hand.

        Args:
            n_layers: At most as many as the file has.
        """
        ends = [point.bytes for layer in self._layers[:n_layers] for point in layer.cut_points]
        self._reach(max((end for end in ends if end <= self.bytes_total), default=0))

    def machine_layer(self, index: int) -> bytes:
        """The payload of a machine layer, counted from 0."""
        layers = self._machine_layers
        if not 0 <= index < len(layers):
            raise ArgumentError(f"{self.name}: has {len(layers)} machine layers, counted from 0, and no layer {index}")
        layer = layers[index]
        data = self._fetch(layer.offset, layer.end, f"layer {layer.name}")
        payload, stored = data[:-2], int.from_bytes(data[-2:], "little")
        check(f"{self.name}: layer {layer.name}", stored, crc16(payload), digits=4)
        return payload

    def signal_layer(self, index: int, partial: bool = False) -> list[bytes]:
        """The payloads of a signal layer's sub-layers.

        Args:
            index: The layer, counted from 0 at the first signal layer.
            partial: If the file ends inside of the layer, return the sub-layers before its end, possibly none, rather
                than raise TruncatedStream.
        """
        if self._index is None and partial:
            return []
        layer = self._signal_layer(index)
        sublayers = self._sublayers(layer, layer.whole if partial else len(layer.sublayers))
        for error in _damage(self.name, layer, sublayers):
            if error:
                raise error
        return sublayers

    def damage(self, index: int) -> list[ChecksumMismatch | None]:
        """What is wrong with each sub-layer of a signal layer that is there, None where its checksum holds."""
        layer = self._signal_layer(index)
        return _damage(self.name, layer, self._sublayers(layer, layer.whole))

    def _signal_layer(self, index: int) -> LayerInfo:
        layers = self._signal_layers
        if self._index is None:
            raise self._ends_before(f"signal layer {index}")
        if not 0 <= index < len(layers):
            raise ArgumentError(f"{self.name}: has {len(layers)} signal layers, counted from 0, and no layer {index}")
        return layers[index]

    def _sublayers(self, layer: LayerInfo, count: int) -> list[bytes]:
        """The payloads of the first `count` sub-layers, as they stand in the file."""
        lengths = layer.sublayers[:count]
        end = layer.offset + sum(lengths)
        cursor = Cursor(self._fetch(layer.offset, end, f"layer {layer.name}") if lengths else b"")
        return [cursor.take(length) for length in lengths]

    @property
    def metadata(self) -> dict[int, bytes]:
        """The metadata records that are wholly there, by kind: `ICC`, `EXIF`, or one that a later release has added."""
        records: dict[int, bytes] = {}
        start = self._metadata_start
        for kind, part in self._index.metadata if self._index else ():
            end = start + part.length
            if end > self.bytes_total:
                break
            records[kind] = self._fetch(start, end, f"metadata record {kind}")
            check(f"{self.name}: metadata record {kind}", part.checksum, crc32(records[kind]), digits=8)
            start = end
        return records

    def prefix(self, n_layers: int) -> bytes:
        """The file up to the end of its first `n_layers` layers: a valid source itself, without the metadata.

        Args:
            n_layers: How many layers to keep. 0 keeps the front header alone; the machine layers end before the index.
        """
        layers = self._machine_layers
        if n_layers > len(layers):
            layers = self._layers
            if self._index is None:
                raise self._ends_before(f"layer s{n_layers}")
        if not 0 <= n_layers <= len(layers):
            raise ArgumentError(f"{self.name}: has {len(layers)} layers, and no prefix of {n_layers}")
        end = layers[n_layers - 1].end if n_layers else len(self.header.pack())
        return self._fetch(0, end, f"the prefix of {n_layers} layers")

    def cut(self, max_bytes: int) -> bytes:
        """The longest prefix of at most `max_bytes` bytes that ends at a cut point: a valid source itself.

        Args:
            max_bytes: No fewer than the first cut point has.
        """
        within = list(self._cut_points(min(max_bytes, self.bytes_total)))
        if within:
            return self._fetch(0, within[-1].bytes, f"the prefix of {max_bytes} bytes")
        first = next(self._cut_points(self.bytes_total), None)
        if first is None:
            raise TruncatedStream(f"{self.name}: ends before its first layer does")
        raise ArgumentError(f"max_bytes (={max_bytes}) must be {first.bytes} or more: {first.name} ends there")

    def content(self) -> bytes:
        """The whole source, up to the end of the complete file."""
        return self._fetch(0, min(self.bytes_total, self.declared_total or self.bytes_total), "the file")

    @property
    def layers(self) -> list[LayerInfo]:
        """All layers of the file; the machine layers alone if it ends before the end of the index."""
        return list(self._layers)

    @property
    def machine_layers(self) -> list[LayerInfo]:
        """The machine layers, of which the front header tells."""
        return list(self._machine_layers)

    @property
    def cut_points(self) -> list[CutPoint]:
        """Where the file, as far as it is there, can be cut, in rising order, each place once.

        Behind every machine layer with its checksum, every sub-layer, and every metadata record. A prefix that ends
        elsewhere holds what the one that ends at the last cut point before does. Where an empty part ends as well, the
        cut point is called by the last one.
        """
        return list(self._cut_points(self.bytes_total))

    @property
    def begun_layers(self) -> int:
        """How many layers, from the first on, are there; the last one perhaps with its first sub-layers alone."""
        return sum(layer.whole > 0 for layer in self._layers)

    @property
    def bytes_read(self) -> int:
        """Bytes fetched from the source so far."""
        return self._source.bytes_read

    @property
    def bytes_total(self) -> int:
        """Bytes in the source, as it is."""
        return self._source.size

    @property
    def declared_total(self) -> int | None:
        """Bytes in the complete file; None if the source ends before the end of the index, which tells it."""
        if self._index is None:
            return None
        return self._metadata_start + sum(part.length for _, part in self._index.metadata)

    @property
    def complete(self) -> bool:
        """Whether nothing is missing at the end."""
        return self.declared_total is not None and self.declared_total <= self.bytes_total

    @cached_property
    def _machine_layers(self) -> tuple[LayerInfo, ...]:
        layers: list[LayerInfo] = []
        at = len(self.header.pack())
        for number, payload in enumerate(self.header.machine_lengths, start=1):
            length = payload + 2
            whole = int(at + length <= self.bytes_total)
            layers.append(LayerInfo(f"s{number}", "machine", at, length, (payload,), (), whole))
            at += length
        return tuple(layers)

    @cached_property
    def _index_start(self) -> int:
        return self._machine_layers[-1].end if self._machine_layers else len(self.header.pack())

    @cached_property
    def _index(self) -> SecondIndex | None:
        """The second index; None if the source ends before the end of it."""
        known = self._index_start + SMALLEST_INDEX
        if known > self.bytes_total:
            return None
        start = self._reach(known)[self._index_start : known]
        end = self._index_start + SecondIndex.size(start, self.name)
        if end > self.bytes_total:
            return None
        return SecondIndex.unpack(self._reach(end)[self._index_start : end], self.name)

    @cached_property
    def _signal_start(self) -> int:
        return self._index_start + (len(self._index.pack()) if self._index else 0)

    @cached_property
    def _signal_layers(self) -> tuple[LayerInfo, ...]:
        layers: list[LayerInfo] = []
        at = self._signal_start
        parts_of_layers = self._index.signal if self._index else ()
        for number, parts in enumerate(parts_of_layers, start=len(self._machine_layers) + 1):
            sublayers = tuple(part.length for part in parts)
            ends = list(accumulate(sublayers, initial=at))
            whole = sum(end <= self.bytes_total for end in ends[1:])
            checksums = tuple(part.checksum for part in parts)
            layers.append(LayerInfo(f"s{number}", "signal", at, ends[-1] - at, sublayers, checksums, whole))
            at = ends[-1]
        return tuple(layers)

    @property
    def _layers(self) -> tuple[LayerInfo, ...]:
        return self._machine_layers + self._signal_layers

    @property
    def _metadata_start(self) -> int:
        return self._signal_layers[-1].end if self._signal_layers else self._signal_start

    def _cut_points(self, limit: int) -> Iterator[CutPoint]:
        """The cut points that lie `limit` bytes from the beginning at most; the index is read only if it does."""
        for layer in self._machine_layers:
            yield from (point for point in layer.cut_points if point.bytes <= limit)
        if limit < self._index_start + SMALLEST_INDEX or self._index is None:
            return
        points = [point for layer in self._signal_layers for point in layer.cut_points]
        end = self._metadata_start
        for kind, part in self._index.metadata:
            end += part.length
            points.append(CutPoint(metadata_name(kind), end))
        yield from {point.bytes: point for point in points if point.bytes <= limit}.values()

    def _reach(self, end: int) -> bytes:
        """The file up to `end` or further; what of it is not at hand yet is fetched in one go.

        Threads that share a reader may fetch the same bytes twice, and get the right ones all the same.
        """
        known = self._start
        if end > len(known):
            known += self._source.read(len(known), end)
            if len(known) > len(self._start):
                self._start = known
        return known

    def _fetch(self, start: int, end: int, what: str) -> bytes:
        """Bytes from `start` up to `end`; those that are at hand already are not fetched again."""
        if end > self.bytes_total:
            raise self._ends_before(f"the end of {what} at byte {end}")
        if start <= len(self._start):
            return self._reach(end)[start:end]
        return self._source.read(start, end)

    def _ends_before(self, what: str) -> TruncatedStream:
        return TruncatedStream(f"{self.name}: ends after {self.bytes_total} bytes, before {what}")


def _damage(name: str, layer: LayerInfo, sublayers: Sequence[bytes]) -> list[ChecksumMismatch | None]:
    """For each of the first sub-layers of a layer the error that its checksum tells of, or None."""
    found: list[ChecksumMismatch | None] = []
    for number, (checksum, sublayer) in enumerate(zip(layer.checksums, sublayers, strict=False), start=1):
        try:
            what = f"{name}: layer {layer.name}, sub-layer {number} of {len(layer.sublayers)}"
            check(what, checksum, crc32(sublayer), digits=8)
            found.append(None)
        except ChecksumMismatch as error:
            found.append(error)
    return found
