"""Stage `joint`: all networks of DeepSIC for rate, distortion and labels at once (paper, eq. 5)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from semapix.codecs import QUALITIES
from semapix.training.augment import random_view, squeeze
from semapix.training.batch_norm import refresh_batch_norm
from semapix.training.budget import BudgetedStage, clip_gradients
from semapix.training.checkpoint import weights_of
from semapix.training.deepsic.nets import (
    FeatureExtraction,
    Reconstruction,
    SemanticAnalysis,
    start_from_principal_components,
)
from semapix.training.deepsic.quantiser import Quantiser
from semapix.training.deepsic.recipe import DeepsicRecipe
from semapix.training.groups import group_shares
from semapix.training.normalise import normalise

__all__ = ["JointSystem"]

_MEMORY_FORMAT = torch.channels_last


class JointSystem(BudgetedStage):
    """Trains f, g, h and the quantiser's gains.

    A step has labelled pictures, for all three terms of the loss R + lambda1 D + lambda2 L_sem, and patches of photos
    for the first two. lambda1 is spaced evenly in the logarithm over the quality levels, drawn for each picture.
    """

    def __init__(self, recipe: DeepsicRecipe, labels: dict[str, list[Any]], minutes: float | None = None) -> None:
        stage = recipe.joint
        super().__init__(recipe, stage, minutes)
        self.stage, self.labels = stage, labels
        self.side = recipe.model.core_side
        self.features = FeatureExtraction(recipe.model).to(memory_format=_MEMORY_FORMAT)
        self.reconstruction = Reconstruction(recipe.model).to(memory_format=_MEMORY_FORMAT)
        self.semantics = SemanticAnalysis(recipe.model, len(labels["fine"])).to(memory_format=_MEMORY_FORMAT)
        self.quantiser = Quantiser(recipe.model.widths[-1])
        growth = math.log(stage.lambda_high / stage.lambda_low) / (QUALITIES - 1)
        self.register_buffer("lambdas", stage.lambda_low * torch.exp(growth * torch.arange(QUALITIES)))
        self.register_buffer("parents", torch.tensor(labels["parents"]))

    @torch.no_grad()
    def start(self, patches: Tensor) -> None:
        """Set the first weights from some training patches, uint8 (N, 3, H, W)."""
        pictures = normalise(patches.float()).contiguous(memory_format=_MEMORY_FORMAT)
        start_from_principal_components(self.features, self.reconstruction, pictures)
        for network in (self.features, self.reconstruction):
            for module in network.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.momentum = 1.0  # all of this batch, then never again
        features = self.features(pictures)
        self.reconstruction(features)
        self._keep_norms()
        self.semantics.start(features)
        # At high rate a bit divides the squared error of a coefficient, step^2 / 12, by four; see stage `outer`.
        self.quantiser.start(features, (18.0 / (math.log(2.0) * self.lambdas)).sqrt() / 64.0)

    def take_weights(self, state: dict[str, Any], training: Iterable[Any]) -> None:
        for name in ("features", "reconstruction", "semantics", "quantiser"):
            getattr(self, name).load_state_dict(weights_of(state["state_dict"], name))
        (pictures, _, _), _ = next(iter(training))
        with torch.no_grad():
            features = self.features(normalise(squeeze(pictures.float(), self.side)))
        refresh_batch_norm(self.semantics, self.semantics, features)

    def _keep_norms(self) -> None:
        """Let batch norm of f and g use the statistics that it has: those of a batch would change what values mean."""
        for network in (self.features, self.reconstruction):
            for module in network.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()

    def on_train_epoch_start(self) -> None:
        self._keep_norms()

    def _code(self, pictures: Tensor, level: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Features before and after coding, bits per pixel (B,), squared error (0 to 255) (B,)."""
        pictures = pictures.contiguous(memory_format=_MEMORY_FORMAT)
        features = self.features(pictures)
        decoded, bits = self.quantiser(features, level)
        decoded = decoded.contiguous(memory_format=_MEMORY_FORMAT)
        error = (self.reconstruction(decoded).float() - pictures).square().mean(dim=(1, 2, 3)) * 64.0**2
        return features, decoded, bits / pictures[0, 0].numel(), error

    def _level(self, count: int) -> Tensor:
        return torch.randint(0, QUALITIES, (count,), generator=self.random).to(self.device)

    def _signal_loss(self, rate: Tensor, error: Tensor, level: Tensor) -> Tensor:
        lambdas = self.lambdas[level]
        # Without the root, the finest levels would outweigh all others.
        return ((rate + lambdas * error) * (self.lambdas[QUALITIES // 2] / lambdas).sqrt()).mean()

    def _logits(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Of the groups, which are the sums over their classes, and of the classes."""
        fine = self.semantics(features).float()
        return group_shares(fine, self.parents, len(self.labels["coarse"])).log(), fine

    def training_step(self, batch: tuple[tuple[Tensor, Tensor, Tensor], Tensor], batch_idx: int) -> Tensor:
        (pictures, coarse, fine), patches = batch
        stage = self.stage
        photo_level = self._level(len(patches))
        _, _, photo_rate, photo_error = self._code(normalise(patches.float()), photo_level)
        view = random_view(pictures.float(), self.side, stage, self.random)
        level = self._level(len(view))
        features, decoded, rate, error = self._code(normalise(view), level)
        as_float = torch.rand(len(view), generator=self.random).to(self.device) < stage.float_share
        groups, classes = self._logits(torch.where(as_float[:, None, None, None], features, decoded))
        coarse_loss = functional.nll_loss(groups, coarse)
        fine_loss = functional.cross_entropy(classes, fine, label_smoothing=stage.label_smoothing)
        signal = self._signal_loss(photo_rate, photo_error, photo_level)
        small_signal = self._signal_loss(rate, error, level)
        if batch_idx % 50 == 0:
            self.note(
                bpp=photo_rate.detach().mean(),
                mse=photo_error.detach().mean(),
                signal=signal.detach(),
                small_signal=small_signal.detach(),
                loss_coarse=coarse_loss.detach(),
                loss_fine=fine_loss.detach(),
                top1_fine=(classes.argmax(1) == fine).float().mean(),
            )
        semantic = stage.coarse_weight * coarse_loss + fine_loss
        return signal + 0.25 * small_signal + stage.semantic_weight * semantic

    def validation_step(self, batch: list[Tensor], batch_idx: int, dataloader_idx: int = 0) -> None:
        if dataloader_idx == 0:
            pictures, coarse, fine = batch
            shown = normalise(squeeze(pictures.float(), self.side))
            row = []
            for quality in (0, 4, 8):
                features, decoded, rate, _ = self._code(shown, torch.full_like(fine, quality))
                groups, classes = self._logits(decoded)
                row += [rate, (groups.argmax(1) == coarse).float(), (classes.argmax(1) == fine).float()]
            groups, classes = self._logits(features)
            row += [(groups.argmax(1) == coarse).float(), (classes.argmax(1) == fine).float()]
            self._labelled.append(torch.stack(row))
        else:
            pictures = normalise(batch[0].float())
            row = []
            for quality in (0, 4, 8):
                level = torch.full((len(pictures),), quality, device=self.device)
                _, _, rate, error = self._code(pictures, level)
                row += [rate, 10 * torch.log10(255.0**2 / error)]
            self._photos.append(torch.stack(row))

    def on_validation_epoch_start(self) -> None:
        self._labelled: list[Tensor] = []
        self._photos: list[Tensor] = []

    def on_validation_epoch_end(self) -> None:
        names = [f"{figure}_q{quality}" for quality in (1, 5, 9) for figure in ("small_bpp", "coarse", "fine")]
        names += ["coarse_float", "fine_float"]
        figures = dict(zip(names, torch.cat(self._labelled, dim=1).mean(dim=1), strict=True))
        names = [f"{figure}_q{quality}" for quality in (1, 5, 9) for figure in ("bpp", "psnr")]
        figures |= dict(zip(names, torch.cat(self._photos, dim=1).mean(dim=1), strict=True))
        self.note(**figures)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["labels"] = self.labels

    def configure_gradient_clipping(self, optimizer: Any, *args: Any, **kwargs: Any) -> None:
        clip_gradients(self)  # Lightning refuses to, beside a fused optimiser
