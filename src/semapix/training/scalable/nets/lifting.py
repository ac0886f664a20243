"""LFRNet: the revertible feature network made of lifting steps (scalable paper, section III-A, eqs. 5 to 10)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["ExtractionBlock", "Lifting", "LiftingStep", "PredictUpdate", "merge", "split"]


def split(x: Tensor) -> tuple[Tensor, Tensor]:
    """Split a picture or band into main and dual halves: upper and lower row of every 2x2 block.

    `x`: (B, C, H, W) with even H and W. Returns two tensors (B, 2C, H/2, W/2): block position first, then channel,
    as in i-RevNet, so that this is a row-wise lazy wavelet.
    """
    upper, lower = x[..., 0::2, :], x[..., 1::2, :]
    main = torch.cat([upper[..., 0::2], upper[..., 1::2]], dim=1)
    dual = torch.cat([lower[..., 0::2], lower[..., 1::2]], dim=1)
    return main, dual


def merge(main: Tensor, dual: Tensor) -> Tensor:
    """The inverse of `split`: two tensors (B, 2C, H/2, W/2) to one (B, C, H, W)."""
    batch, doubled, height, width = main.shape
    channels = doubled // 2
    blocks = torch.stack([main, dual], dim=1).view(batch, 2, 2, channels, height, width)
    return blocks.permute(0, 3, 4, 1, 5, 2).reshape(batch, channels, 2 * height, 2 * width)


class ExtractionBlock(nn.Module):
    """Two extraction layers with a path around them: (B, C, H, W), not negative, to the same.

    As in He et al., "Deep Residual Learning for Image Recognition" (CVPR 2016). Starts as the identity, so that a
    transform can grow by it.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        last = nn.BatchNorm2d(channels)
        nn.init.zeros_(last.weight)
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            last,
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.body(x))


class PredictUpdate(nn.Sequential):
    """One Predict or Update network: expansion, feature extraction, shrinkage (scalable paper, Fig. 3).

    (B, C, H, W) to (B, C, H, W). Behind the `depth` extraction layers of the paper stand `blocks` residual ones. The
    last convolution starts small, so that lifting starts near the lazy wavelet.
    """

    def __init__(self, channels: int, hidden: int, depth: int, blocks: int) -> None:
        stages: list[nn.Module] = [nn.Conv2d(channels, hidden, 3, padding=1)]
        for _ in range(depth):
            stages += [nn.Conv2d(hidden, hidden, 3, padding=1, bias=False), nn.BatchNorm2d(hidden), nn.ReLU()]
        stages += [ExtractionBlock(hidden) for _ in range(blocks)]
        shrink = nn.Conv2d(hidden, channels, 3, padding=1)
        nn.init.normal_(shrink.weight, std=0.5 / math.sqrt(9 * hidden))
        nn.init.zeros_(shrink.bias)
        super().__init__(*stages, shrink)


class LiftingStep(nn.Module):
    """One revertible feature reconstruction unit (RFRU): split, predict, update.

    `forward`: (B, C, H, W) to main and dual bands, each (B, 2C, H/2, W/2); `inverse` takes them back.
    """

    def __init__(self, channels: int, hidden: int, depth: int, blocks: int) -> None:
        super().__init__()
        self.predict = PredictUpdate(2 * channels, hidden, depth, blocks)
        self.update = PredictUpdate(2 * channels, hidden, depth, blocks)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        main, dual = split(x)
        dual = dual - self.predict(main)
        return main + self.update(dual), dual

    def inverse(self, main: Tensor, dual: Tensor) -> Tensor:
        main = main - self.update(dual)
        return merge(main, dual + self.predict(main))


class Lifting(nn.Module):
    """K cascaded lifting steps.

    `hidden`, `depth`, `blocks`: hidden channels, number of extraction layers and of residual blocks of the networks of
    each level, finest first; their length is K; without `blocks` there are none. `forward`: (B, 3, H, W), H and W
    multiples of 2^K, to the deepest main band (B, 3*2^K, H/2^K, W/2^K) and the dual bands, finest first.
    """

    def __init__(self, hidden: Sequence[int], depth: Sequence[int], blocks: Sequence[int] = ()) -> None:
        super().__init__()
        if len(hidden) != len(depth):
            raise ValueError(f"hidden (={list(hidden)}) and depth (={list(depth)}) must have one entry a level")
        if blocks and len(blocks) != len(depth):
            raise ValueError(f"blocks (={list(blocks)}) must have one entry for each of {len(depth)} levels")
        self.steps = nn.ModuleList(
            LiftingStep(3 * 2**level, width, layers, residual)
            for level, (width, layers, residual) in enumerate(
                zip(hidden, depth, blocks or [0] * len(depth), strict=True)
            )
        )

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        duals = []
        for step in self.steps:
            x, dual = step(x)
            duals.append(dual)
        return x, duals

    def inverse(self, main: Tensor, duals: Sequence[Tensor]) -> Tensor:
        for step, dual in zip(reversed(self.steps), reversed(duals), strict=True):
            main = step.inverse(main, dual)
        return main
