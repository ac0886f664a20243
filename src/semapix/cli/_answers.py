"""What a file answers when it is looked at: labels of the picture, or objects in it; for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from semapix.cli._console import table

if TYPE_CHECKING:
    from semapix import Head, Stream
    from semapix.tasks import Detections, Labels

__all__ = ["Answer", "ask"]

_LABELS, _OBJECTS, _SCORE = 5, 100, 0.4


@dataclass(frozen=True)
class Answer:
    """`found`: labels or objects. `values`: what a program gets. `lines`: what people read below the file's name."""

    found: Labels | Detections
    values: dict[str, Any]
    lines: list[str]


def ask(stream: Stream, task: str | None, top: int | None, least: float | None, head: Head | None) -> Answer:
    """Ask a file.

    `top`: how many answers at most; by default 5 labels, or 100 objects. `least`: score of objects, by default 0.4.
    Raises ArgumentError for a score where labels are asked for, which have none.
    """
    from semapix.errors import ArgumentError
    from semapix.tasks import CLASSIFY

    if head is None and stream.task(task).kind != CLASSIFY:
        least = _SCORE if least is None else least
        return _objects(stream.detect(stream.task(task).name, least=least, top=top or _OBJECTS))
    if least is not None:
        raise ArgumentError(f"--least (={least}) is of objects; labels have probabilities: --top says how many to show")
    return _labels(stream.look(task, top or _LABELS, head=head))


def _labels(labels: Labels) -> Answer:
    from semapix.tasks import FOREIGN

    values = {
        "task": labels.task,
        "labels": [{"name": label.name, "probability": label.probability} for label in labels],
        "none_of_these": labels.none_of_these,
    }
    rows = [(label.name, f"{label.probability:.1%}") for label in labels]
    lines = [table([row for row in rows if row[1] != "0.0%"] or rows[:1])]
    if labels.none_of_these is not None:
        verdict = "likely none of these" if labels.none_of_these > FOREIGN else "none of these?"
        lines.append(f"  {verdict}  {labels.none_of_these:.0%} of known pictures fit better")
    return Answer(labels, values, lines)


def _objects(found: Detections) -> Answer:
    values = {
        "task": found.task,
        "objects": [
            {
                "label": thing.name,
                "score": thing.score,
                "box": list(thing.box),
                **({"mask": thing.mask.to_coco()} if thing.mask else {}),
            }
            for thing in found
        ],
    }
    if not found:
        return Answer(found, values, ["  no objects"])
    rows: list[tuple[str, ...]] = [("object", "score", "left", "top", "right", "bottom")]
    rows += [(thing.name, f"{thing.score:.1%}", *(f"{side:.0f}" for side in thing.box)) for thing in found]
    return Answer(found, values, [table(rows)])
