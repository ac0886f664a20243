"""docs/format.md is true: its worked example is a file, byte for byte, and its limits are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

from semapix.stream import ICC, Reader, write
from semapix.stream._wire import Cursor

PAGE = (Path(__file__).parents[2] / "docs" / "format.md").read_text(encoding="utf-8")
ROW = re.compile(r" ?(\d+)  ((?:[0-9a-f]{2} )*[0-9a-f]{2})  +(\S.*)")


def worked_example() -> bytes:
    """The bytes of the page's example; every row must begin at the offset that it names."""
    (block,) = re.findall(r"```text\n(.*?)```", PAGE, flags=re.DOTALL)
    data = b""
    for line in block.splitlines():
        row = ROW.fullmatch(line)
        assert row, line
        assert int(row[1]) == len(data), line
        data += bytes.fromhex(row[2])
    return data


def test_worked_example_is_what_write_makes() -> None:
    data = write(
        codec=1,
        quality=5,
        fingerprint=b"\xc0\xff\xee\x42",
        width=640,
        height=480,
        machine=[b"CAT", b"TABBY"],
        signal=[[b"sea"], [b"sky", b"sun"]],
        metadata={ICC: b"rgb"},
    )
    assert worked_example() == data


def test_worked_example_reads_as_the_page_says() -> None:
    data = worked_example()
    assert f"The file is {len(data)} bytes long." in PAGE
    reader = Reader(data)
    header = reader.header
    assert (header.width, header.height, header.codec, header.quality) == (640, 480, 1, 5)
    assert header.fingerprint == bytes.fromhex("c0 ff ee 42")
    assert [reader.machine_layer(0), reader.machine_layer(1)] == [b"CAT", b"TABBY"]
    assert [reader.signal_layer(0), reader.signal_layer(1)] == [[b"sea"], [b"sky", b"sun"]]
    assert reader.metadata == {1: b"rgb"}
    assert Reader(data[:29]).begun_layers == 2
    cut = Reader(data[:67])
    assert (cut.begun_layers, cut.cut_points[-1].name) == (4, "s4.1")
    assert cut.signal_layer(1, partial=True) == [b"sky"]


def test_table_of_varints() -> None:
    rows = re.findall(r"\| (\d+) \| `([0-9a-f ]+)` \|", PAGE)
    assert len(rows) == 6
    for number, packed in rows:
        assert Cursor(bytes.fromhex(packed)).varint() == int(number)
