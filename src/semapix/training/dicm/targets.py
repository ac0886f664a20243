"""What the places of a detector should say, and the loss of what they do say.

Assignment and losses are those of FCOS (Z. Tian et al., ICCV 2019) with the middle of boxes sampled; masks as in YOLACT
(D. Bolya et al., ICCV 2019): assembled at the prototypes' size, cut to the box.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from semapix.training.dicm.nets.heads import DenseAnswers

__all__ = ["Assigned", "Truth", "Wanted", "assign", "detection_losses", "map_reach", "wanted"]

_RADIUS = 1.5  # places within so many cells of a box's middle speak for it
_REACH = 8.0  # a map is for boxes with sides up to so many cells; the coarsest for all larger ones
_GAMMA, _ALPHA = 2.0, 0.25
_MOST_MASKS = 48  # places of a batch whose masks are learned from

_LEAST_AREA = 1e-6  # boxes may have shrunk to a line


@dataclass(frozen=True, eq=False)
class Truth:
    """The objects of one scene.

    `boxes`: (n, 4), x0, y0, x1, y1 in pixels. `classes`: int64 (n,); -1 for objects that neither count nor are wrong to
    be found. `masks`: float (n, h, w), 0 or 1, at the prototypes' size; `has_mask`: bool (n,). `known`: how many of the
    classes, from the first on, the scene was searched for.
    """

    boxes: Tensor
    classes: Tensor
    masks: Tensor
    has_mask: Tensor
    known: int


@dataclass(frozen=True, eq=False)
class Assigned:
    """Which object each of N places speaks for. `object`: int64 (N,), -1 for none. `ignored`: bool (N,)."""

    object: Tensor
    ignored: Tensor


def assign(at: Tensor, reach: Tensor, truth: Truth) -> Assigned:
    """The smallest object whose middle a place lies near, and whose size is that of the place's map.

    `at`: (N, 2). `reach`: (N, 3), the stride of each place's map, and the shortest and longest side that it is for.
    """
    count = len(truth.boxes)
    if count == 0:
        nothing = torch.full((len(at),), -1, dtype=torch.long, device=at.device)
        return Assigned(nothing, nothing > 0)
    boxes, x, y = truth.boxes, at[:, None, 0], at[:, None, 1]
    sides = torch.stack([x - boxes[:, 0], y - boxes[:, 1], boxes[:, 2] - x, boxes[:, 3] - y], dim=2)  # (N, n, 4)
    inside = sides.amin(dim=2) > 0
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    near = (torch.stack([x, y], dim=2) - middle).abs().amax(dim=2) < _RADIUS * reach[:, :1]
    longest = sides.amax(dim=2)
    fits = (longest >= reach[:, 1:2]) & (longest < reach[:, 2:])
    area = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
    candidate = torch.where(inside & near & fits, area, torch.inf)
    smallest, index = candidate.min(dim=1)
    chosen = torch.where(smallest < torch.inf, index, -1)
    foreign = (inside & (truth.classes == -1)).any(dim=1)
    counted = (chosen >= 0) & (truth.classes[chosen.clamp(min=0)] >= 0)
    return Assigned(torch.where(counted, chosen, -1), foreign & ~counted)


def map_reach(counts: Sequence[int], strides: Sequence[int]) -> Tensor:
    """For places of maps with `counts` cells: stride, shortest and longest side, (N, 3)."""
    rows, low = [], 0.0
    for number, (count, stride) in enumerate(zip(counts, strides, strict=True)):
        high = _REACH * stride if number + 1 < len(strides) else float("inf")
        rows.append(torch.tensor([[float(stride), low, high]]).expand(count, 3))
        low = high
    return torch.cat(rows)


class Wanted(NamedTuple):
    """What the N places of each scene of a batch should say; P of all B * N places speak for an object.

    `place`: int64 (P,), positions among all places, in order. `label`: int64 (P,). `sides`: (P, 4), of the box around
    each. `ignored`: bool (B, N), places that may say what they want. `known`: int64 (B,), how many classes each scene
    was searched for. `mask_place`: int64 (M,), those of `place` whose masks are learned from, of at most 48 of them;
    `mask_boxes`: (M, 4); `masks`: (M, h, w).
    """

    place: Tensor
    label: Tensor
    sides: Tensor
    ignored: Tensor
    known: Tensor
    mask_place: Tensor
    mask_boxes: Tensor
    masks: Tensor


def wanted(truths: Sequence[Truth], at: Tensor, reach: Tensor) -> Wanted:
    """What places `at` (N, 2) should say of scenes, one by one; `reach`: see `assign`. For the processor."""
    found = [assign(at, reach, truth) for truth in truths]
    speaks = [torch.nonzero(assigned.object >= 0)[:, 0] for assigned in found]
    things = [assigned.object[places] for assigned, places in zip(found, speaks, strict=True)]
    boxes = torch.cat([truth.boxes[thing] for truth, thing in zip(truths, things, strict=True)])
    own = torch.cat([at[places] for places in speaks])
    place = torch.cat([number * len(at) + places for number, places in enumerate(speaks)])
    masked = torch.cat([truth.has_mask[thing] for truth, thing in zip(truths, things, strict=True)])
    pairs = torch.nonzero(masked)[:, 0]
    if len(pairs):
        pairs = pairs[torch.linspace(0, len(pairs) - 1, min(len(pairs), _MOST_MASKS)).long()]
    scenes = (place[pairs] // len(at)).tolist()
    masks = [truths[scene].masks[thing] for scene, thing in zip(scenes, torch.cat(things)[pairs], strict=True)]
    return Wanted(
        place,
        torch.cat([truth.classes[thing] for truth, thing in zip(truths, things, strict=True)]),
        torch.cat([own - boxes[:, :2], boxes[:, 2:] - own], dim=1),
        torch.stack([assigned.ignored for assigned in found]),
        torch.tensor([truth.known for truth in truths]),
        place[pairs],
        boxes[pairs],
        torch.stack(masks) if masks else truths[0].masks[:0],
    )


def detection_losses(answers: DenseAnswers, target: Wanted, prototype_stride: int) -> dict[str, Tensor]:
    """Losses of a batch: `classes` (focal), `boxes` (generalised IoU), `central`, `masks`."""
    classes, sides, central, mixture, prototypes = (x.float() for x in answers)
    right = torch.zeros_like(classes).flatten(0, 1)
    right[target.place, target.label] = 1.0
    searched = torch.arange(classes.shape[2], device=classes.device) < target.known[:, None, None]
    weight = searched & ~target.ignored[:, :, None]
    positive = max(1, len(target.place))
    losses = {"classes": (_focal(classes, right.view_as(classes)) * weight).sum() / positive}

    middle = _centrality(target.sides)
    overlap = _generalised_overlap(sides.flatten(0, 1)[target.place], target.sides)
    losses["boxes"] = (middle * (1 - overlap)).sum() / (middle.sum() + 1e-6)
    said = central.flatten()[target.place]
    losses["central"] = functional.binary_cross_entropy_with_logits(said, middle, reduction="sum") / positive
    losses["masks"] = _mask_loss(mixture, prototypes, target, prototype_stride)
    return losses


def _focal(logits: Tensor, right: Tensor) -> Tensor:
    """T.-Y. Lin et al., "Focal loss for dense object detection" (ICCV 2017)."""
    share = torch.sigmoid(logits)
    missed = functional.binary_cross_entropy_with_logits(logits, right, reduction="none")
    hit = share * right + (1 - share) * (1 - right)
    return (_ALPHA * right + (1 - _ALPHA) * (1 - right)) * (1 - hit) ** _GAMMA * missed


def _centrality(sides: Tensor) -> Tensor:
    """1 in the middle of a box, 0 on its edge."""
    across, down = sides[:, 0::2], sides[:, 1::2]
    longest = (across.amax(1) * down.amax(1)).clamp(min=_LEAST_AREA)
    return (across.amin(1) * down.amin(1) / longest).clamp(min=0).sqrt()


def _generalised_overlap(sides: Tensor, wanted: Tensor) -> Tensor:
    """Generalised IoU, -1 to 1, of boxes around the same places, both given by their sides (n, 4)."""

    def area(x: Tensor) -> Tensor:
        return (x[:, 0] + x[:, 2]) * (x[:, 1] + x[:, 3])

    shared, hull = area(torch.minimum(sides, wanted)), area(torch.maximum(sides, wanted))
    union = (area(sides) + area(wanted) - shared).clamp(min=_LEAST_AREA)
    return shared / union - (hull - union) / hull.clamp(min=_LEAST_AREA)


def _mask_loss(mixture: Tensor, prototypes: Tensor, target: Wanted, stride: int) -> Tensor:
    """Cross entropy inside of boxes, relative to their areas."""
    height, width = prototypes.shape[2:]
    y = torch.arange(height, device=prototypes.device)[:, None] * stride + stride / 2
    x = torch.arange(width, device=prototypes.device)[None] * stride + stride / 2
    x0, y0, x1, y1 = target.mask_boxes.T[:, :, None, None]
    inside = ((x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)).float()
    scene = torch.div(target.mask_place, mixture.shape[1], rounding_mode="floor")
    logits = torch.einsum("mp,mphw->mhw", mixture.flatten(0, 1)[target.mask_place], prototypes[scene])
    wrong = functional.binary_cross_entropy_with_logits(logits, target.masks, reduction="none")
    each = (wrong * inside).sum(dim=(1, 2)) / inside.sum(dim=(1, 2)).clamp(min=1.0)
    return each.sum() / max(1, len(each))
