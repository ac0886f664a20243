"""Heads on the tail: a linear classifier, and a dense detector whose answers `semapix.tasks.find_objects` reads.

The detector is FCOS (Z. Tian et al., ICCV 2019) on a feature pyramid (T.-Y. Lin et al., CVPR 2017), with the
prototypes and coefficients of YOLACT (D. Bolya et al., ICCV 2019) for masks. The paper takes Faster and Mask R-CNN;
these answer in one pass, without cutting features out of maps.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from semapix.training.dicm.recipe import DicmModel

__all__ = ["Classifier", "DenseAnswers", "Detector"]

_LARGEST_SIDE = 4.0  # exponent: the farthest side of a box is exp(4) cells away
_RARE = 0.01  # probability of an object at the start

DenseAnswers = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
"""Of a batch: classes (B, N, K), sides (B, N, 4), central (B, N, 1), mixture (B, N, P), prototypes (B, P, h, w)."""


class Classifier(nn.Module):
    """The pooled last map (B, C, p, p) to logits (B, classes)."""

    def __init__(self, model: DicmModel, classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Dropout(model.dropout), nn.Linear(model.widths[-1] * model.pool**2, classes)
        )

    def forward(self, pooled: Tensor) -> Tensor:
        logits: Tensor = self.layers(pooled)
        return logits


def _convolution(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.GroupNorm(8, outputs), nn.ReLU(inplace=True)]


class Detector(nn.Module):
    """Maps of the tail, finest first, to what every place says."""

    def __init__(self, model: DicmModel, classes: int) -> None:
        super().__init__()
        width, self.strides = model.pyramid_width, model.pyramid_strides
        inputs = model.widths[model.pyramid_from - 1 :]
        self.lateral = nn.ModuleList(nn.Conv2d(i, width, 1) for i in inputs)
        self.smooth = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in inputs)
        self.coarser = nn.Conv2d(width, width, 3, 2, 1)
        blocks = range(model.detector_blocks)
        self.towers = nn.ModuleList(
            nn.Sequential(*(layer for _ in blocks for layer in _convolution(width, width))) for _ in range(2)
        )
        self.classes = nn.Conv2d(width, classes, 3, padding=1)
        self.shape = nn.Conv2d(width, 5 + model.prototypes, 3, padding=1)  # sides, central, mixture
        self.scales = nn.Parameter(torch.zeros(len(self.strides)))
        for layer in (self.classes, self.shape):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)
        nn.init.constant_(self.classes.bias, -math.log((1 - _RARE) / _RARE))
        self.enlarge = model.prototype_stride < self.strides[0]
        self.mask_tower = nn.Sequential(*_convolution(width, width))
        self.masks = nn.Sequential(*_convolution(width, width // 2), nn.Conv2d(width // 2, model.prototypes, 1))

    def forward(self, *maps: Tensor) -> DenseAnswers:
        pyramid = [lateral(m) for lateral, m in zip(self.lateral, maps, strict=True)]
        for level in range(len(pyramid) - 2, -1, -1):
            size = pyramid[level].shape[2:]
            larger = pyramid[level + 1]
            if self.strides[level] != self.strides[level + 1]:
                larger = functional.interpolate(larger, scale_factor=2.0, mode="nearest")
            pyramid[level] = pyramid[level] + larger[:, :, : size[0], : size[1]]
        pyramid = [smooth(level) for smooth, level in zip(self.smooth, pyramid, strict=True)]
        pyramid.append(self.coarser(torch.relu(pyramid[-1])))
        prototypes = self.mask_tower(pyramid[0])
        if self.enlarge:
            prototypes = functional.interpolate(prototypes, scale_factor=2.0, mode="bilinear", align_corners=False)
        classes = [_places(self.classes(self.towers[0](level))) for level in pyramid]
        shapes = [_places(self.shape(self.towers[1](level))) for level in pyramid]
        sides = [
            torch.exp((shape[:, :, :4].float() + scale).clamp(max=_LARGEST_SIDE)) * stride
            for shape, scale, stride in zip(shapes, self.scales, self.strides, strict=True)
        ]
        shape = torch.cat(shapes, dim=1)
        mixture = torch.tanh(shape[:, :, 5:])
        return torch.cat(classes, dim=1), torch.cat(sides, dim=1), shape[:, :, 4:5], mixture, self.masks(prototypes)


def _places(x: Tensor) -> Tensor:
    """(B, C, h, w) to (B, h * w, C)."""
    return x.flatten(2).transpose(1, 2)
