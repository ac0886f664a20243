"""The residual backbone, split as the paper splits it: the head is the stem and layer 1, the tail layers 2 to 4.

K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition" (CVPR 2016).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from semapix.training.dicm.recipe import DicmModel

__all__ = ["Head", "Tail"]


def _normed(inputs: int, outputs: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return [convolution, nn.BatchNorm2d(outputs)]


class _Residual(nn.Module):
    """Two 3x3 convolutions, or a bottleneck of 1x1, 3x3 and 1x1; its last batch norm starts at zero."""

    def __init__(self, inputs: int, outputs: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
        if bottleneck:
            inner = outputs // 4
            layers = [*_normed(inputs, inner, 1), nn.ReLU(inplace=True), *_normed(inner, inner, 3, stride)]
            layers += [nn.ReLU(inplace=True), *_normed(inner, outputs, 1)]
        else:
            layers = [*_normed(inputs, outputs, 3, stride), nn.ReLU(inplace=True), *_normed(outputs, outputs, 3)]
        nn.init.zeros_(layers[-1].weight)
        self.body = nn.Sequential(*layers)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.shortcut = nn.Sequential(*_normed(inputs, outputs, 1, stride))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.shortcut(x) + self.body(x))


def _layer(model: DicmModel, number: int, inputs: int) -> nn.Sequential:
    """Layer 1 to 4."""
    outputs, stride = model.widths[number - 1], model.strides[number - 1]
    blocks = [_Residual(inputs, outputs, stride, model.bottleneck)]
    blocks += [_Residual(outputs, outputs, 1, model.bottleneck) for _ in range(model.depths[number - 1] - 1)]
    return nn.Sequential(*blocks)


class Head(nn.Module):
    """Stem and layer 1: pictures (B, 3, H, W) in the range of `normalise` to features f1 (B, C, H/s, W/s)."""

    def __init__(self, model: DicmModel) -> None:
        super().__init__()
        stem = [*_normed(3, model.stem_width, model.stem_kernel, 2), nn.ReLU(inplace=True)]
        if model.stem_pool:
            stem.append(nn.MaxPool2d(3, 2, 1))
        self.stem = nn.Sequential(*stem)
        self.layer = _layer(model, 1, model.stem_width)

    def forward(self, pictures: Tensor) -> Tensor:
        features: Tensor = self.layer(self.stem(pictures))
        return features


class Tail(nn.Module):
    """Layers 2 to 4: features (B, C, h, w) to the maps of the three layers, coarsest last."""

    def __init__(self, model: DicmModel) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_layer(model, number, model.widths[number - 2]) for number in (2, 3, 4))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        maps = []
        for layer in self.layers:
            features = layer(features)
            maps.append(features)
        return maps[0], maps[1], maps[2]
