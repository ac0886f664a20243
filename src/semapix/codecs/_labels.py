"""The label layer of pre-semantic files: what the encoder, or its user, says is in the picture, in a few bytes.

A label is its group, then its class within the group, so that a reader may stop at "there is an animal"; a label may
also stop there itself. Each has a probability of four bits. The layer is one whole number in mixed radix: the number of
labels, then for each the group, the class (0 for none), the probability. The radices follow from the label space alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from semapix.errors import CorruptLayer

__all__ = ["MOST_LABELS", "LabelSpace", "StatedLabel"]

MOST_LABELS = 5
"""No layer holds more labels."""

_SHARES = 2.0 ** (-0.5 * np.arange(16))  # probabilities that four bits can state, 1 to 1/181
_TIE = 1e-3
_LEAST = 1e-6  # of a class that no label names


@dataclass(frozen=True)
class StatedLabel:
    """A label of a layer: its group, its class in the whole label space (None: the group alone), its probability."""

    group: int
    fine: int | None
    share: float


@dataclass(frozen=True)
class LabelSpace:
    """`groups`: how many there are. `parents`: the group of each class."""

    groups: int
    parents: tuple[int, ...]

    @cached_property
    def _members(self) -> list[list[int]]:
        """Classes of each group."""
        return [[fine for fine, parent in enumerate(self.parents) if parent == group] for group in range(self.groups)]

    def best(self, shares: NDArray[np.float64]) -> list[StatedLabel]:
        """The classes of highest probability, best first; `shares`: of each class."""
        order = np.argsort(-shares, kind="stable")[:MOST_LABELS]
        stated = [StatedLabel(self.parents[fine], int(fine), float(shares[fine])) for fine in order]
        # What four bits round to their smallest step says no more than leaving it out.
        return [label for label in stated if label.share > _SHARES[-1]] or stated[:1]

    def pack(self, labels: Sequence[StatedLabel]) -> bytes:
        """The layer of at most `MOST_LABELS` labels."""
        number = 0
        for label in reversed(labels):
            members = self._members[label.group]
            level = int(np.argmin(np.abs(np.log2(_SHARES) - np.log2(max(label.share, _LEAST)))))
            number = number * len(_SHARES) + level
            number = number * (len(members) + 1) + (0 if label.fine is None else members.index(label.fine) + 1)
            number = number * self.groups + label.group
        number = number * (MOST_LABELS + 1) + len(labels)
        return number.to_bytes(-(-number.bit_length() // 8), "little")

    def unpack(self, payload: bytes) -> list[StatedLabel]:
        """The labels of a layer. Raises CorruptLayer for bytes that `pack` does not write."""
        number, count = divmod(int.from_bytes(payload, "little"), MOST_LABELS + 1)
        labels = []
        for _ in range(count):
            number, group = divmod(number, self.groups)
            members = self._members[group]
            number, position = divmod(number, len(members) + 1)
            number, level = divmod(number, len(_SHARES))
            labels.append(StatedLabel(group, members[position - 1] if position else None, float(_SHARES[level])))
        if number or payload.endswith(b"\0"):
            raise CorruptLayer(f"a label layer of {len(payload)} bytes holds more than its {count} labels")
        return labels

    def shares(self, labels: Sequence[StatedLabel]) -> NDArray[np.float64]:
        """The probability of each class: that of the labels; what they leave is spread evenly over the others.

        Of labels of the same probability, the one that is stated first gets a little more.
        """
        named = {label.fine: label.share * (1 - _TIE * i) for i, label in enumerate(labels) if label.fine is not None}
        shares = np.full(len(self.parents), 0.0)
        for fine, share in named.items():
            shares[fine] = share
        for label in labels:
            members = [fine for fine in self._members[label.group] if fine not in named]
            if label.fine is None:  # what no other label has taken of it; with all taken, of all
                members = members or self._members[label.group]
                shares[members] += label.share / len(members)
        others = shares == 0.0
        if others.any():
            shares[others] = max(1.0 - shares.sum(), _LEAST * others.sum()) / others.sum()
        return shares / shares.sum()
