"""Random views of training pictures, a whole batch at a time, on the device that trains."""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["Views", "blur", "cut", "mixed", "random_view", "recolour", "squeeze"]


def squeeze(pictures: Tensor, side: int) -> Tensor:
    """Whole pictures (B, 3, H, W), float, resampled to (B, 3, side, side): a core, as near as PyTorch comes to it."""
    if pictures.shape[2:] == (side, side):
        return pictures
    return functional.interpolate(pictures, (side, side), mode="bicubic", antialias=True, align_corners=False).clamp(
        0, 255
    )


class Views(Protocol):
    """What the section of a stage says of random views."""

    @property
    def smallest_area(self) -> float:
        """Of the crop, as a share of the picture's area; aspect ratios lie between 3/4 and 4/3."""

    @property
    def jitter(self) -> float:
        """Largest relative change of brightness, contrast and saturation."""


def random_view(pictures: Tensor, side: int, views: Views, generator: torch.Generator) -> Tensor:
    """Crop, resize, mirror, and change the colours and the sharpness of each picture at random.

    `pictures`: (B, 3, H, W) float, 0 to 255. `generator`: on the processor, wherever the pictures are. Half of the
    pictures are blurred slightly: pictures of different origin differ in sharpness, and a classifier must not learn
    the origin. Returns (B, 3, side, side) in the same range.
    """
    batch, device, jitter = pictures.shape[0], pictures.device, views.jitter

    def uniform(low: float, high: float) -> Tensor:
        # Without `non_blocking`, a device would have to be idle before the next number is drawn.
        return torch.rand(batch, generator=generator).to(device, non_blocking=True) * (high - low) + low

    area = uniform(views.smallest_area, 1.0)
    ratio = torch.exp(uniform(math.log(3 / 4), math.log(4 / 3)) / 2)
    scale_x = (area.sqrt() * ratio).clamp(max=1.0)
    scale_y = (area.sqrt() / ratio).clamp(max=1.0)
    mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    centre = (uniform(-1, 1) * (1 - scale_x), uniform(-1, 1) * (1 - scale_y))
    view = cut(pictures, centre, (scale_x, scale_y), mirror, side)
    view = blur(view, uniform(-0.6, 0.6).clamp(min=0))
    brightness, contrast, saturation = (uniform(1 - jitter, 1 + jitter) for _ in range(3))
    return recolour(view, brightness, contrast, saturation)


def cut(
    pictures: Tensor, centre: tuple[Tensor, Tensor], scale: tuple[Tensor, Tensor], mirror: Tensor, side: int
) -> Tensor:
    """Part of each picture (B, 3, H, W) as (B, 3, side, side); edges are mirrored outwards.

    `centre`: x and y, (B,) each, -1 and 1 being the picture's edges. `scale`: width and height as shares of the
    picture's. `mirror`: -1 to swap left and right, else 1.
    """
    batch = len(pictures)
    affine = torch.zeros(batch, 2, 3, device=pictures.device)
    affine[:, 0, 0] = scale[0] * mirror
    affine[:, 1, 1] = scale[1]
    affine[:, 0, 2], affine[:, 1, 2] = centre
    grid = functional.affine_grid(affine, [batch, 3, side, side], align_corners=False)
    return functional.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)


def blur(view: Tensor, share: Tensor) -> Tensor:
    """Move each picture (B, 3, H, W) by a share (B,), 0 to 1, towards the mean of 3x3 pixels."""
    blurred = functional.avg_pool2d(view, 3, stride=1, padding=1, count_include_pad=False)
    return view + share.view(-1, 1, 1, 1) * (blurred - view)


def recolour(view: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor) -> Tensor:
    """Multiply brightness, contrast and saturation of each picture (B, 3, H, W), 0 to 255, by factors (B,)."""
    view = view * brightness.view(-1, 1, 1, 1)
    mean = view.mean(dim=(1, 2, 3), keepdim=True)
    view = mean + contrast.view(-1, 1, 1, 1) * (view - mean)
    grey = view.mean(dim=1, keepdim=True)
    return (grey + saturation.view(-1, 1, 1, 1) * (view - grey)).clamp(0, 255)


def mixed(pictures: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, float]:
    """Put a rectangle of another picture of the batch into each, the same place in all.

    After Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features" (ICCV
    2019), with areas spread evenly. `pictures`: (B, C, H, W). `generator`: on the processor. Returns the pictures, the
    position of the other picture of each (B,), and the share of the area that it got.
    """
    batch, _, height, width = pictures.shape
    area, across, down = torch.rand(3, generator=generator).tolist()
    tall, wide = round(height * math.sqrt(area)), round(width * math.sqrt(area))
    top, left = round(down * (height - tall)), round(across * (width - wide))
    other = torch.randperm(batch, generator=generator).to(pictures.device, non_blocking=True)
    result = pictures.clone()
    result[:, :, top : top + tall, left : left + wide] = pictures[other, :, top : top + tall, left : left + wide]
    return result, other, tall * wide / (height * width)
