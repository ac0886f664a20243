"""Stage `classifier`: the network whose features are matched, and whose labels and importance encoders use."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from semapix.training.adaptive.recipe import AdaptiveRecipe
from semapix.training.augment import random_view, squeeze
from semapix.training.classifier import Classifier
from semapix.training.groups import group_shares
from semapix.training.labelled_stage import LabelledStage
from semapix.training.normalise import normalise

__all__ = ["ClassifierSystem"]

_ZOOMED = 0.3
"""Share of the batches with enlarged views."""


class ClassifierSystem(LabelledStage):
    """Trains a `Classifier` for classes and groups, the probability of a group being the sum of its classes'."""

    def __init__(self, recipe: AdaptiveRecipe, labels: dict[str, list[Any]], minutes: float | None = None) -> None:
        """`labels`: names of the `coarse` and `fine` labels, and `parents`, the coarse label of each fine one."""
        super().__init__(recipe, recipe.classifier, minutes)
        self.stage, self.labels = recipe.classifier, labels
        model = recipe.model
        self.side = model.classifier_side
        self.classifier = Classifier(
            self.stage.family, model.classifier_widths, model.classifier_blocks, len(labels["fine"])
        ).to(memory_format=torch.channels_last)
        self.register_buffer("parents", torch.tensor(labels["parents"]))

    def _logits(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Of groups and of classes."""
        fine = self.classifier(normalise(pictures).contiguous(memory_format=torch.channels_last)).float()
        return group_shares(fine, self.parents, len(self.labels["coarse"])).log(), fine

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> Tensor:
        pictures, coarse, fine = batch
        stage, side = self.stage, self.side
        zoomed, amount = torch.rand(2, generator=self.random).tolist()
        if zoomed < _ZOOMED:
            side = 8 * round(side * (1 + amount * (stage.largest_zoom - 1)) / 8)
        groups, classes = self._logits(random_view(pictures.float(), side, stage, self.random))
        coarse_loss = functional.nll_loss(groups, coarse)
        fine_loss = functional.cross_entropy(classes, fine, label_smoothing=stage.label_smoothing)
        if batch_idx % 50 == 0:
            self.note(
                loss_coarse=coarse_loss, loss_fine=fine_loss, top1_fine=(classes.argmax(1) == fine).float().mean()
            )
        return stage.coarse_weight * coarse_loss + fine_loss

    def logits(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        return self._logits(squeeze(pictures, self.side))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["labels"] = self.labels
