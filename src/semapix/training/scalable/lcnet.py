"""Stage `lcnet`: the layered compression network, with transform and heads frozen (scalable paper, eq. 13)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from semapix.codecs import QUALITIES
from semapix.training.augment import random_view, squeeze
from semapix.training.budget import BudgetedStage, clip_gradients
from semapix.training.checkpoint import weights_of
from semapix.training.normalise import normalise
from semapix.training.scalable.lfrnet import SemanticTransform
from semapix.training.scalable.nets.layered import Decoded, LayeredCompression
from semapix.training.scalable.recipe import ScalableRecipe

__all__ = ["LcnetSystem"]


class LcnetSystem(BudgetedStage):
    """Trains `LayeredCompression` for all qualities at once.

    Loss of a picture: cross entropies of both heads on decoded features + cost of the bits of s1 and s2
    + squared error of the decoded features relative to their variance
    + bits per pixel of the signal layers + lambda * mean squared error (0 to 255) of the decoded core.
    Eq. 13 multiplies the rate by lambda; here the distortion is multiplied, so that lambda rises with quality.
    """

    def __init__(self, recipe: ScalableRecipe, transform: SemanticTransform, minutes: float | None = None) -> None:
        stage = recipe.lcnet
        super().__init__(recipe, stage, minutes)
        self.stage = stage
        self.side = recipe.model.core_side
        self.transform = transform.requires_grad_(False).eval().to(memory_format=torch.channels_last)
        self.compression = LayeredCompression(recipe.model).to(memory_format=torch.channels_last)
        step = math.log(stage.lambda_high / stage.lambda_low) / (QUALITIES - 1)
        self.register_buffer("lambdas", stage.lambda_low * torch.exp(step * torch.arange(QUALITIES)))

    def take_weights(self, state: dict[str, Any], training: Iterable[Any]) -> None:
        """Those of the layers; the transform is that of stage `lfrnet`."""
        self.compression.load_state_dict(weights_of(state["state_dict"], "compression"))

    def on_train_epoch_start(self) -> None:
        self.transform.eval()  # batch norm stays frozen: the inverse holds only then

    def _code(self, pictures: Tensor, quality: Tensor) -> tuple[Tensor, Tensor, Decoded]:
        core = normalise(pictures).contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            main, duals = self.transform.lifting(core)
        return core, main, self.compression(self.transform.lifting, main, duals, quality)

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> Tensor:
        pictures, coarse, fine = batch
        stage = self.stage
        view = random_view(pictures.float(), self.side, stage, self.random)
        quality = torch.randint(0, QUALITIES, (len(view),), generator=self.random).to(view.device, non_blocking=True)
        core, main, decoded = self._code(view, quality)
        coarse_logits, fine_logits = self.transform.heads(decoded.machine)
        semantic = functional.cross_entropy(coarse_logits, coarse) + functional.cross_entropy(fine_logits, fine)
        variance = main.var(dim=(0, 2, 3), keepdim=True)
        feature_error = ((decoded.machine - main).square() / variance).mean()
        error = (decoded.core - core).square().mean(dim=(1, 2, 3)) * 64.0**2
        signal_rate = decoded.signal_bits / core[0, 0].numel()
        lambdas = self.lambdas[quality]
        # Without the root, the finest levels would outweigh all others, and the machine layers.
        signal = ((signal_rate + lambdas * error) * (self.lambdas[QUALITIES // 2] / lambdas).sqrt()).mean()
        machine = stage.semantic_weight * semantic + stage.feature_weight * feature_error
        loss = machine + stage.machine_rate_weight * decoded.machine_bits.mean() + stage.signal_weight * signal
        if batch_idx % 50 == 0:
            self.note(
                loss=loss.detach(),
                semantic=semantic.detach(),
                feature_error=feature_error.detach(),
                machine_bytes=decoded.machine_bits.detach().mean() / 8,
                signal_bpp=signal_rate.detach().mean(),
                mse=error.detach().mean(),
            )
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> None:
        pictures, coarse, fine = batch
        sized = squeeze(pictures.float(), self.side)
        row = []
        for quality in (0, 4, 8):
            core, main, decoded = self._code(sized, torch.full_like(fine, quality))
            error = (decoded.core - core).square().mean(dim=(1, 2, 3)) * 64.0**2
            row += [decoded.signal_bits / core[0, 0].numel(), 10 * torch.log10(255.0**2 / error)]
        for features in (main, decoded.machine):
            coarse_logits, fine_logits = self.transform.heads(features)
            row += [(coarse_logits.argmax(1) == coarse).float(), (fine_logits.argmax(1) == fine).float()]
        self._held_out.append(torch.stack([*row, decoded.machine_bits / 8]))

    def on_validation_epoch_start(self) -> None:
        self._held_out: list[Tensor] = []

    def on_validation_epoch_end(self) -> None:
        names = [f"{figure}_q{quality}" for quality in (1, 5, 9) for figure in ("bpp", "psnr")]
        names += ["coarse_uncompressed", "fine_uncompressed", "coarse", "fine", "machine_bytes"]
        self.note(**dict(zip(names, torch.cat(self._held_out, dim=1).mean(dim=1), strict=True)))

    def configure_gradient_clipping(self, optimizer: Any, *args: Any, **kwargs: Any) -> None:
        clip_gradients(self)  # Lightning refuses to, beside a fused optimiser
