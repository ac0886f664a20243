"""Stage `distortion`: rate and distortion, weighted by random quality maps (HEVRC, eq. 5; stage 1 of the paper)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from semapix.codecs import QUALITIES
from semapix.training.adaptive.recipe import AdaptiveRecipe
from semapix.training.adaptive.signal import SignalSystem
from semapix.training.normalise import normalise

__all__ = ["DistortionSystem"]


class DistortionSystem(SignalSystem):
    """Trains all networks of the codec for R + lambda D, with lambda as the map of each patch says."""

    def __init__(self, recipe: AdaptiveRecipe, minutes: float | None = None) -> None:
        super().__init__(recipe, recipe.distortion, minutes)

    def start(self, patches: Tensor) -> None:
        """Set the first weights from some training patches, uint8 (N, 3, H, W)."""
        lambdas = self.weights(torch.linspace(0, 1, QUALITIES))
        # At high rate a bit divides the squared error of a coefficient, step^2 / 12, by four.
        steps = (18.0 / (math.log(2.0) * lambdas)).sqrt() / 64.0
        self.network.start_from_principal_components(normalise(patches.float()), steps)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        patches, segments = batch
        quality = self.draw(segments)
        pictures, coded, rate = self.code(patches, quality)
        weighted, plain = self.distortion(pictures, coded.picture, quality)
        if batch_idx % 50 == 0:
            self.note(bpp=rate.mean(), mse=plain.mean(), loss=(rate + weighted).mean())
        return ((rate + weighted) * self.balance(quality)).mean()
