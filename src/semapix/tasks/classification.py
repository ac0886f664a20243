"""Classification: label spaces as data in a bundle, logits to labels with probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semapix.errors import ArgumentError

__all__ = ["Label", "Task", "top_labels"]


@dataclass(frozen=True)
class Label:
    """A label with its probability, 0 to 1."""

    name: str
    probability: float


@dataclass(frozen=True)
class Task:
    """A task as a bundle's manifest states it (general form of eq. 11 of the scalable paper).

    `labels`: its label space. `layers`: how many leading layers it reads. `channels`: how many channels of their
    features its head takes. `head`: the name of the head's graph. `temperature`: logits are divided by it.
    """

    name: str
    labels: list[str]
    layers: int
    channels: int
    head: str
    temperature: float

    @classmethod
    def find(cls, tasks: Sequence[Mapping[str, Any]], name: str) -> Task:
        """The task called `name`. Raises ArgumentError, listing the names that there are."""
        for task in tasks:
            if task["name"] == name:
                return cls(**task)
        names = ", ".join(task["name"] for task in tasks)
        raise ArgumentError(f"no task is called {name!r}; this model has: {names}")


def top_labels(task: Task, scores: NDArray[np.float32], top: int) -> list[Label]:
    """The `top` most probable labels, best first.

    `scores`: logits (classes,). Raises ArgumentError unless 1 <= top.
    """
    if top < 1:
        raise ArgumentError(f"top (={top}) must be 1 or more")
    scaled = scores.astype(np.float64) / task.temperature
    shares = np.exp(scaled - scaled.max())
    shares /= shares.sum()
    best = np.argsort(-shares, kind="stable")[:top]
    return [Label(task.labels[i], float(shares[i])) for i in best]
