"""A head: label spaces of a user's own, taught to one model, as one small file (`.spxh`, docs/teaching.md)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semapix.archive import Archive, ArchiveKind, save_archive
from semapix.errors import ArgumentError, BrokenHead
from semapix.tasks.calibration import fit_temperature
from semapix.tasks.classification import Task
from semapix.tasks.linear import LinearClassifier, fit_linear
from semapix.tasks.novelty import evidence_quantiles

__all__ = ["Head", "TaughtTask", "teach_task"]

_KIND = ArchiveKind("head", 1, ("model", "model_fingerprint", "tasks", "taught"), BrokenHead, ArgumentError)
_ARRAYS = ("mean", "scale", "weights", "bias")


@dataclass(frozen=True, eq=False)
class TaughtTask:
    """One task of a head.

    `pictures`: how many it was taught with. `accuracy`: the share of them, 0 to 1, whose label was the most probable
    one to a classifier that had learned from the other four fifths (five-fold cross-validation). `guessing`: the share
    of the most frequent label.
    """

    task: Task
    classifier: LinearClassifier
    pictures: int
    accuracy: float
    guessing: float


def teach_task(
    name: str, names: Sequence[str], layers: int, features: NDArray[np.float32], labels: NDArray[np.int64]
) -> TaughtTask:
    """Train a linear head on decoded features; temperature and evidence come from what cross-validation holds out.

    `names`: the label space. `layers`: how many machine layers `features` (N, C, h, w) come from. `labels`: (N,), 0 to
    classes - 1. Raises ArgumentError for less than ten examples, or a single class.
    """
    found = fit_linear(features.reshape(len(features), -1), labels, len(names))
    accuracy, guessing = float(np.mean(found.held_out.argmax(1) == labels)), np.bincount(labels).max() / len(labels)
    temperature = fit_temperature(found.held_out, labels)
    evidence = evidence_quantiles(found.held_out)
    task = Task(name, list(names), layers, features.shape[1], f"head.{name}", temperature, evidence)
    return TaughtTask(task, found.classifier, len(features), accuracy, float(guessing))


@dataclass(frozen=True, eq=False)
class Head:
    """Tasks that were taught to a model: made by `semapix.teach`, kept in a `.spxh` file, used by `look(head=...)`.

    `model`: name of the model. `fingerprint`: its 32 bytes; a head fits the files of this model alone.
    `tasks`: what was taught, by name.
    """

    model: str
    fingerprint: bytes
    tasks: Mapping[str, TaughtTask]

    def find(self, task: str | None = None) -> Task:
        """The task called `task`; the finest if None. Raises ArgumentError, listing the names that there are."""
        return Task.find([asdict(taught.task) for taught in self.tasks.values()], task, "this head")

    def scores(self, task: str, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits (classes,) of a task from the decoded features (C, h, w) of the machine layers that it reads.

        Raises ArgumentError when features are not those of the head's model.
        """
        classifier = self.tasks[task].classifier
        if features.size != len(classifier.mean):
            raise ArgumentError(
                f"features {features.shape} must hold the {len(classifier.mean)} numbers of task {task}"
            )
        return classifier.scores(features.reshape(1, -1))[0]

    def check(self, fingerprint: bytes, model: str) -> None:
        """Raises ArgumentError, naming both models, unless `fingerprint` is the start of that of the head's model.

        `model`: the name of the one whose fingerprint begins so.
        """
        if not self.fingerprint.startswith(fingerprint):
            mine = self.fingerprint[: len(fingerprint)].hex()
            raise ArgumentError(
                f"the head was taught for model {self.model} ({mine}), the file was made with {model} "
                f"({fingerprint.hex()}); encode the picture again with {self.model}, or teach another head"
            )

    def save(self, path: str | PathLike[str], *, force: bool = False) -> None:
        """Write the head as a file. Raises OutputError when `path` exists, unless `force`."""
        manifest = {
            "model": self.model,
            "model_fingerprint": self.fingerprint.hex(),
            "tasks": [asdict(taught.task) for taught in self.tasks.values()],
            "taught": {
                name: {"pictures": taught.pictures, "accuracy": taught.accuracy, "guessing": taught.guessing}
                for name, taught in self.tasks.items()
            },
        }
        arrays = {t.task.head: {key: getattr(t.classifier, key) for key in _ARRAYS} for t in self.tasks.values()}
        save_archive(path, _KIND, manifest, {}, arrays, force=force)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Head:
        """Read a file that `save` wrote. Raises BrokenHead when it is none, ArgumentError when it does not exist."""
        archive = Archive(path, _KIND)
        try:
            tasks = {name: _read_task(archive, name) for name in (entry["name"] for entry in archive.manifest["tasks"])}
            fingerprint = bytes.fromhex(archive.manifest["model_fingerprint"])
            if not tasks or len(fingerprint) != 32:
                raise ValueError("it needs a task, and a fingerprint of 32 bytes")
        except BrokenHead:
            raise
        except Exception as error:  # of a manifest that someone wrote by hand, whatever that gives
            raise BrokenHead(f"{archive.path}: not an intact head ({error})") from None
        return cls(str(archive.manifest["model"]), fingerprint, tasks)


def _read_task(archive: Archive, name: str) -> TaughtTask:
    """One task of a file, with shapes and ranges checked; raises ValueError and its like for what does not fit."""
    task = Task.find(archive.manifest["tasks"], name)
    facts: dict[str, Any] = archive.manifest["taught"][name]
    classifier = LinearClassifier(**archive.arrays(task.head))
    size, classes = classifier.weights.shape
    if classes != len(task.labels) or not all(isinstance(label, str) for label in task.labels):
        raise ValueError(f"task {name} has {len(task.labels)} labels for {classes} classes")
    for key, shape in zip(_ARRAYS, ((size,), (size,), (size, classes), (classes,)), strict=True):
        values = getattr(classifier, key)
        if values.shape != shape or values.dtype != np.float32 or not np.isfinite(values).all():
            raise ValueError(f"{key} of task {name} must be finite float32 of shape {shape}")
    if task.layers < 1 or not (math.isfinite(task.temperature) and task.temperature > 0) or not classifier.scale.all():
        raise ValueError(f"task {name} needs a layer, a temperature above 0, and no scale of 0")
    if task.evidence is not None and not (len(task.evidence) > 1 and np.isfinite(task.evidence).all()):
        raise ValueError(f"evidence of task {name} must be finite quantiles, two or more")
    shares = float(facts["accuracy"]), float(facts["guessing"])
    return TaughtTask(task, classifier, int(facts["pictures"]), *shares)
