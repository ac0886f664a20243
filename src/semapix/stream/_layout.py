"""Where the parts of a file stand."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

__all__ = ["CutPoint", "LayerInfo"]


@dataclass(frozen=True)
class CutPoint:
    """A place to cut a file at: a prefix that ends there decodes to more than any shorter one."""

    name: str
    """The part that ends there: a layer ("s2"), a sub-layer ("s9.2" is the second one of s9), or a metadata record."""
    bytes: int
    """Bytes from the beginning of the file up to there: the size of the prefix."""


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

    @property
    def cut_points(self) -> list[CutPoint]:
        """The ends of its sub-layers, whether they are there or not; a layer of one sub-layer ends as a whole."""
        if len(self.sublayers) == 1:
            return [CutPoint(self.name, self.end)]
        ends = accumulate(self.sublayers, initial=self.offset)
        next(ends)  # where the first one begins
        return [CutPoint(f"{self.name}.{number}", end) for number, end in enumerate(ends, start=1)]
