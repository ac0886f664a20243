"""What the places of a detector should say, and the loss of what they do say.

Assignment and losses are those of FCOS (Z. Tian et al., ICCV 2019) with the middle of boxes sampled; masks as in YOLACT
(D. Bolya et al., ICCV 2019): assembled at the prototypes' size, cut to the box.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from semapix.training.dicm.nets.heads import DenseAnswers

__all__ = ["Assigned", "Truth", "assign", "detection_losses", "map_reach"]

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

    def to(self, device: torch.device) -> Truth:
        """The same on another device."""
        boxes, classes, masks, has_mask = (x.to(device) for x in (self.boxes, self.classes, self.masks, self.has_mask))
        return Truth(boxes, classes, masks, has_mask, self.known)


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


def detection_losses(
    answers: DenseAnswers, at: Tensor, reach: Tensor, truths: Sequence[Truth], prototype_stride: int
) -> dict[str, Tensor]:
    """Losses of a batch: `classes` (focal), `boxes` (generalised IoU), `central`, `masks`."""
    classes, sides, central, mixture, prototypes = (x.float() for x in answers)
    found = [assign(at, reach, truth) for truth in truths]
    right, weight = torch.zeros_like(classes), torch.ones_like(classes)
    for number, (assigned, truth) in enumerate(zip(found, truths, strict=True)):
        speaks = torch.nonzero(assigned.object >= 0)[:, 0]
        right[number, speaks, truth.classes[assigned.object[speaks]]] = 1.0
        weight[number, :, truth.known :] = 0.0
        weight[number, assigned.ignored] = 0.0
    positive = max(1.0, float(sum((assigned.object >= 0).sum() for assigned in found)))
    losses = {"classes": (_focal(classes, right) * weight).sum() / positive}

    box_loss, central_loss, total = classes.new_zeros(()), classes.new_zeros(()), 1e-6
    for number, (assigned, truth) in enumerate(zip(found, truths, strict=True)):
        speaks = torch.nonzero(assigned.object >= 0)[:, 0]
        if len(speaks) == 0:
            continue
        box = truth.boxes[assigned.object[speaks]]
        wanted = torch.cat([at[speaks] - box[:, :2], box[:, 2:] - at[speaks]], dim=1)
        middle = _centrality(wanted)
        box_loss = box_loss + (middle * (1 - _generalised_overlap(sides[number, speaks], wanted))).sum()
        total = total + float(middle.sum())
        central_loss = central_loss + functional.binary_cross_entropy_with_logits(
            central[number, speaks, 0], middle, reduction="sum"
        )
    losses |= {"boxes": box_loss / total, "central": central_loss / positive}
    losses["masks"] = _mask_loss(mixture, prototypes, found, truths, prototype_stride)
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


def _mask_loss(
    mixture: Tensor, prototypes: Tensor, found: Sequence[Assigned], truths: Sequence[Truth], stride: int
) -> Tensor:
    """Cross entropy inside of boxes, relative to their areas."""
    pairs = [
        (number, int(place))
        for number, (assigned, truth) in enumerate(zip(found, truths, strict=True))
        for place in torch.nonzero(assigned.object >= 0)[:, 0]
        if truth.has_mask[assigned.object[place]]
    ]
    if not pairs:
        return prototypes.sum() * 0.0
    pairs = [pairs[i] for i in torch.linspace(0, len(pairs) - 1, min(len(pairs), _MOST_MASKS)).long()]
    height, width = prototypes.shape[2:]
    y = torch.arange(height, device=prototypes.device)[:, None] * stride + stride / 2
    x = torch.arange(width, device=prototypes.device)[None] * stride + stride / 2
    total = prototypes.new_zeros(())
    for number, place in pairs:
        thing = int(found[number].object[place])
        x0, y0, x1, y1 = truths[number].boxes[thing]
        inside = ((x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)).float()
        logits = torch.einsum("p,phw->hw", mixture[number, place], prototypes[number])
        wrong = functional.binary_cross_entropy_with_logits(logits, truths[number].masks[thing], reduction="none")
        total = total + (wrong * inside).sum() / inside.sum().clamp(min=1.0)
    return total / len(pairs)
