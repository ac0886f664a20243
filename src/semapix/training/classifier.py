"""Small classifiers of three families: what codecs look at pictures with, and learn from."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["FAMILIES", "Classifier"]

FAMILIES = ("residual", "plain", "dense")
"""Kinds of blocks: with a path around them (ResNet), without (VGG), with all earlier features beside (DenseNet)."""

_STEM = 2  # side in pixels of the blocks that the first convolution sees
_GROWTH = 4  # a dense block adds a fourth of its width


def _norm_conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(outputs))


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = _norm_conv(channels, channels), _norm_conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.second(torch.relu(self.first(x))))


class _Plain(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = _norm_conv(channels, channels), _norm_conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.second(torch.relu(self.first(x))))


class _Dense(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        growth = channels // _GROWTH
        self.steps = nn.ModuleList(_norm_conv(channels + growth * n, growth) for n in range(_GROWTH))
        self.join = nn.Sequential(
            nn.Conv2d(channels + growth * _GROWTH, channels, 1, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        for step in self.steps:
            x = torch.cat([x, torch.relu(step(x))], dim=1)
        return torch.relu(self.join(x))


_BLOCKS: dict[str, type[nn.Module]] = {"residual": _Residual, "plain": _Plain, "dense": _Dense}


class Classifier(nn.Module):
    """A convolutional network with global pooling and one linear layer of classes, for pictures of any size.

    `family`: one of `FAMILIES`. `widths`, `blocks`: channels and blocks of each stage, the first at half of the
    picture's resolution, each at half of the one before. Pictures are (B, 3, H, W) in the range of `normalise`.
    """

    def __init__(self, family: str, widths: Sequence[int], blocks: Sequence[int], classes: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        channels, block = 3 * _STEM**2, _BLOCKS[family]
        for number, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            enter = _norm_conv(channels, width, 2 if number else 1)
            self.stages.append(nn.Sequential(*enter, nn.ReLU(), *(block(width) for _ in range(count))))
            channels = width
        self.classes = nn.Conv2d(channels, classes, 1)

    def features(self, pictures: Tensor) -> list[Tensor]:
        """The features of every stage, (B, C, H/2^n, W/2^n), n from 1; never negative."""
        x = functional.pixel_unshuffle(pictures, _STEM)
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found

    def evidence(self, pictures: Tensor) -> Tensor:
        """What speaks for each class at each position, (B, classes, h, w): the mean over positions are the logits.

        For a linear layer behind global pooling this is the class activation map, which the gradients of Grad-CAM would
        give as well (Selvaraju et al., ICCV 2017, section 3.1).
        """
        return self.classes(self.features(pictures)[-1])

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits (B, classes)."""
        return self.evidence(pictures).mean(dim=(2, 3))
