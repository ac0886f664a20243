"""Semantic guidance: the heat map of the tail's last map says where self-supervised training crops.

The paper feeds the heat map back to the crops of positives; how is as in X. Peng, K. Wang, Z. Zhu, M. Wang, Y. You,
"Crafting better contrastive views for siamese representation learning" (CVPR 2022).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from semapix.training.augment import blur, cut, recolour
from semapix.training.dicm.recipe import SelfSupervisedStage

__all__ = ["WHOLE", "boxes_of", "guided_view"]

WHOLE = (0.0, 0.0, 1.0, 1.0)
"""The box of a picture that nothing is known of: x0, y0, x1, y1 as shares of its sides."""

_GREY = 0.2  # share of views without colour
_COLOURED = 0.8  # share of views with other colours
_BLURRED = 0.5


def boxes_of(deepest: Tensor, level: float) -> Tensor:
    """Boxes (B, 4) around what the maps (B, C, h, w) respond to, x0, y0, x1, y1 as shares of the picture's sides.

    The heat map is the sum over channels, scaled to 0 to 1; the box goes around all cells above `level`.
    """
    heat = deepest.float().sum(dim=1)
    heat = heat - heat.amin(dim=(1, 2), keepdim=True)
    hot = heat > level * heat.amax(dim=(1, 2), keepdim=True)

    def extent(cells: Tensor) -> tuple[Tensor, Tensor]:  # (B, n) to the first hot cell and behind the last
        count = cells.shape[1]
        place = torch.arange(count, device=cells.device)
        first = torch.where(cells, place, count).amin(dim=1)
        last = torch.where(cells, place, -1).amax(dim=1)
        none = last < 0
        return torch.where(none, 0, first) / count, torch.where(none, count, last + 1) / count

    (left, right), (top, bottom) = extent(hot.any(dim=1)), extent(hot.any(dim=2))
    return torch.stack([left, top, right, bottom], dim=1)


def guided_view(
    pictures: Tensor, boxes: Tensor, side: int, stage: SelfSupervisedStage, generator: torch.Generator
) -> Tensor:
    """Random crops, colours and blur as MoCo v2 has them; the middles of crops lie in `boxes` (B, 4).

    `pictures`: (B, 3, H, W) float, 0 to 255. Returns (B, 3, side, side) in the same range.
    """
    batch, device = len(pictures), pictures.device

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(batch, generator=generator).to(device, non_blocking=True) * (high - low) + low

    def beta() -> Tensor:
        """Of the Beta distribution with both parameters alpha, by Jöhnk's way of two powers of uniform numbers."""
        a = stage.guide_alpha
        kept = torch.full((batch,), 0.5)
        left = torch.ones(batch, dtype=torch.bool)
        while left.any():
            x, y = (torch.rand(batch, generator=generator) ** (1 / a) for _ in range(2))
            good = left & (x + y <= 1) & (x + y > 0)
            kept[good] = (x / (x + y))[good]
            left &= ~good
        return kept.to(device, non_blocking=True)

    area = uniform(stage.smallest_area, 1.0)
    ratio = torch.exp(uniform(math.log(3 / 4), math.log(4 / 3)) / 2)
    scale_x, scale_y = (area.sqrt() * ratio).clamp(max=1.0), (area.sqrt() / ratio).clamp(max=1.0)
    known = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) < 1.0
    share_x, share_y = (torch.where(known, beta(), uniform(0, 1)) for _ in range(2))

    def middle(share: Tensor, low: Tensor, high: Tensor, scale: Tensor) -> Tensor:
        guided = low + share * (high - low)
        plain = scale / 2 + share * (1 - scale)
        place = torch.where(known, guided, plain)
        return 2 * torch.minimum(torch.maximum(place, scale / 2), 1 - scale / 2) - 1  # inside of the picture

    centre = (middle(share_x, boxes[:, 0], boxes[:, 2], scale_x), middle(share_y, boxes[:, 1], boxes[:, 3], scale_y))
    mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    view = cut(pictures, centre, (scale_x, scale_y), mirror, side)
    view = blur(view, torch.where(uniform(0, 1) < _BLURRED, uniform(0, 1), 0.0))
    coloured = uniform(0, 1) < _COLOURED
    jitter = stage.jitter
    factors = [torch.where(coloured, uniform(1 - jitter, 1 + jitter), 1.0) for _ in range(3)]
    factors[2] = torch.where(uniform(0, 1) < _GREY, 0.0, factors[2])
    view = _turn_hue(view, torch.where(coloured, uniform(-jitter / 4, jitter / 4), 0.0))
    return recolour(view, *factors)


def _turn_hue(view: Tensor, turn: Tensor) -> Tensor:
    """Turn the colours of each picture (B, 3, H, W) around grey by a share (B,) of a whole turn."""
    angle = 2 * math.pi * turn
    cosine, sine = torch.cos(angle), torch.sin(angle)
    third, root = (1 - cosine) / 3, sine / math.sqrt(3)
    # A rotation of red, green and blue around (1, 1, 1).
    same, next_, before = cosine + third, third - root, third + root
    matrix = torch.stack([same, next_, before, before, same, next_, next_, before, same], dim=1).view(-1, 3, 3)
    return torch.einsum("bij,bjhw->bihw", matrix, view).clamp(0, 255)
