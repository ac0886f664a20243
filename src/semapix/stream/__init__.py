"""The .spix file as bytes: front header, machine layers, second index, signal layers, metadata.

`write` makes a file; `Reader` reads one lazily, from whatever holds it, whole or cut off anywhere. This room knows no
codec and no image. docs/format.md specifies every byte.
"""

from __future__ import annotations

from semapix.stream._header import HEADER_LIMIT, FrontHeader
from semapix.stream._index import EXIF, ICC, metadata_name
from semapix.stream._layout import CutPoint, LayerInfo
from semapix.stream._reader import Reader
from semapix.stream._source import SourceLike
from semapix.stream._writer import write

__all__ = [
    "EXIF",
    "HEADER_LIMIT",
    "ICC",
    "CutPoint",
    "FrontHeader",
    "LayerInfo",
    "Reader",
    "SourceLike",
    "metadata_name",
    "write",
]
