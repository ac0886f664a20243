"""Which found objects are right, picture by picture: average precision of any choice of pictures, for intervals.

The rules are those of COCO (see detection.py), whatever the class, at one overlap: results by falling score, each takes
the object that it overlaps most of those that none has taken. `average_precision` counts the same for all pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from semapix.evaluation._extra import extra

__all__ = ["Matched", "match", "precision_of"]

_RESULTS = 100  # of a picture
_RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True, eq=False)
class Matched:
    """One picture. `scores`, `right`: of its results (n,), best first; `count`: how many objects it has."""

    scores: NDArray[np.float64]
    right: NDArray[np.bool_]
    count: int


def match(
    things: Sequence[Mapping[str, Any]],
    results: Sequence[Mapping[str, Any]],
    size: tuple[int, int],
    kind: Literal["box", "mask"],
    overlap: float = 0.5,
) -> Matched:
    """Results of a picture of a size (width, height) against its objects, both as `average_precision` takes them."""
    masks = extra("faster_coco_eval.core.mask", "average precision")
    best = sorted(results, key=lambda result: -result["score"])[:_RESULTS]
    crowds = np.array([bool(thing.get("iscrowd", 0)) for thing in things], bool)
    shared = np.zeros((len(best), len(things)))
    if best and things:
        width, height = size
        outlines = [
            [
                list(map(float, entry["bbox"]))
                if kind == "box"
                else masks.segmToRle(entry["segmentation"], width, height)
                for entry in entries
            ]
            for entries in (best, things)
        ]
        shared = np.asarray(masks.iou(*outlines, [int(crowd) for crowd in crowds])).reshape(len(best), len(things))
    free = np.ones(len(things), bool)
    scores, right = [], []
    for result, row in zip(best, shared, strict=True):
        hits = np.flatnonzero((row >= overlap) & free & ~crowds)
        if len(hits):
            free[hits[len(hits) - 1 - row[hits][::-1].argmax()]] = False  # of equal ones the last, as the library does
        elif (row[crowds] >= overlap).any():
            continue
        scores.append(float(result["score"]))
        right.append(bool(len(hits)))
    return Matched(np.array(scores), np.array(right, bool), int((~crowds).sum()))


def precision_of(pictures: Sequence[Matched]) -> float:
    """Average precision, 0 to 1, over 101 recalls; NaN when the pictures hold no object."""
    count = sum(picture.count for picture in pictures)
    if count == 0:
        return float("nan")
    scores = np.concatenate([picture.scores for picture in pictures])
    right = np.concatenate([picture.right for picture in pictures])[np.argsort(-scores, kind="stable")]
    hits = np.cumsum(right)
    precision = hits / np.arange(1, len(hits) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    place = np.searchsorted(hits / count, _RECALLS, side="left")
    return float(np.append(precision, 0.0)[np.minimum(place, len(precision))].mean())
