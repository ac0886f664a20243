"""Stage `distortion`: rate and distortion, weighted by random quality maps (HEVRC, eq. 5; stage 1 of the paper)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from semapix.codecs import QUALITIES
from semapix.training.adaptive.grow import grow_codec
from semapix.training.adaptive.recipe import AdaptiveRecipe
from semapix.training.adaptive.signal import SignalSystem
from semapix.training.checkpoint import weights_of
from semapix.training.data import first_pictures
from semapix.training.normalise import normalise

__all__ = ["DistortionSystem"]

_GROWTH_PATCHES = 240  # that show what a smaller codec leaves out


class DistortionSystem(SignalSystem):
    """Trains all networks of the codec for R + lambda D, with lambda as the map of each patch says."""

    def __init__(self, recipe: AdaptiveRecipe, minutes: float | None = None) -> None:
        super().__init__(recipe, recipe.distortion, minutes)

    @property
    def _steps(self) -> Tensor:
        """The quantiser step of each quality, in the range of `normalise`, that suits its lambda."""
        lambdas = self.weights(torch.linspace(0, 1, QUALITIES))
        # At high rate a bit divides the squared error of a coefficient, step^2 / 12, by four.
        return (18.0 / (math.log(2.0) * lambdas)).sqrt() / 64.0

    def start(self, patches: Tensor) -> None:
        """Set the first weights from some training patches, uint8 (N, 3, H, W)."""
        self.network.start_from_principal_components(normalise(patches.float()), self._steps)

    def take_weights(self, state: dict[str, Any], training: Iterable[Any]) -> None:
        """Those of a smaller codec too, which grows."""
        patches = first_pictures((batch for batch, _ in training), _GROWTH_PATCHES)
        grow_codec(weights_of(state["state_dict"], "network"), self.network, normalise(patches.float()), self._steps)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        patches, quality = batch
        pictures, coded, rate = self.code(patches, quality)
        weighted, plain = self.distortion(pictures, coded.picture, quality)
        if batch_idx % 50 == 0:
            self.note(bpp=rate.mean(), mse=plain.mean(), loss=(rate + weighted).mean())
        return ((rate + weighted) * self.balance(quality)).mean()
