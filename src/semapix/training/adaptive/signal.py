"""What the stages that train the codec share: random maps, the weighted distortion, figures on held-out photos."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional

from semapix.training.adaptive.nets.codec import STRIDE, AdaptiveNetwork, Coded
from semapix.training.adaptive.recipe import AdaptiveRecipe, DistortionStage
from semapix.training.budget import BudgetedStage, clip_gradients
from semapix.training.normalise import normalise
from semapix.training.rounding import rounded_through

__all__ = ["SignalSystem"]

_TRIED = (0.0, 0.25, 0.5, 0.75, 1.0)  # uniform maps that validation codes with


class SignalSystem(BudgetedStage):
    """Trains `AdaptiveNetwork`; batches are those of `MappedPatches`."""

    def __init__(self, recipe: AdaptiveRecipe, stage: DistortionStage, minutes: float | None = None) -> None:
        super().__init__(recipe, stage, minutes)
        self.stage = stage
        self.network = AdaptiveNetwork(recipe.model).to(memory_format=torch.channels_last)
        self._low = recipe.model.lambda_low
        self._growth = math.log(recipe.model.lambda_high / recipe.model.lambda_low)

    def weights(self, quality: Tensor) -> Tensor:
        """lambda of each position of a map (eq. 4: t1 exp(t2 q)), the weight of its squared error (0 to 255)."""
        return self._low * torch.exp(self._growth * quality)

    def code(self, patches: Tensor, quality: Tensor) -> tuple[Tensor, Coded, Tensor]:
        """Of uint8 (B, 3, S, S): pictures in the range of `normalise`, what became of them, bits a pixel (B,).

        Weights are rounded as those of a bundle: left to the export, rounding costs 0.3 dB at the highest quality.
        """
        pictures = normalise(patches.float()).contiguous(memory_format=torch.channels_last)
        coded = functional_call(self.network, rounded_through(self.network), (pictures, quality))
        return pictures, coded, coded.rates.total / pictures[0, 0].numel()

    def distortion(self, pictures: Tensor, decoded: Tensor, quality: Tensor) -> tuple[Tensor, Tensor]:
        """Squared error of 0 to 255, weighted by the map and plain, (B,) each."""
        error = (decoded.float() - pictures).square().mean(dim=1, keepdim=True) * 64.0**2
        blocks = functional.avg_pool2d(error, STRIDE)
        return (blocks * self.weights(quality)).mean(dim=(1, 2, 3)), error.mean(dim=(1, 2, 3))

    def balance(self, quality: Tensor) -> Tensor:
        """Weight of each picture's loss: without it, the finest maps would outweigh all others."""
        mean = self.weights(quality).mean(dim=(1, 2, 3))
        return (self.weights(torch.full_like(mean, 0.5)) / mean).sqrt()

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        row = []
        side = batch[0].shape[2] // STRIDE
        for level in _TRIED:
            quality = torch.full((len(batch[0]), 1, side, side), level, device=self.device)
            pictures, coded, rate = self.code(batch[0], quality)
            error = (coded.picture.float() - pictures).square().mean(dim=(1, 2, 3)) * 64.0**2
            row += [rate, 10 * torch.log10(255.0**2 / error)]
        self._held_out.append(torch.stack(row))

    def on_validation_epoch_start(self) -> None:
        self._held_out: list[Tensor] = []

    def on_validation_epoch_end(self) -> None:
        names = [f"{figure}_{level:g}" for level in _TRIED for figure in ("bpp", "psnr")]
        self.note(**dict(zip(names, torch.cat(self._held_out, dim=1).mean(dim=1), strict=True)))

    def configure_gradient_clipping(self, optimizer: Any, *args: Any, **kwargs: Any) -> None:
        clip_gradients(self.network)  # Lightning refuses to, beside a fused optimiser
