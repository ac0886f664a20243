"""Stage `semantics`: the match of features beside rate and distortion (HEVRC, eqs. 6 and 7; stage 2 of the paper)."""

from __future__ import annotations

from torch import Tensor

from semapix.training.adaptive.matched import MatchedSystem
from semapix.training.adaptive.matching import FeatureMatch
from semapix.training.adaptive.recipe import AdaptiveRecipe, SemanticsStage

__all__ = ["SemanticsSystem"]


class SemanticsSystem(MatchedSystem):
    """Goes on from stage `distortion` with all networks of the codec."""

    def __init__(
        self, recipe: AdaptiveRecipe, start: dict[str, Tensor], match: FeatureMatch, minutes: float | None = None
    ) -> None:
        super().__init__(recipe, recipe.semantics, start, match, minutes)
        self.stage: SemanticsStage = recipe.semantics

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        patches, quality = batch
        pictures, coded, rate = self.code(patches, quality)
        weighted, plain = self.distortion(pictures, coded.picture, quality)
        apart = self.match(coded.picture, pictures)
        semantic = self.stage.feature_weight * apart
        if batch_idx % 50 == 0:
            self.note(bpp=rate.mean(), mse=plain.mean(), apart=apart.mean(), loss=(rate + weighted + semantic).mean())
        return ((rate + weighted + semantic) * self.balance(quality)).mean()
