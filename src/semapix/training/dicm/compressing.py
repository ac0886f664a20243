"""Stage `compression`: the compression network learns to code features f2, and with them what the tail sees.

Loss: bits per pixel + lambda (relative error of f3 + tail_weight times that behind the tail); lambda is spaced evenly
in the logarithm over the quality levels, drawn for each picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from semapix.codecs import QUALITIES
from semapix.training.augment import random_view, squeeze
from semapix.training.budget import BudgetedStage, clip_gradients
from semapix.training.checkpoint import weights_of
from semapix.training.dicm.model import TrainedDicm
from semapix.training.normalise import normalise

__all__ = ["CompressionSystem"]

_SHOWN = (0, 4, 8)  # quality levels that are validated


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


_LEAST_POWER = 1e-6  # a network that has died must not divide by nothing


class CompressionSystem(BudgetedStage):
    """Trains the compression network behind frozen head and redundancy elimination, before a frozen tail."""

    def __init__(self, first: TrainedDicm, minutes: float | None = None) -> None:
        """`first`: the model of stage `selfsupervised`."""
        recipe = first.recipe
        stage = recipe.compression
        super().__init__(recipe, stage, minutes)
        self.stage, self.side = stage, recipe.model.glance_side
        self.head, self.eliminator, self.tail = (
            part.requires_grad_(False).eval().to(memory_format=torch.channels_last)
            for part in (first.head, first.eliminator, first.tail)
        )
        self.compression = first.compression.requires_grad_(True).train().to(memory_format=torch.channels_last)
        growth = math.log(stage.lambda_high / stage.lambda_low) / (QUALITIES - 1)
        self.register_buffer("lambdas", stage.lambda_low * torch.exp(growth * torch.arange(QUALITIES)))
        self.register_buffer("power", torch.ones(()))  # variance of the features

    @torch.no_grad()
    def start(self, pictures: Tensor) -> None:
        """Set the linear path from some training pictures, uint8 (N, 3, H, W)."""
        features = self._features(pictures.float())
        self.power.copy_(features.var(dim=(0, 2, 3)).mean().clamp(min=_LEAST_POWER))
        # At high rate a bit divides the squared error of a latent, step^2 / 12, by four; the basis is orthonormal, so
        # that is also the error of the features. A pixel has so many features:
        features_per_pixel = features[0].numel() / pictures[0, 0].numel()
        error = features_per_pixel * self.power / (2 * math.log(2.0) * self.lambdas)
        self.compression.start(features, (12 * error).sqrt())

    def take_weights(self, state: dict[str, Any], training: Iterable[Any]) -> None:
        self.compression.load_state_dict(weights_of(state["state_dict"], "compression"))

    def train(self, mode: bool = True) -> CompressionSystem:
        super().train(mode)
        for part in (self.head, self.eliminator, self.tail):
            part.eval()
        return self

    @torch.no_grad()
    def _features(self, pictures: Tensor) -> Tensor:
        """Features f2 of pictures, 0 to 255."""
        features: Tensor = self.eliminator(self.head(_channels_last(normalise(pictures)))).float()
        return features

    def _code(self, pictures: Tensor, level: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Bits per pixel, relative error of f3, and behind the tail, all (B,)."""
        features = self._features(pictures)
        decoded, rates = self.compression(_channels_last(features), level)
        wrong = (decoded.float() - features).square().mean(dim=(1, 2, 3)) / self.power
        with torch.no_grad():
            wanted = self.tail(_channels_last(features))[-1].float()
        seen = self.tail(_channels_last(decoded))[-1].float()
        wrong_seen = (seen - wanted).square().mean(dim=(1, 2, 3)) / wanted.square().mean().clamp(min=1e-6)
        return rates.total / pictures[0, 0].numel(), wrong, wrong_seen

    def _loss(self, rate: Tensor, wrong: Tensor, wrong_seen: Tensor, level: Tensor) -> Tensor:
        lambdas = self.lambdas[level]
        error = wrong + self.stage.tail_weight * wrong_seen
        # Without the root, the finest levels would outweigh all others.
        return ((rate + lambdas * error) * (self.lambdas[QUALITIES // 2] / lambdas).sqrt()).mean()

    def training_step(self, batch: tuple[tuple[Tensor, Tensor, Tensor], Tensor], batch_idx: int) -> Tensor:
        (pictures, _, _), patches = batch
        losses = []
        for shown, name in (
            (random_view(pictures.float(), self.side, self.stage, self.random), "glance"),
            (patches.float(), "scene"),
        ):
            level = torch.randint(0, QUALITIES, (len(shown),), generator=self.random).to(self.device, non_blocking=True)
            rate, wrong, wrong_seen = self._code(shown, level)
            losses.append(self._loss(rate, wrong, wrong_seen, level))
            if batch_idx % 50 == 0 and name == "scene":
                self.note(
                    loss_glance=losses[0].detach(),
                    loss_scene=losses[1].detach(),
                    bpp=rate.detach().mean(),
                    error=wrong.detach().mean(),
                    error_seen=wrong_seen.detach().mean(),
                )
        return losses[0] + losses[1]

    def validation_step(self, batch: list[Tensor], batch_idx: int, dataloader_idx: int = 0) -> None:
        pictures = batch[0].float()
        if dataloader_idx == 0:
            pictures = squeeze(pictures, self.side)
        row = []
        for quality in _SHOWN:
            level = torch.full((len(pictures),), quality, device=self.device)
            row += list(self._code(pictures, level))
        self._held_out[dataloader_idx].append(torch.stack(row))

    def on_validation_epoch_start(self) -> None:
        self._held_out: tuple[list[Tensor], list[Tensor]] = ([], [])

    def on_validation_epoch_end(self) -> None:
        names = [f"{figure}_q{quality + 1}" for quality in _SHOWN for figure in ("bpp", "error", "seen")]
        figures: dict[str, Tensor] = {}
        for kind, rows in zip(("glance", "scene"), self._held_out, strict=True):
            means = torch.cat(rows, dim=1).mean(dim=1)
            figures |= {f"{kind}_{name}": value for name, value in zip(names, means, strict=True)}
        self.note(**figures)

    def configure_gradient_clipping(self, optimizer: Any, *args: Any, **kwargs: Any) -> None:
        clip_gradients(self)  # Lightning refuses to, beside a fused optimiser
