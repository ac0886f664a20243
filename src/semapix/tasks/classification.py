"""Classification: label spaces as data in a bundle or a head, logits to labels with probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semapix.errors import ArgumentError
from semapix.tasks.calibration import probabilities
from semapix.tasks.novelty import none_of_these

__all__ = ["CLASSIFY", "Label", "Labels", "Task", "top_labels"]

CLASSIFY = "classify"
"""The kind of tasks that say what a picture is; as the name of a task, the finest of them."""


@dataclass(frozen=True)
class Label:
    """A label with its probability, 0 to 1."""

    name: str
    probability: float


class Labels(list[Label]):
    """Labels of one picture, best first: a list, with what is known beside them.

    `task`: the name of the task that gave them. `none_of_these`: how foreign the picture is to the label space, the
    share, 0 to 1, of held-out pictures of the labels that fit it better. Pictures of the labels are spread evenly over
    0 to 1, so that 5 % of them lie above 0.95; others tend to lie higher. It is no probability. None when the model or
    the head does not say.
    """

    def __init__(self, labels: Iterable[Label], task: str, none_of_these: float | None = None) -> None:
        super().__init__(labels)
        self.task = task
        self.none_of_these = none_of_these


@dataclass(frozen=True)
class Task:
    """A task as the manifest of a bundle or a head states it (general form of eq. 11 of the scalable paper).

    `labels`: its label space. `layers`: how many leading layers it reads. `channels`: how many channels of their
    features its head takes. `head`: the name of its graph in a bundle, of its arrays in a head. `temperature`: logits
    are divided by it. `evidence`: 21 quantiles, from 0 to 100 %, of the evidence (`tasks.novelty`) in logits of
    held-out pictures of the labels; None where nobody has measured it.
    """

    name: str
    labels: list[str]
    layers: int
    channels: int
    head: str
    temperature: float
    evidence: list[float] | None = None
    kind: str = CLASSIFY

    @classmethod
    def find(cls, tasks: Sequence[Mapping[str, Any]], name: str | None = None, whose: str = "this model") -> Task:
        """The task called `name`, or, for None and `classify`, the finest classification: the last of those that read
        the most layers.

        Raises ArgumentError, listing the names that there are; `whose`: what the tasks belong to, for the message.
        """
        for task in tasks:
            if task["name"] == name:
                return cls(**task)
        if name in (None, CLASSIFY):
            finest = [task for task in tasks if task.get("kind", CLASSIFY) == CLASSIFY]
            return cls(**max(reversed(finest), key=lambda task: int(task["layers"])))
        names = ", ".join(task["name"] for task in tasks)
        raise ArgumentError(f"no task is called {name!r}; {whose} has: {names}")


def top_labels(task: Task, scores: NDArray[np.float32], top: int) -> Labels:
    """The `top` most probable labels, best first.

    `scores`: logits (classes,). Raises ArgumentError unless 1 <= top.
    """
    if index(top) < 1:
        raise ArgumentError(f"top (={top}) must be 1 or more")
    shares = probabilities(scores, task.temperature)
    best = np.argsort(-shares, kind="stable")[:top]
    foreign = None if task.evidence is None else none_of_these(scores, task.evidence)
    return Labels([Label(task.labels[i], float(shares[i])) for i in best], task.name, foreign)
