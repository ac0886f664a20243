from __future__ import annotations

from typing import Any

import pytest

from semapix.errors import ArgumentError
from semapix.stream import EXIF, ICC, Reader, write


def test_smallest_file() -> None:
    data = write(codec=0, quality=0, fingerprint=bytes(4), width=1, height=1, machine=[])
    reader = Reader(data)
    assert len(data) == 13 + 9
    assert (reader.layers, reader.metadata, reader.complete) == ([], {}, True)


def test_order_of_metadata_does_not_matter(fields: dict[str, Any], file: bytes) -> None:
    metadata = fields.pop("metadata")
    assert list(metadata) == [EXIF, ICC]
    assert write(**fields, metadata=dict(sorted(metadata.items()))) == file


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"quality": 10}, "quality must be 1 to 9, or 0 for none, not 10"),
        ({"machine": [b""] * 3}, "at most 2 machine layers fit, not 3"),
        ({"machine": [bytes(16384)]}, "a machine layer must be 0 to 16383 bytes long, not 16384"),
        ({"signal": [[b""], []]}, "signal layer 1 must have at least one sub-layer, not 0"),
        ({"metadata": {3: b""}}, r"metadata kinds are 1 \(ICC\) and 2 \(EXIF\), not 3"),
    ],
)
def test_refusals(fields: dict[str, Any], change: dict[str, Any], text: str) -> None:
    with pytest.raises(ArgumentError, match=text):
        write(**{**fields, **change})


def test_largest_machine_layers(fields: dict[str, Any]) -> None:
    fields["machine"] = [bytes(16383), b"\xff" * 16383]
    reader = Reader(write(**fields))
    assert [reader.machine_layer(0), reader.machine_layer(1)] == fields["machine"]
