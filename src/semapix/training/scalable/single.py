"""Stage `lcnet` of a recipe with one unit in place of the layers, for the signal alone: what layering costs."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from semapix.codecs import QUALITIES
from semapix.training.augment import random_view, squeeze
from semapix.training.budget import BudgetedStage, clip_gradients
from semapix.training.normalise import normalise
from semapix.training.scalable.lfrnet import SemanticTransform
from semapix.training.scalable.nets.single import SingleUnit
from semapix.training.scalable.recipe import ScalableRecipe

__all__ = ["SingleSystem"]


class SingleSystem(BudgetedStage):
    """Trains a `SingleUnit` as stage `lcnet` trains its layers: same transform, views, qualities, lambdas, schedule."""

    def __init__(
        self, recipe: ScalableRecipe, transform: SemanticTransform, channels: int, minutes: float | None = None
    ) -> None:
        stage = recipe.lcnet
        super().__init__(recipe, stage, minutes)
        self.stage, self.side = stage, recipe.model.core_side
        self.transform = transform.requires_grad_(False).eval().to(memory_format=torch.channels_last)
        self.single = SingleUnit(recipe.model, channels)
        step = math.log(stage.lambda_high / stage.lambda_low) / (QUALITIES - 1)
        self.register_buffer("lambdas", stage.lambda_low * torch.exp(step * torch.arange(QUALITIES)))

    def on_train_epoch_start(self) -> None:
        self.transform.eval()

    def _code(self, pictures: Tensor, quality: Tensor) -> tuple[Tensor, Tensor]:
        """Bits per pixel and squared error (0 to 255) of each core."""
        core = normalise(pictures).contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            main, duals = self.transform.lifting(core)
        decoded, rates = self.single(self.transform.lifting, main, duals, quality)
        return rates.total / core[0, 0].numel(), (decoded - core).square().mean(dim=(1, 2, 3)) * 64.0**2

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> Tensor:
        view = random_view(batch[0].float(), self.side, self.stage, self.random)
        quality = torch.randint(0, QUALITIES, (len(view),), generator=self.random).to(view.device, non_blocking=True)
        rate, error = self._code(view, quality)
        lambdas = self.lambdas[quality]
        return ((rate + lambdas * error) * (self.lambdas[QUALITIES // 2] / lambdas).sqrt()).mean()

    def validation_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> None:
        pictures = squeeze(batch[0].float(), self.side)
        row = []
        for quality in (0, 4, 8):
            rate, error = self._code(pictures, torch.full((len(pictures),), quality, device=pictures.device))
            row += [rate, 10 * torch.log10(255.0**2 / error)]
        self._held_out.append(torch.stack(row))

    def on_validation_epoch_start(self) -> None:
        self._held_out: list[Tensor] = []

    def on_validation_epoch_end(self) -> None:
        names = [f"{figure}_q{quality}" for quality in (1, 5, 9) for figure in ("bpp", "psnr")]
        self.note(**dict(zip(names, torch.cat(self._held_out, dim=1).mean(dim=1), strict=True)))

    def configure_gradient_clipping(self, optimizer: Any, *args: Any, **kwargs: Any) -> None:
        clip_gradients(self)  # Lightning refuses to, beside a fused optimiser
