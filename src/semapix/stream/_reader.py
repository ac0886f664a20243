"""Reads a file piece by piece, each when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, takewhile
from typing import Literal

from semapix.errors import ArgumentError, TruncatedStream
from semapix.stream._header import HEADER_LIMIT, FrontHeader
from semapix.stream._index import SMALLEST_INDEX, SecondIndex
from semapix.stream._source import SourceLike, open_source
from semapix.stream._wire import Cursor, check, crc16, crc32


@dataclass(frozen=True)
class LayerInfo:
    """Where a layer stands in the file, and how much of it is there. All numbers are bytes."""

    name: str
    """"s1", "s2", ...: machine layers first, then signal layers."""
    kind: Literal["machine", "signal"]
    offset: int
    """Position of its first byte in the file."""
    length: int
    """Its bytes in the file; a machine layer's checksum (2 bytes) is one of them, a signal layer's are in the index."""
    sublayers: tuple[int, ...]
    """Lengths of the payloads of its sub-layers; a machine layer is one."""
    checksums: tuple[int, ...]
    """CRC-32 of each sub-layer, from the index; none for a machine layer, whose checksum stands behind its payload."""
    whole: int
    """How many of its sub-layers, from the first on, are wholly there."""

    @property
    def end(self) -> int:
        """Position of the first byte behind it."""
        return self.offset + self.length

    @property
    def present(self) -> bool:
        """Whether all of it is there. Whether it is intact turns out when it is read."""
        return self.whole == len(self.sublayers)


class Reader:
    """A .spix file, or the first part of one, as its pieces.

    Opening fetches the front header, in one read of at most 20 bytes. Whatever else is asked for is then fetched, and
    nothing beyond it: a machine layer needs no byte behind itself; all the rest needs the second index too, which is
    fetched once. Any prefix that holds the front header is a valid source. Bytes behind the end of the complete file
    are ignored.

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
        ArgumentError: The source cannot be opened.
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
        layers = self._signal_layers
        if self._index is None:
            if partial:
                return []
            raise self._ends_before(f"signal layer {index}")
        if not 0 <= index < len(layers):
            raise ArgumentError(f"{self.name}: has {len(layers)} signal layers, counted from 0, and no layer {index}")
        layer = layers[index]
        parts = self._index.signal[index][: layer.whole if partial else None]
        end = layer.offset + sum(part.length for part in parts)
        cursor = Cursor(self._fetch(layer.offset, end, f"layer {layer.name}") if parts else b"")
        sublayers = [cursor.take(part.length) for part in parts]
        for number, (part, sublayer) in enumerate(zip(parts, sublayers, strict=True), start=1):
            what = f"{self.name}: layer {layer.name}, sub-layer {number} of {len(layer.sublayers)}"
            check(what, part.checksum, crc32(sublayer), digits=8)
        return sublayers

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

    def content(self) -> bytes:
        """The whole source, up to the end of the complete file."""
        return self._fetch(0, min(self.bytes_total, self.declared_total or self.bytes_total), "the file")

    @property
    def layers(self) -> list[LayerInfo]:
        """All layers of the file; the machine layers alone if it ends before the end of the index."""
        return list(self._layers)

    @property
    def whole_layers(self) -> int:
        """How many layers, from the first on, are wholly there."""
        return sum(1 for _ in takewhile(lambda layer: layer.present, self._layers))

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
        start = self._fetch(self._index_start, known, "the second index")
        end = self._index_start + SecondIndex.size(start, self.name)
        if end > self.bytes_total:
            return None
        return SecondIndex.unpack(start + self._fetch(known, end, "the second index"), self.name)

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

    def _fetch(self, start: int, end: int, what: str) -> bytes:
        """Bytes from `start` up to `end`; those that came with the front header are not fetched again."""
        if end > self.bytes_total:
            raise self._ends_before(f"the end of {what} at byte {end}")
        kept = self._start[start:end]
        start += len(kept)
        return kept + self._source.read(start, end) if start < end else kept

    def _ends_before(self, what: str) -> TruncatedStream:
        return TruncatedStream(f"{self.name}: ends after {self.bytes_total} bytes, before {what}")
