"""The label layer of pre-semantic files: what the encoder, or its user, says is in the picture, in a few bytes.

A label is its group, then its class within the group, so that a reader may stop at "there is an animal"; a label may
also stop there itself. Each has a probability of four bits. The layer is one whole number in mixed radix: the number of
labels, then for each the group, the class (0 for none), the probability. The radices follow from the label space alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semapix.errors import ArgumentError, CorruptLayer
from semapix.tasks import Task, probabilities

__all__ = ["MOST_LABELS", "LabelLayer", "LabelSpace", "StatedLabel"]

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


class LabelLayer:
    """The label layer of a model with the tasks `coarse` and `fine`; a group's probability is that of its classes.

    `manifest`: the model's, with `name`, `tasks` and `parents`.
    """

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        self._model, self._tasks = str(manifest["name"]), manifest["tasks"]
        self._coarse, self._fine = (Task.find(self._tasks, name) for name in ("coarse", "fine"))
        self.space = LabelSpace(len(self._coarse.labels), tuple(manifest["parents"]))

    def pack(self, logits: NDArray[np.float32]) -> bytes:
        """The layer of what logits of the classes say."""
        return self.space.pack(self.space.best(self._shares(logits)))

    def named(self, names: Sequence[str]) -> list[StatedLabel]:
        """Labels of the caller's own, all of the same probability. Raises ArgumentError for what is no label."""
        if isinstance(names, str):
            raise ArgumentError(f"labels (={names!r}) must be a list of names, not one string")
        distinct = list(dict.fromkeys(names))
        if not 1 <= len(distinct) <= MOST_LABELS:
            raise ArgumentError(f"labels: 1 to {MOST_LABELS} can be stated, not {len(distinct)}")
        fine, coarse = self._fine.labels, self._coarse.labels
        stated = []
        for name in distinct:
            if name in fine:
                number = fine.index(name)
                stated.append(StatedLabel(self.space.parents[number], number, 1 / len(distinct)))
            elif name in coarse:
                stated.append(StatedLabel(coarse.index(name), None, 1 / len(distinct)))
            else:
                raise ArgumentError(
                    f"label {name!r} is none of the model's; `semapix models --labels {self._model}` lists them"
                )
        return stated

    def features(self, payload: bytes) -> NDArray[np.float32]:
        """The probability of each class that a layer states, float32 (classes, 1, 1)."""
        shares = self.space.shares(self.space.unpack(payload))
        return shares.astype(np.float32)[:, None, None]

    def scores(self, payload: bytes, task: str) -> NDArray[np.float32]:
        """Logits of a task whose probabilities, at the task's temperature, are those that a layer states."""
        wanted = Task.find(self._tasks, task)
        shares = self.space.shares(self.space.unpack(payload))
        return (np.log(self._of_task(wanted, shares)) * wanted.temperature).astype(np.float32)

    def of_logits(self, logits: NDArray[np.float32], task: Task) -> NDArray[np.float32]:
        """Logits of a task from those of the classes."""
        if task.name == self._fine.name:
            return logits
        return np.log(self._of_task(task, self._shares(logits))).astype(np.float32)

    def _shares(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        return probabilities(logits, self._fine.temperature)

    def _of_task(self, task: Task, shares: NDArray[np.float64]) -> NDArray[np.float64]:
        if task.name == self._fine.name:
            return shares
        groups = np.bincount(self.space.parents, shares, self.space.groups) + 1e-9
        return groups.astype(np.float64)
