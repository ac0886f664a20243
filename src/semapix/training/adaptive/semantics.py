"""Stage `semantics`: the match of features beside rate and distortion (HEVRC, eqs. 6 and 7; stage 2 of the paper)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from semapix.training.adaptive.matching import FeatureMatch
from semapix.training.adaptive.recipe import AdaptiveRecipe, SemanticsStage
from semapix.training.adaptive.signal import SignalSystem

__all__ = ["SemanticsSystem"]


class SemanticsSystem(SignalSystem):
    """Goes on from stage `distortion` with all networks of the codec."""

    def __init__(
        self,
        recipe: AdaptiveRecipe,
        start: dict[str, Tensor],
        match: FeatureMatch,
        minutes: float | None = None,
    ) -> None:
        """`start`: weights of `AdaptiveNetwork` after stage `distortion`."""
        super().__init__(recipe, recipe.semantics, minutes)
        self.stage: SemanticsStage = recipe.semantics
        self.network.load_state_dict(start)
        self.match = match

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        patches, segments = batch
        quality = self.draw(segments)
        pictures, coded, rate = self.code(patches, quality)
        weighted, plain = self.distortion(pictures, coded.picture, quality)
        apart = self.match(coded.picture, pictures)
        # Features count alike at every quality, after the balance of the whole loss.
        semantic = self.stage.feature_weight * apart / self.balance(quality)
        if batch_idx % 50 == 0:
            self.note(bpp=rate.mean(), mse=plain.mean(), apart=apart.mean(), loss=(rate + weighted + semantic).mean())
        return ((rate + weighted + semantic) * self.balance(quality)).mean()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        drop_match(checkpoint)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        keep_match(checkpoint, self.match)


def drop_match(checkpoint: dict[str, Any]) -> None:
    """Leave the network that looks out of a checkpoint: it has one of its own."""
    state = checkpoint["state_dict"]
    for key in [key for key in state if key.startswith("match.")]:
        del state[key]


def keep_match(checkpoint: dict[str, Any], match: torch.nn.Module) -> None:
    """The counterpart of `drop_match`, before weights are loaded."""
    checkpoint["state_dict"] |= {f"match.{key}": value for key, value in match.state_dict().items()}
