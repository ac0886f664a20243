"""One small file that has everything, for all tests of this room."""

from __future__ import annotations

from typing import Any

import pytest

from semapix.stream import EXIF, ICC, write


@pytest.fixture
def fields() -> dict[str, Any]:
    """Arguments of `write`: 2 machine layers, 3 signal layers (with an empty sub-layer), both kinds of metadata."""
    return {
        "codec": 1,
        "quality": 5,
        "fingerprint": b"\xc0\xff\xee\x42",
        "width": 640,
        "height": 480,
        "machine": [b"what it is, coarsely", b"what it is, finely"],
        "signal": [[b"shapes"], [b"edges", b"", b"grain"], [b"everything else" * 3]],
        "metadata": {EXIF: b"Exif\0\0camera", ICC: b"profile"},
    }


@pytest.fixture
def file(fields: dict[str, Any]) -> bytes:
    """The file of `fields`."""
    return write(**fields)
