"""Stage `lfrnet` of a recipe with another network in place of the transform: what the transform is compared with."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from semapix.training.augment import squeeze
from semapix.training.labelled_stage import LabelledStage
from semapix.training.normalise import normalise
from semapix.training.scalable.nets.heads import Head
from semapix.training.scalable.nets.rivals import RIVALS
from semapix.training.scalable.recipe import ScalableRecipe
from semapix.training.scalable.views import labelled_views

__all__ = ["RivalNetwork", "RivalSystem"]


class RivalNetwork(nn.Module):
    """A rival (a key of `RIVALS`) with a coarse and a fine head on all of its features."""

    def __init__(self, rival: str, recipe: ScalableRecipe, coarse_classes: int, fine_classes: int) -> None:
        super().__init__()
        model = recipe.model
        self.trunk = RIVALS[rival](model.core_side, len(model.lifting_hidden))
        self.coarse = Head(self.trunk.features, model.coarse_hidden, coarse_classes, model.dropout)
        self.fine = Head(self.trunk.features, model.fine_hidden, fine_classes, model.dropout)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Coarse and fine logits of pictures (B, 3, S, S), 0 to 255."""
        features = self.trunk(normalise(pictures).contiguous(memory_format=torch.channels_last))
        return self.coarse(features), self.fine(features)


class RivalSystem(LabelledStage):
    """Trains a `RivalNetwork` as `lfrnet` trains the transform without a teacher: data, views, losses and schedule."""

    def __init__(
        self, rival: str, recipe: ScalableRecipe, labels: dict[str, list[Any]], minutes: float | None = None
    ) -> None:
        super().__init__(recipe, recipe.lfrnet, minutes)
        self.network = RivalNetwork(rival, recipe, len(labels["coarse"]), len(labels["fine"])).to(
            memory_format=torch.channels_last
        )

    def logits(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        logits: tuple[Tensor, Tensor] = self.network(squeeze(pictures, self.recipe.model.core_side))
        return logits

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> Tensor:
        pictures, coarse, fine = batch
        stage = self.recipe.lfrnet
        views = labelled_views(pictures.float(), self.recipe.model.core_side, stage, self.random)
        coarse_logits, fine_logits = self.network(views.pictures)
        coarse_loss = views.cross_entropy(coarse_logits, coarse, stage.label_smoothing)
        return stage.coarse_weight * coarse_loss + views.cross_entropy(fine_logits, fine, stage.label_smoothing)
