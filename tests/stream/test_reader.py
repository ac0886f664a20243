from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semapix.errors import ArgumentError, ChecksumMismatch, CorruptLayer, NotACodestream, StreamError, TruncatedStream
from semapix.stream import EXIF, ICC, CutPoint, LayerInfo, Reader, write
from semapix.stream._index import Part
from semapix.stream._wire import crc16, crc32, varint

payloads = st.binary(max_size=40)
contents = st.fixed_dictionaries(
    {
        "codec": st.integers(0, 15),
        "quality": st.integers(0, 9),
        "fingerprint": st.binary(min_size=4, max_size=4),
        "width": st.integers(1, 8192),
        "height": st.integers(1, 8192),
        "machine": st.lists(payloads, max_size=2),
        "signal": st.lists(st.lists(payloads, min_size=1, max_size=3), max_size=4),
        "metadata": st.dictionaries(st.sampled_from([ICC, EXIF]), payloads),
    }
)


def everything(reader: Reader) -> dict[str, Any]:
    """All that a file says, as arguments of `write`."""
    header, kinds = reader.header, [layer.kind for layer in reader.layers]
    return {
        "codec": header.codec,
        "quality": header.quality,
        "fingerprint": header.fingerprint,
        "width": header.width,
        "height": header.height,
        "machine": [reader.machine_layer(i) for i in range(kinds.count("machine"))],
        "signal": [reader.signal_layer(j) for j in range(kinds.count("signal"))],
        "metadata": reader.metadata,
    }


@given(contents, payloads)
def test_round_trip(fields: dict[str, Any], behind: bytes) -> None:
    data = write(**fields)
    for source in (data, data + behind):
        reader = Reader(source)
        assert everything(reader) == fields
        assert reader.complete
        assert reader.declared_total == len(data)
        assert reader.begun_layers == len(reader.layers) == len(fields["machine"]) + len(fields["signal"])


def test_layers(file: bytes) -> None:
    layers = Reader(file).layers
    assert layers[0] == LayerInfo("s1", "machine", 17, 22, (20,), (), 1)
    assert layers[1] == LayerInfo("s2", "machine", 39, 20, (18,), (), 1)
    assert [layer.name for layer in layers] == ["s1", "s2", "s3", "s4", "s5"]
    assert [layer.kind for layer in layers] == ["machine"] * 2 + ["signal"] * 3
    assert [layer.sublayers for layer in layers[2:]] == [(6,), (5, 0, 5), (45,)]
    assert layers[3].checksums == (crc32(b"edges"), 0, crc32(b"grain"))
    assert [file[layer.offset : layer.end] for layer in layers[2:4]] == [b"shapes", b"edgesgrain"]
    assert all(layer.present for layer in layers)


def test_every_prefix(file: bytes, fields: dict[str, Any]) -> None:
    whole = Reader(file)
    layers, header_end = whole.layers, len(whole.header.pack())
    seen = set()
    for length in range(header_end, len(file) + 1):
        reader = Reader(file[:length])
        assert reader.header == whole.header
        assert reader.bytes_total == length
        assert reader.complete == (length == len(file))

        # A layer is there exactly when the file goes as far as its end; signal layers also need the index before them.
        present = [
            length >= (layer.end if layer.kind == "machine" else max(layer.end, layers[2].offset)) for layer in layers
        ]
        index_there = length >= layers[2].offset
        in_part = layers[3].offset + 5 <= length < layers[3].end  # s4.1 and s4.2, without s4.3
        assert reader.begun_layers == present.count(True) + in_part
        assert len(reader.layers) == (5 if index_there else 2)
        assert reader.declared_total == (len(file) if index_there else None)
        assert [layer.present for layer in reader.layers] == present[: len(reader.layers)]
        seen.add((present.count(True), len(reader.layers), len(reader.metadata)))

        for i in range(2):
            if present[i]:
                assert reader.machine_layer(i) == fields["machine"][i]
            else:
                with pytest.raises(
                    TruncatedStream, match=f"ends after {length} bytes, before the end of layer s{i + 1}"
                ):
                    reader.machine_layer(i)
        for j in range(3):
            sublayers = fields["signal"][j]
            there = reader.signal_layer(j, partial=True)
            assert there == sublayers[: len(there)]
            assert len(there) == (reader.layers[2 + j].whole if index_there else 0)
            if present[2 + j]:
                assert reader.signal_layer(j) == there == sublayers
            else:
                with pytest.raises(TruncatedStream, match=f"codestream: ends after {length} bytes, before"):
                    reader.signal_layer(j)
        assert reader.metadata.items() <= fields["metadata"].items()
    assert seen == {(0, 2, 0), (1, 2, 0), (2, 2, 0), (2, 5, 0), (3, 5, 0), (4, 5, 0), (5, 5, 0), (5, 5, 1), (5, 5, 2)}


def test_a_cut_within_a_layer_leaves_its_first_sublayers(file: bytes) -> None:
    layer = Reader(file).layers[3]
    reader = Reader(file[: layer.end - 1])
    assert reader.layers[3].whole == 2
    assert reader.signal_layer(1, partial=True) == [b"edges", b""]
    with pytest.raises(
        TruncatedStream, match=f"ends after {layer.end - 1} bytes, before the end of layer s4 at byte {layer.end}"
    ):
        reader.signal_layer(1)


def test_every_changed_byte_is_found(file: bytes, fields: dict[str, Any]) -> None:
    found = 0
    for at in range(len(file)):
        for flip in (0x01, 0x80, 0xFF):
            damaged = bytearray(file)
            damaged[at] ^= flip
            try:
                reader = Reader(damaged)
                whole, content = reader.complete, everything(reader)
            except StreamError:
                found += 1
            else:
                # A changed length of the index may look like a file that was cut off, never like a whole one.
                assert not whole
                assert content == {**fields, "signal": [], "metadata": {}}
    assert found >= 3 * len(file) - 3


def test_damage_does_no_harm_to_the_layers_before_it(file: bytes, fields: dict[str, Any]) -> None:
    layers = Reader(file).layers
    for number, name in ((2, "s3"), (4, "s5")):
        damaged = bytearray(file)
        damaged[layers[number].offset] ^= 4
        reader = Reader(damaged, "x.spix")
        assert [reader.signal_layer(j) for j in range(number - 2)] == fields["signal"][: number - 2]
        with pytest.raises(ChecksumMismatch, match=rf"x.spix: layer {name}, sub-layer 1 of 1 was changed or damaged: "):
            reader.signal_layer(number - 2)


def test_machine_layers_survive_a_damaged_index(file: bytes, fields: dict[str, Any]) -> None:
    damaged = bytearray(file)
    damaged[Reader(file).layers[1].end + 3] ^= 1
    reader = Reader(damaged)
    assert [reader.machine_layer(0), reader.machine_layer(1)] == fields["machine"]
    for ask in (
        lambda: reader.layers,
        lambda: reader.signal_layer(0),
        lambda: reader.metadata,
        lambda: reader.complete,
    ):
        with pytest.raises(ChecksumMismatch, match="codestream: second index was changed or damaged"):
            ask()


def test_damaged_machine_layer_and_metadata(file: bytes, fields: dict[str, Any]) -> None:
    damaged = bytearray(file)
    damaged[17] ^= 1
    damaged[-1] ^= 1
    reader = Reader(damaged)
    with pytest.raises(
        ChecksumMismatch, match=r"layer s1 was changed or damaged: its checksum is [0-9a-f]{4}, its bytes"
    ):
        reader.machine_layer(0)
    assert reader.machine_layer(1) == fields["machine"][1]
    with pytest.raises(ChecksumMismatch, match="metadata record 2 was changed or damaged"):
        _ = reader.metadata


def file_with_index(body: bytes) -> bytes:
    """A file without machine layers that has this index, checksum and all, and nothing behind it."""
    start = write(codec=0, quality=0, fingerprint=bytes(4), width=1, height=1, machine=[])[:13]
    length = varint(len(body))
    fields = length + crc16(length).to_bytes(2, "little") + body
    return start + fields + crc32(fields).to_bytes(4, "little")


def test_absurd_lengths_are_only_missing_bytes() -> None:
    huge = Part(2**32 - 1, 0).pack()
    reader = Reader(file_with_index(b"\x01\x02" + huge + huge + b"\x01\x01" + huge))
    assert (reader.begun_layers, reader.metadata, reader.complete) == (0, {}, False)
    assert reader.declared_total == reader.bytes_total + 3 * (2**32 - 1)
    with pytest.raises(
        TruncatedStream, match=f"before the end of layer s1 at byte {reader.bytes_total + 2 * (2**32 - 1)}"
    ):
        reader.signal_layer(0)
    assert reader.signal_layer(0, partial=True) == []


def test_absurd_counts_are_refused() -> None:
    reader = Reader(file_with_index(varint(2**32 - 1) + b"\0"))
    with pytest.raises(CorruptLayer, match="codestream: second index: its 9 bytes end before its last entry"):
        _ = reader.layers
    reader = Reader(file_with_index(b"\0\0")[:13] + varint(2**32 - 1) + bytes(99))
    with pytest.raises(ChecksumMismatch, match="length of the second index"):
        _ = reader.layers


def test_unknown_metadata_kinds_are_kept() -> None:
    reader = Reader(file_with_index(b"\0\x01\x09" + Part.of(b"new").pack()) + b"new")
    assert reader.metadata == {9: b"new"}
    assert reader.complete


def test_prefixes(file: bytes, fields: dict[str, Any]) -> None:
    whole = Reader(file)
    ends = [len(whole.header.pack()), *(layer.end for layer in whole.layers)]
    assert len(ends) == 6
    for n_layers, end in enumerate(ends):
        prefix = whole.prefix(n_layers)
        assert prefix == file[:end]
        reader = Reader(prefix)
        assert reader.begun_layers == sum(layer.present for layer in reader.layers) == n_layers
        assert not reader.complete
        assert reader.prefix(n_layers) == prefix
    with pytest.raises(ArgumentError, match="codestream: has 5 layers, and no prefix of 6"):
        whole.prefix(6)
    with pytest.raises(ArgumentError, match="no prefix of -1"):
        whole.prefix(-1)
    short = Reader(whole.prefix(3))
    with pytest.raises(TruncatedStream, match=f"ends after {ends[3]} bytes, before the end of the prefix of 4 layers"):
        short.prefix(4)
    with pytest.raises(TruncatedStream, match=f"ends after {ends[2]} bytes, before layer s3"):
        Reader(whole.prefix(2)).prefix(3)


def test_cut_points(file: bytes) -> None:
    reader = Reader(file)
    s1, s2, s3, s4, s5 = reader.layers
    assert reader.cut_points == [
        CutPoint("s1", s1.end),
        CutPoint("s2", s2.end),
        CutPoint("s3", s3.end),
        CutPoint("s4.2", s4.offset + 5),  # s4.2 is empty: it ends where s4.1 does
        CutPoint("s4.3", s4.end),
        CutPoint("s5", s5.end),
        CutPoint("ICC", s5.end + 7),
        CutPoint("EXIF", len(file)),
    ]
    assert [point.name for point in s4.cut_points] == ["s4.1", "s4.2", "s4.3"]


@settings(deadline=None)  # a busy machine is no failure
@given(contents)
def test_a_prefix_has_the_cut_points_up_to_its_end(fields: dict[str, Any]) -> None:
    data = write(**fields)
    points = Reader(data).cut_points
    ends = [point.bytes for point in points]
    assert ends == sorted(set(ends))
    for length in range(len(Reader(data).header.pack()), len(data) + 1):
        reader = Reader(data[:length])
        there = [point for point in points if point.bytes <= length]
        assert reader.cut_points == there
        if there:
            shorter = Reader(data[: there[-1].bytes])
            assert everything_there(reader) == everything_there(shorter)
            assert Reader(data).cut(length) == data[: there[-1].bytes]
            assert reader.cut(10**9) == data[: there[-1].bytes]


def everything_there(reader: Reader) -> tuple[list[bytes], list[list[bytes]], dict[int, bytes]]:
    """All machine layers, sub-layers and metadata records that are wholly there."""
    layers = reader.layers
    machine = [reader.machine_layer(i) for i, layer in enumerate(layers) if layer.kind == "machine" and layer.present]
    signal = [reader.signal_layer(j, partial=True) for j in range(sum(layer.kind == "signal" for layer in layers))]
    return machine, [sublayers for sublayers in signal if sublayers], reader.metadata


def test_a_limit_below_the_first_cut_point(file: bytes) -> None:
    with pytest.raises(ArgumentError, match=r"max_bytes \(=38\) must be 39 or more: s1 ends there"):
        Reader(file).cut(38)
    with pytest.raises(TruncatedStream, match="codestream: ends before its first layer does"):
        Reader(file[:38]).cut(100)


def test_a_cut_within_the_machine_layers_needs_no_index(file: bytes) -> None:
    damaged = bytearray(file)
    damaged[59] ^= 1
    assert [Reader(damaged).cut(limit) for limit in (39, 59)] == [file[:39], file[:59]]
    with pytest.raises(ChecksumMismatch, match="second index"):
        Reader(damaged).cut(len(file))
    with pytest.raises(ArgumentError, match="must be 39 or more"):
        Reader(damaged).cut(0)


def test_damage_of_each_sublayer(file: bytes) -> None:
    damaged = bytearray(file)
    damaged[Reader(file).layers[3].end - 1] ^= 1
    reader = Reader(damaged)
    first, second, third = reader.damage(1)
    assert (first, second) == (None, None)
    assert str(third).startswith("codestream: layer s4, sub-layer 3 of 3 was changed or damaged: ")
    assert reader.damage(0) == [None]
    assert Reader(file[: reader.layers[3].end - 1]).damage(1) == [None, None]


@pytest.mark.parametrize("index", [-1, 2, 7])
def test_no_such_machine_layer(file: bytes, index: int) -> None:
    with pytest.raises(ArgumentError, match=f"has 2 machine layers, counted from 0, and no layer {index}"):
        Reader(file).machine_layer(index)


@pytest.mark.parametrize("index", [-1, 3])
def test_no_such_signal_layer(file: bytes, index: int) -> None:
    with pytest.raises(ArgumentError, match=f"x.spix: has 3 signal layers, counted from 0, and no layer {index}"):
        Reader(file, "x.spix").signal_layer(index)


def test_signal_layer_behind_the_end(file: bytes) -> None:
    with pytest.raises(TruncatedStream, match="codestream: ends after 59 bytes, before signal layer 0"):
        Reader(file[:59]).signal_layer(0)


@pytest.mark.parametrize(
    ("data", "error", "text"),
    [
        (b"", TruncatedStream, "x: ends after 0 bytes, inside of its front header"),
        (b"\xd3", TruncatedStream, "x: ends after 1 bytes"),
        (b"GIF89a", NotACodestream, "x: begins with 47 49 46"),
        (bytes(100), NotACodestream, "x: begins with 00 00 00"),
    ],
)
def test_not_a_file(data: bytes, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        Reader(data, "x")


@given(contents, st.data())
def test_any_damage_is_a_typed_error_or_a_shorter_file(fields: dict[str, Any], data: st.DataObject) -> None:
    damaged = bytearray(write(**fields))
    at = data.draw(st.integers(0, len(damaged) - 1))
    damaged[at : at + 4] = data.draw(st.binary(max_size=8))
    try:
        reader = Reader(damaged)
        content = everything(reader)
    except StreamError:
        return
    assert content["machine"] == fields["machine"][: len(content["machine"])]
    if reader.complete:
        assert content == fields
