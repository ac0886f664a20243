"""LCNet: the layered compression network on top of a frozen transform (scalable paper, section III-B)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from semapix.codecs import QUALITIES
from semapix.training.scalable.nets.lifting import Lifting
from semapix.training.scalable.nets.rafc import PredictionUnit, RafcUnit
from semapix.training.scalable.recipe import ScalableModel

__all__ = ["Decoded", "LayeredCompression"]


@dataclass(frozen=True)
class Decoded:
    """What coding a batch gives.

    `machine`: decoded deepest main band of s1 and s2, (B, 3*2^K, S, S). `core`: decoded core (B, 3, side, side).
    `machine_bits`, `signal_bits`: bits per picture, (B,).
    """

    machine: Tensor
    core: Tensor
    machine_bits: Tensor
    signal_bits: Tensor


class LayeredCompression(nn.Module):
    """Seven RAFC units (K = 5), six prediction units and a post-processing unit, in closed loop.

    Layers: s1 and s2 are the first and the other channels of the deepest main band; s3 is the deepest dual band,
    together with a refinement of the decoded main band for the signal path alone; s4 and on are the other dual bands,
    coarse to fine. The entropy model of each layer sees the state of the one before, and so what all earlier ones knew.
    """

    def __init__(self, model: ScalableModel) -> None:
        super().__init__()
        levels = len(model.lifting_hidden)
        deepest, first = 3 * 2**levels, model.coarse_channels
        duals = [3 * 2**level for level in range(levels, 0, -1)]  # coarse to fine
        bands = [first, deepest - first, 2 * deepest, *duals[1:]]
        seen = [first, *duals]
        predicted = [deepest - first, *duals]
        qualities = [1, 1, *([QUALITIES] * levels)]
        sides = [1, 1, *(2**level for level in range(levels))]  # of each layer's features, the deepest being 1
        sides = [side / 2**loops for side, loops in zip(sides, model.unit_loops, strict=True)]
        self.first = first
        self.units = nn.ModuleList(
            RafcUnit(
                band,
                model.unit_channels,
                latents,
                loops,
                model.unit_blocks,
                model.unit_kernel,
                levels_of_quality,
                model.unit_features,
                carried=model.unit_features if layer else 0,
                enlarge=layer > 0 and side == 2 * sides[layer - 1],
            )
            for layer, (band, latents, loops, levels_of_quality, side) in enumerate(
                zip(bands, model.unit_latents, model.unit_loops, qualities, sides, strict=True)
            )
        )
        self.predictors = nn.ModuleList(
            PredictionUnit(inputs, model.predictor_channels, outputs, model.unit_kernel)
            for inputs, outputs in zip(seen, predicted, strict=True)
        )
        self.post = PredictionUnit(3, model.predictor_channels, 3, model.unit_kernel)

    def forward(self, lifting: Lifting, main: Tensor, duals: list[Tensor], quality: Tensor) -> Decoded:
        """Code the bands of a batch; `quality`: int64 (B,), 0 to 8. `duals`: finest first, as `lifting` gives them."""
        same = torch.zeros_like(quality)
        coarse, rates, state = self.units[0](main[:, : self.first], same)
        machine_bits = rates.total
        predicted = self.predictors[0](coarse)
        rest, rates, state = self.units[1](main[:, self.first :] - predicted, same, state)
        machine_bits = machine_bits + rates.total
        machine = torch.cat([coarse, predicted + rest], dim=1)

        predicted = self.predictors[1](machine)
        missing, rates, state = self.units[2](torch.cat([main - machine, duals[-1] - predicted], dim=1), quality, state)
        signal_bits = rates.total
        refinement, residual = missing.chunk(2, dim=1)
        band = lifting.steps[-1].inverse(machine + refinement, predicted + residual)
        for unit, predictor, dual, step in zip(
            self.units[3:],
            self.predictors[2:],
            reversed(duals[:-1]),
            reversed(lifting.steps[:-1]),
            strict=True,
        ):
            predicted = predictor(band)
            residual, rates, state = unit(dual - predicted, quality, state)
            signal_bits = signal_bits + rates.total
            band = step.inverse(band, predicted + residual)
        return Decoded(machine, band + self.post(band), machine_bits, signal_bits)
