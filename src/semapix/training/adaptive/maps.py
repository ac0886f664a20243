"""Random quality maps for training (backbone: Song, Choi, Han, ICCV 2021; HEVRC, section IV-A)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from semapix.training.adaptive.nets.codec import STRIDE

__all__ = ["KINDS", "random_map", "random_maps"]

KINDS = ("uniform", "instances", "linear", "gaussian")
"""What a random map looks like."""

_NOTHING = 0.01  # share of the uniform maps that are zero
_MOST_GAUSSIANS = 20
_VARIANCES = (1000.0, 3000.0)  # of a Gaussian, in square pixels
_LEAST_PEAK = 0.5


def random_maps(segments: Tensor, shares: Sequence[float], random: torch.Generator) -> Tensor:
    """Maps (B, 1, S/16, S/16), values in 0..1, for a batch of patches of S pixels a side.

    `segments`: uint8 (B, S, S), the number of the object that each pixel belongs to. `shares`: how often each of
    `KINDS` is drawn; they add up to 1.
    """
    kinds = torch.multinomial(torch.tensor(shares), len(segments), replacement=True, generator=random)
    return torch.stack([random_map(KINDS[kind], part, random) for kind, part in zip(kinds, segments, strict=True)])


def random_map(kind: str, segments: Tensor, random: torch.Generator) -> Tensor:
    """One map (1, S/16, S/16) of a kind; `segments`: uint8 (S, S)."""
    side = len(segments) // STRIDE

    def uniform(*size: int) -> Tensor:
        return torch.rand(size, generator=random)

    if kind == "uniform":
        level = uniform(1) * (uniform(1) >= _NOTHING)
        return level.expand(1, side, side).contiguous()
    if kind == "instances":
        levels = uniform(256)[segments.long()]
        return functional.avg_pool2d(levels[None], STRIDE)
    if kind == "linear":
        start, end = uniform(2)
        ramp = torch.lerp(start, end, torch.linspace(0, 1, side)).expand(side, side)
        return (ramp if uniform(1) < 0.5 else ramp.T)[None].contiguous()
    count = int(torch.randint(1, _MOST_GAUSSIANS + 1, (), generator=random))
    position = (torch.arange(side) + 0.5) * STRIDE
    centre = uniform(2, count) * len(segments)
    variance = _VARIANCES[0] + uniform(count) * (_VARIANCES[1] - _VARIANCES[0])
    distance = (position[:, None, None] - centre[0]).square() + (position[None, :, None] - centre[1]).square()
    bumps = torch.exp(-distance / (2 * variance)).sum(dim=2)
    return (bumps / bumps.max() * (_LEAST_PEAK + (1 - _LEAST_PEAK) * uniform(1)))[None]
