"""Detection and instance segmentation: what a dense detector says of a picture, to objects with boxes and masks.

One place of the feature maps speaks for one object: its class, the distances of the four sides of its box, how central
the place is in it (Z. Tian, C. Shen, H. Chen, T. He, "FCOS: fully convolutional one-stage object detection", ICCV
2019), and how to mix prototypes of masks (D. Bolya, C. Zhou, F. Xiao, Y. J. Lee, "YOLACT: real-time instance
segmentation", ICCV 2019).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semapix.tasks.run_lengths import RunLengths

__all__ = ["Answers", "Detection", "Detections", "Frame", "find_objects", "places"]

Array = NDArray[np.float32]

_CANDIDATES = 1000  # places that are looked at, best first
_OVERLAP = 0.6  # of boxes, above which the weaker one goes
_SMALLEST = 1e-3  # side of a box, as a share of a pixel: no box is empty


@dataclass(frozen=True)
class Detection:
    """An object that was found.

    `score`: 0 to 1. `box`: x0, y0, x1, y1 in pixels of the picture, x to the right and y down; the upper left corner of
    the picture is (0, 0). `mask`: its pixels, where the task tells them.
    """

    name: str
    score: float
    box: tuple[float, float, float, float]
    mask: RunLengths | None = field(default=None, repr=False)


class Detections(list[Detection]):
    """Objects of one picture, best first: a list, and `task`, the name of the task that gave them."""

    def __init__(self, found: Iterable[Detection], task: str) -> None:
        super().__init__(found)
        self.task = task


@dataclass(frozen=True)
class Frame:
    """How a picture lies in what a detector sees: `width` x `height` pixels of it, from its upper left corner on, show
    the whole picture of `picture_width` x `picture_height` pixels."""

    width: int
    height: int
    picture_width: int
    picture_height: int


@dataclass(frozen=True, eq=False)
class Answers:
    """What a detector says of N places, those of `places`.

    `classes`: logits (N, classes). `sides`: (N, 4), how far the left, upper, right and lower side of the box are from
    the place, in pixels of the frame. `central`: logits (N,). `mixture`: (N, P). `prototypes`: (P, h, w), at every
    `prototype_stride`-th pixel.
    """

    classes: Array
    sides: Array
    central: Array
    mixture: Array
    prototypes: Array
    prototype_stride: int


def places(height: int, width: int, strides: Sequence[int]) -> Array:
    """The places (N, 2), x and y in pixels, of maps with `strides` over a frame: middles of their cells, row by row."""
    maps = []
    for stride in strides:
        rows, columns = -(-height // stride), -(-width // stride)
        y, x = np.mgrid[0:rows, 0:columns]
        maps.append(np.stack([x.ravel(), y.ravel()], axis=1) * stride + stride / 2)
    return np.concatenate(maps).astype(np.float32)


def find_objects(
    answers: Answers,
    at: Array,
    frame: Frame,
    names: Sequence[str],
    task: str,
    *,
    masks: bool,
    least: float,
    top: int,
    distinct: bool,
) -> Detections:
    """The objects of a picture, at most `top`, whose score is at least `least`, best first.

    `at`: the places (N, 2) of the answers. `names`: of the first classes; others are left out. `masks`: whether to tell
    masks. `distinct`: of boxes that nearly coincide only the best is told, whatever its class; otherwise the best of
    each class, all guesses, as measures of average precision want. A score is the root of the probability of the class
    times that of being central.
    """
    shares = _sigmoid(answers.classes[:, : len(names)]) * _sigmoid(answers.central)[:, None]
    scores = np.sqrt(shares)
    flat = np.flatnonzero(scores >= least)
    flat = flat[np.argsort(-scores.ravel()[flat], kind="stable")[:_CANDIDATES]]
    place, label = np.divmod(flat, len(names))
    boxes = np.concatenate([at[place] - answers.sides[place, :2], at[place] + answers.sides[place, 2:]], axis=1)
    limits = np.array([frame.width, frame.height] * 2, np.float32)
    boxes = boxes.clip(0, limits)
    kept = _suppressed(boxes, np.zeros_like(label) if distinct else label, top)
    stretch = np.array([frame.picture_width / frame.width, frame.picture_height / frame.height] * 2)
    found = []
    for i in kept:
        x0, y0, x1, y1 = (float(side) for side in boxes[i] * stretch)
        box = (x0, y0, max(x1, x0 + _SMALLEST), max(y1, y0 + _SMALLEST))
        mask = _mask(answers, place[i], box, frame) if masks else None
        found.append(Detection(names[label[i]], float(scores.ravel()[flat[i]]), box, mask))
    return Detections(found, task)


def _sigmoid(logits: Array) -> Array:
    return 1 / (1 + np.exp(-logits.clip(-60, 60)))


def _suppressed(boxes: Array, label: NDArray[np.intp], top: int) -> list[int]:
    """Which of boxes (n, 4), best first, stay when those that overlap a better one of their label go; at most `top`."""
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    alive = np.ones(len(boxes), bool)
    kept: list[int] = []
    for i in range(len(boxes)):
        if len(kept) == top:
            break
        if not alive[i]:
            continue
        kept.append(i)
        corner = np.minimum(boxes[i, 2:], boxes[:, 2:]) - np.maximum(boxes[i, :2], boxes[:, :2])
        shared = np.prod(corner.clip(0), axis=1)
        overlap = shared / (area[i] + area - shared + 1e-9)
        alive &= (overlap <= _OVERLAP) | (label != label[i])
    return kept


def _mask(answers: Answers, place: int, box: tuple[float, float, float, float], frame: Frame) -> RunLengths:
    """The mask of a place inside of its box, at the picture's size."""
    width, height = frame.picture_width, frame.picture_height
    left, top = min(int(box[0]), width - 1), min(int(box[1]), height - 1)
    right, bottom = min(int(np.ceil(box[2])), width), min(int(np.ceil(box[3])), height)
    logits = np.tensordot(answers.mixture[place], answers.prototypes, axes=1).astype(np.float32)
    # From pixels of the picture to cells of the prototypes.
    across = frame.width / width / answers.prototype_stride
    down = frame.height / height / answers.prototype_stride
    part = (left * across, top * down, min(right * across, logits.shape[1]), min(bottom * down, logits.shape[0]))
    enlarged = Image.fromarray(logits).resize((right - left, bottom - top), Image.Resampling.BILINEAR, part)
    return RunLengths.of(np.asarray(enlarged) > 0, left, top, width, height)
