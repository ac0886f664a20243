"""Stage `outer`: the unit of the outer scales, trained on patches of photos."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional

from semapix.codecs import QUALITIES
from semapix.errors import ArgumentError
from semapix.training.budget import BudgetedStage, clip_gradients
from semapix.training.checkpoint import weights_of
from semapix.training.normalise import normalise
from semapix.training.rounding import rounded_through
from semapix.training.scalable.grow import grown_outer
from semapix.training.scalable.nets.outer import OUTER_FACTOR, OUTER_LEVELS, OUTER_REACH, OuterUnit
from semapix.training.scalable.recipe import ScalableRecipe
from semapix.training.structure import STRUCTURE_SIDE, structural_distance

__all__ = ["OuterSystem", "enlarge"]

_MEMORY_FORMAT = torch.channels_last

_ON_SCALE = 0.2
"""Share of the steps with a scale that rests on a coded scale; others rest on the core."""

_SMALLER_ON_CORE = 0.2
"""Share of the steps with a scale that rests on the core, and another one on it."""

_SCALE_ERRORS, _CORE_ERRORS = (2.0, 9.0), (3.0, 20.0)
"""Least and largest standard deviation of errors of a decoded small scale and of a decoded core, 0 to 255."""

_SHOWN_FACTORS = (8.0, 12.0)
"""Of the core of a picture of 768x512, with which validation codes."""


def enlarge(small: Tensor, size: tuple[int, int]) -> Tensor:
    """The prediction of a scale: the smaller one enlarged as Pillow's bicubic kernel does."""
    return functional.interpolate(small, size, mode="bicubic", antialias=True, align_corners=False)


def _lambdas(low: float, high: float) -> Tensor:
    """The weight of squared error at each level: `low` at quality 1, `high` at 9, a constant factor between levels."""
    return low * torch.exp(math.log(high / low) / (QUALITIES - 1) * torch.arange(OUTER_LEVELS))


class OuterSystem(BudgetedStage):
    """Trains `OuterUnit`.

    A patch is a scale; its prediction comes from itself, reduced by the factor between scales, with errors like those
    of a decoded scale, or reduced by any factor that the unit bridges, with errors like those of a decoded core. Loss:
    bits per pixel + lambda * distortion, with lambda spaced evenly in the logarithm over the quality levels. The
    distortion is the mean squared error (of 0..255), and for the full size `structure_weight` * (1 - MS-SSIM) more.
    """

    def __init__(self, recipe: ScalableRecipe, minutes: float | None = None) -> None:
        """Raises ArgumentError for patches on which the recipe's weight of structure cannot be measured."""
        stage = recipe.outer
        if stage.structure_weight > 0 and stage.side < STRUCTURE_SIDE:
            raise ArgumentError(
                f"structure_weight (={stage.structure_weight}) must be 0 for patches of {stage.side} pixels a side; "
                f"MS-SSIM wants at least {STRUCTURE_SIDE}"
            )
        super().__init__(recipe, stage, minutes)
        self.stage = stage
        self.unit = OuterUnit(recipe.model).to(memory_format=_MEMORY_FORMAT)
        self.register_buffer("lambdas", _lambdas(stage.lambda_low, stage.lambda_high))

    @property
    def _steps(self) -> Tensor:
        """The quantiser step of each level, in the range of `normalise`, that suits its lambda.

        At high rate a bit divides the squared error of a coefficient, step^2 / 12, by four; lambda weighs its third.
        """
        return (18.0 / (math.log(2.0) * self.lambdas)).sqrt() / 64.0

    def start(self, patches: Tensor) -> None:
        """Set the unit's first weights from some training patches, uint8 (N, 3, H, W)."""
        scale = normalise(patches.float())
        below = functional.avg_pool2d(scale, OUTER_FACTOR)
        residuals = scale - enlarge(below, (scale.shape[2], scale.shape[3]))
        self.unit.start_from_principal_components(residuals, self._steps)

    def take_weights(self, state: dict[str, Any], training: Iterable[Any]) -> None:
        """Those of a smaller unit too, which grows. Raises ArgumentError when its levels have other lambdas."""
        before, stage = state["recipe"]["outer"], self.stage
        trained, wanted = (before["lambda_low"], before["lambda_high"]), (stage.lambda_low, stage.lambda_high)
        if trained != wanted:
            raise ArgumentError(
                f"lambda_low and lambda_high (={wanted}) must be those of the model to start from, {trained}; "
                "its levels were trained for them"
            )
        self.unit.load_state_dict(grown_outer(weights_of(state["state_dict"], "unit"), self.unit))

    def _code(self, scale: Tensor, prediction: Tensor, level: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The decoded scale, bits per pixel (B,), mean squared error of 0..255 (B,); weights rounded as a bundle's."""
        seen = (x.contiguous(memory_format=_MEMORY_FORMAT) for x in (scale, prediction))
        decoded, rates = functional_call(self.unit, rounded_through(self.unit), (*seen, level))
        error = (decoded - scale).square().mean(dim=(1, 2, 3)) * 64.0**2
        return decoded, rates.total / scale[0, 0].numel(), error

    def _predicted(self, scale: Tensor, factors: Sequence[float], noise: Tensor) -> Tensor:
        """A scale's prediction from one smaller by `factors`, with errors of the standard deviations `noise` (B,)."""
        size = (scale.shape[2], scale.shape[3])
        smaller = [max(1, round(side / factor)) for side, factor in zip(size, factors, strict=True)]
        below = functional.adaptive_avg_pool2d(scale, smaller)
        below = below + noise[:, None, None, None] / 64.0 * torch.randn_like(below)
        return enlarge(below, size)

    def _uniform(self, low: float, high: float, count: int) -> Tensor:
        return torch.rand(count, generator=self.random).to(self.device, non_blocking=True) * (high - low) + low

    def training_step(self, patches: Tensor, batch_idx: int) -> Tensor:
        scale, batch = normalise(patches.float()), len(patches)
        kind, way, first, second = torch.rand(4, generator=self.random).tolist()
        # The full size, or a smaller scale, on which others rest.
        smaller = _ON_SCALE <= kind < _ON_SCALE + _SMALLER_ON_CORE
        lowest, highest = (OUTER_LEVELS - QUALITIES, OUTER_LEVELS) if smaller else (0, QUALITIES)
        # Any level between two, for rates are met by them; half a level more at either end, so that ends are learned.
        level = self._uniform(lowest - 0.5, highest - 0.5, batch).clamp(lowest, highest - 1)
        if smaller and way < 0.7:
            scale = functional.avg_pool2d(scale, 2)  # small scales are of pictures much reduced
        if kind < _ON_SCALE:
            factors, noise = [float(OUTER_FACTOR)] * 2, self._uniform(*_SCALE_ERRORS, batch)
        else:  # a core is square whatever the picture, so that the factors differ
            shares = (first, min(max(first + second - 0.5, 0.0), 1.0))
            factors = [float(OUTER_REACH) ** share for share in shares]
            noise = self._uniform(*_CORE_ERRORS, batch)
        decoded, rate, error = self._code(scale, self._predicted(scale, factors, noise), level)
        distortion = error
        if self.stage.structure_weight > 0 and not smaller:
            distortion = error + self.stage.structure_weight * structural_distance(decoded, scale)
        lambdas = self.lambdas[0] * (self.lambdas[1] / self.lambdas[0]) ** level
        # Without the root, the finest levels would outweigh all others.
        loss = ((rate + lambdas * distortion) * (self.lambdas[QUALITIES // 2] / lambdas).sqrt()).mean()
        if batch_idx % 50 == 0:
            self.note(loss=loss.detach(), bpp=rate.detach().mean(), mse=error.detach().mean())
        return loss

    def validation_step(self, patches: tuple[Tensor], batch_idx: int) -> None:
        scale = normalise(patches[0].float())
        for quality in (0, 4, 8):
            level = torch.full((len(scale),), float(quality), device=self.device)
            prediction = self._predicted(scale, _SHOWN_FACTORS, torch.full((len(scale),), 10.0, device=self.device))
            decoded, rate, error = self._code(scale, prediction, level)
            figures = [rate, 10 * torch.log10(255.0**2 / error)]
            if scale.shape[2] >= STRUCTURE_SIDE:
                figures.append(-10 * torch.log10(structural_distance(decoded, scale)))
            self._held_out.setdefault(quality, []).append(torch.stack(figures))

    def on_validation_epoch_start(self) -> None:
        self._held_out: dict[int, list[Tensor]] = {}

    def on_validation_epoch_end(self) -> None:
        figures: dict[str, Tensor] = {}
        for quality, rows in self._held_out.items():
            means = torch.cat(rows, dim=1).mean(dim=1)
            names = [f"{figure}_q{quality + 1}" for figure in ("bpp", "psnr", "msssim")][: len(means)]
            figures |= dict(zip(names, means, strict=True))
        self.note(**figures)

    def configure_gradient_clipping(self, optimizer: Any, *args: Any, **kwargs: Any) -> None:
        clip_gradients(self)  # Lightning refuses to, beside a fused optimiser
