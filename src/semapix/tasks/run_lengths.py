"""Masks as COCO writes them: run lengths, column by column, in a short string.

The run-length form of the COCO API (T.-Y. Lin et al., "Microsoft COCO: common objects in context", ECCV 2014).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["RunLengths"]

_FIRST = 48  # the character "0": five bits of a number and whether more follow
_MORE = 32


@dataclass(frozen=True)
class RunLengths:
    """A mask of a picture. `counts`: how many pixels are off, on, off, ... down the columns, from the left one on."""

    width: int
    height: int
    counts: Sequence[int]

    @classmethod
    def of(cls, mask: NDArray[np.bool_], left: int, top: int, width: int, height: int) -> RunLengths:
        """The runs of `mask`, bool (h, w), whose upper left corner lies at (left, top) of a picture of a size."""
        columns = np.zeros((mask.shape[1], height), bool)
        columns[:, top : top + mask.shape[0]] = mask.T
        flat = columns.ravel()
        changes = np.flatnonzero(np.diff(flat, prepend=False, append=False)) + left * height
        counts = np.diff(changes, prepend=0, append=width * height).tolist()
        return cls(width, height, counts if counts[-1] else counts[:-1])

    @property
    def area(self) -> int:
        """How many pixels are on."""
        return sum(self.counts[1::2])

    def decode(self) -> NDArray[np.bool_]:
        """The mask, bool (height, width)."""
        states = np.arange(len(self.counts)) % 2 == 1
        mask: NDArray[np.bool_] = np.repeat(states, self.counts).reshape(self.width, self.height).T
        return mask

    def to_coco(self) -> dict[str, object]:
        """`size` ([height, width]) and `counts`, a string: differences of every second count, five bits a letter."""
        return {"size": [self.height, self.width], "counts": "".join(map(self._letters, range(len(self.counts))))}

    def _letters(self, place: int) -> str:
        value = self.counts[place] - (self.counts[place - 2] if place > 2 else 0)
        letters = ""
        while True:
            bits, value = value & 31, value >> 5
            done = value == (-1 if bits & 16 else 0)
            letters += chr(_FIRST + bits + (0 if done else _MORE))
            if done:
                return letters
