"""Linear probes on a model's features: the features of all pictures and the probes' answers go through the journal."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from semapix.evaluation.datasets import LabelSpace, TestPicture, squeezed
from semapix.evaluation.experiments._run import Run
from semapix.evaluation.machine import opened, rank_of
from semapix.evaluation.records import versions
from semapix.evaluation.runner import Failure, Job, Row, run_jobs
from semapix.evaluation.tested import Tested
from semapix.tasks import fit_on_split

__all__ = [
    "KINDS",
    "Answer",
    "MachineFeatures",
    "Question",
    "ask_probes",
    "machine_features",
    "pack",
    "prefix_name",
    "unpack",
]

Array = NDArray[np.float32]
Kind: TypeAlias = Literal["decoded", "uncoded"]

KINDS: tuple[Kind, Kind] = ("decoded", "uncoded")
"""Features of the file, and those of the picture itself."""


@dataclass(frozen=True, eq=False)
class MachineFeatures:
    """What all machine layers of some pictures hold.

    `pictures`: those that could be coded, N. `channels`: how many leading channels the first one, two, ... machine
    layers give. `sizes`: bytes of the file behind these layers, front header included, (N, layers). `decoded`: features
    of the file, `uncoded`: of the picture, both float32 (N, C, h, w).
    """

    pictures: Sequence[TestPicture]
    channels: Sequence[int]
    sizes: NDArray[np.int64]
    decoded: Array
    uncoded: Array

    def first(self, channels: int, kind: Kind) -> Array:
        """The first `channels` channels, flat, (N, F)."""
        whole = self.decoded if kind == "decoded" else self.uncoded
        return whole[:, :channels].reshape(len(whole), -1)

    def layers_of(self, channels: int) -> int:
        """How many layers must be read for so many channels."""
        return next(number for number, given in enumerate(self.channels, start=1) if given >= channels)

    def labels(self, space: LabelSpace) -> NDArray[np.int64]:
        """The true labels in a label space, (N,)."""
        return np.array([picture.columns[space.column] for picture in self.pictures], np.int64)


@dataclass(frozen=True)
class _Work:
    picture: TestPicture
    model: Path
    side: int | None


def machine_features(
    pictures: Sequence[TestPicture], codec: Tested, run: Run, title: str, side: int | None = None
) -> tuple[MachineFeatures, list[Failure]]:
    """Code the machine layers of every picture to a file; what they decode to, and what was not coded.

    `side`: pictures are squeezed to a square of so many pixels first. Features are kept in half precision.
    """
    assert codec.model is not None
    jobs = [
        Job(
            f"{picture.name}, {codec.name}",
            _Work(picture, codec.model, side),
            ["machine features", codec.depends, picture.name, picture.digest, side],
        )
        for picture in pictures
    ]
    outcome = run_jobs(jobs, _code, run.journal, processes=run.processes, title=title)
    named = {picture.name: picture for picture in pictures}
    rows = outcome.rows
    return MachineFeatures(
        [named[row["picture"]] for row in rows],
        rows[0]["channels"] if rows else (),
        np.array([row["sizes"] for row in rows], np.int64),
        unpack([row["decoded"] for row in rows]),
        unpack([row["uncoded"] for row in rows]),
    ), list(outcome.failures)


def _code(task: _Work) -> list[Row]:
    coder = opened(task.model)
    pixels = squeezed(task.picture, task.side)
    coded = coder.encode(pixels)
    prefixes = range(1, coder.layers + 1)
    decoded = [coder.features(coded, layers) for layers in prefixes]
    return [
        {
            "picture": task.picture.name,
            "channels": [len(features) for features in decoded],
            "sizes": [coder.prefix_bytes(coded, layers) for layers in prefixes],
            "decoded": pack(decoded[-1]),
            "uncoded": pack(coder.uncoded_features(pixels)),
        }
    ]


def pack(features: Array) -> dict[str, Any]:
    """Features of one picture for the journal: their shape, and half-precision numbers in base 64."""
    return {"shape": features.shape, "float16": base64.b64encode(features.astype("<f2").tobytes()).decode()}


def unpack(packed: Sequence[Mapping[str, Any]]) -> Array:
    """Features of N pictures, float32 (N, C, h, w), from what `pack` made of each."""
    shape = packed[0]["shape"] if packed else (0, 0, 0)
    numbers = b"".join(base64.b64decode(one["float16"]) for one in packed)
    return np.frombuffer(numbers, "<f2").astype(np.float32).reshape(len(packed), *shape)


@dataclass(frozen=True, eq=False)
class Question:
    """What a probe learns and what it is asked. `name`: of its own among those that are asked together.

    `learned` (N, F) with `labels` (N,); `asked` (M, F) with the true labels `truth` (M,); 0 to `classes` - 1.
    """

    name: str
    classes: int
    learned: Array
    labels: NDArray[np.int64]
    asked: Array
    truth: NDArray[np.int64]


@dataclass(frozen=True)
class Answer:
    """For each example: `ranks`, the position of its true label among all; `best`, the label that comes first."""

    ranks: Sequence[int]
    best: Sequence[int]


def ask_probes(questions: Sequence[Question], run: Run) -> tuple[dict[str, Answer], list[Failure]]:
    """Train a probe for each question, and the answers by the questions' names."""
    kept = versions(("semapix", "numpy"))
    jobs = [Job(f"probe, {question.name}", question, ["probe", kept, _digest(question)]) for question in questions]
    outcome = run_jobs(jobs, _ask, run.journal, processes=run.processes, title="probes")
    failed = {failure.name for failure in outcome.failures}
    asked = [question.name for job, question in zip(jobs, questions, strict=True) if job.name not in failed]
    return {name: Answer(row["ranks"], row["best"]) for name, row in zip(asked, outcome.rows, strict=True)}, list(
        outcome.failures
    )


def _digest(question: Question) -> str:
    whole = sha256(str(question.classes).encode())
    for array in (question.learned, question.labels, question.asked, question.truth):
        whole.update(str(array.shape).encode() + np.ascontiguousarray(array).tobytes())
    return whole.hexdigest()


def _ask(question: Question) -> list[Row]:
    scores = fit_on_split(question.learned, question.labels, question.classes).scores(question.asked)
    ranks = [rank_of(label, own) for label, own in zip(question.truth.tolist(), scores, strict=True)]
    return [{"ranks": ranks, "best": scores.argmax(1).tolist()}]


def prefix_name(layers: int) -> str:
    """How tables call the first layers of a file."""
    return f"s1 to s{layers}" if layers > 1 else "s1"
