"""Average precision at an overlap of one half, whatever the class: a figure to tune by while training.

`semapix bench tasks` counts as COCO does; this needs no package that training does without.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from semapix.tasks import Detections

__all__ = ["precision_at_half"]


def precision_at_half(
    found: Sequence[Detections], truth: Sequence[tuple[NDArray[np.float32], NDArray[np.bool_]]]
) -> float:
    """The area under precision over recall of all pictures, 0 to 1; 0 where there is nothing to be found.

    `truth`: of each picture boxes (n, 4) and whether each counts (n,); found boxes that match one that does not count
    are left out.
    """
    rows: list[tuple[float, bool]] = []
    total = 0
    for detections, (boxes, counts) in zip(found, truth, strict=True):
        total += int(counts.sum())
        free = np.ones(len(boxes), bool)
        for detection in detections:
            overlap = _overlaps(np.array(detection.box), boxes)
            hits = np.flatnonzero((overlap >= 0.5) & free & counts)
            if len(hits):
                free[hits[overlap[hits].argmax()]] = False
                rows.append((detection.score, True))
            elif not ((overlap >= 0.5) & ~counts).any():
                rows.append((detection.score, False))
    if not rows or total == 0:
        return 0.0
    rows.sort(key=lambda row: -row[0])
    right = np.cumsum([hit for _, hit in rows])
    precision = right / np.arange(1, len(rows) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float((precision * np.array([hit for _, hit in rows])).sum() / total)


def _overlaps(box: NDArray[np.float64], boxes: NDArray[np.float32]) -> NDArray[np.float64]:
    """Intersection over union of a box (4,) with boxes (n, 4)."""
    corner = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    shared = np.prod(corner.clip(0), axis=1)
    union = np.prod(box[2:] - box[:2]) + np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) - shared
    return np.asarray(shared / np.maximum(union, 1e-9))
