"""Stage `semantics`: the semantic analysis alone, on features that no longer change.

Most of the work of stage `joint` goes into pictures; labels want many more examples than that leaves time for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from semapix.codecs import QUALITIES
from semapix.training.augment import random_view, squeeze
from semapix.training.batch_norm import refresh_batch_norm
from semapix.training.budget import BudgetedStage
from semapix.training.checkpoint import weights_of
from semapix.training.deepsic.model import TrainedDeepsic
from semapix.training.groups import group_shares
from semapix.training.normalise import normalise

__all__ = ["SemanticsSystem"]


class SemanticsSystem(BudgetedStage):
    """Trains h of a DeepSIC model for classes and groups, on features before and after coding at all qualities."""

    def __init__(self, joint: TrainedDeepsic, minutes: float | None = None) -> None:
        """`joint`: the model of stage `joint`; training starts from its h."""
        recipe = joint.recipe
        super().__init__(recipe, recipe.semantics, minutes)
        self.stage, self.labels = recipe.semantics, joint.labels
        self.side = recipe.model.core_side
        self.features = joint.features.requires_grad_(False).eval().to(memory_format=torch.channels_last)
        self.quantiser = joint.quantiser.requires_grad_(False).eval()
        self.reconstruction = joint.reconstruction.requires_grad_(False).eval()  # so that one checkpoint has it all
        self.semantics = joint.semantics.requires_grad_(True).train().to(memory_format=torch.channels_last)
        self.register_buffer("parents", torch.tensor(joint.labels["parents"]))

    def take_weights(self, state: dict[str, Any], training: Iterable[Any]) -> None:
        self.semantics.load_state_dict(weights_of(state["state_dict"], "semantics"))
        pictures, _, _ = next(iter(training))
        features, _ = self._features(squeeze(pictures.float(), self.side), torch.zeros(len(pictures), dtype=torch.long))
        refresh_batch_norm(self.semantics, self.semantics, features)

    @torch.no_grad()
    def _features(self, pictures: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        """Before and after coding at quality levels (B,)."""
        features = self.features(normalise(pictures).contiguous(memory_format=torch.channels_last)).float()
        decoded, _ = self.quantiser(features, level)
        return features, decoded.contiguous(memory_format=torch.channels_last)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["labels"] = self.labels

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> Tensor:
        pictures, coarse, fine = batch
        stage = self.stage
        view = random_view(pictures.float(), self.side, stage, self.random)
        level = torch.randint(0, QUALITIES, (len(view),), generator=self.random).to(view.device)
        features, decoded = self._features(view, level)
        as_float = torch.rand(len(view), generator=self.random).to(view.device) < stage.float_share
        classes = self.semantics(torch.where(as_float[:, None, None, None], features, decoded)).float()
        coarse_loss = functional.nll_loss(group_shares(classes, self.parents, len(self.labels["coarse"])).log(), coarse)
        fine_loss = functional.cross_entropy(classes, fine, label_smoothing=stage.label_smoothing)
        if batch_idx % 50 == 0:
            self.note(
                loss_coarse=coarse_loss.detach(),
                loss_fine=fine_loss.detach(),
                top1_fine=(classes.argmax(1) == fine).float().mean(),
            )
        return stage.coarse_weight * coarse_loss + fine_loss

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        pictures, coarse, fine = batch
        row = []
        for quality in (0, 4, 8):
            features, decoded = self._features(squeeze(pictures.float(), self.side), torch.full_like(fine, quality))
            row += self._right(self.semantics(decoded), coarse, fine)
        self._held_out.append(torch.stack([*row, *self._right(self.semantics(features), coarse, fine)]))

    def _right(self, classes: Tensor, coarse: Tensor, fine: Tensor) -> list[Tensor]:
        groups = group_shares(classes.float(), self.parents, len(self.labels["coarse"]))
        return [(groups.argmax(1) == coarse).float(), (classes.argmax(1) == fine).float()]

    def on_validation_epoch_start(self) -> None:
        self._held_out: list[Tensor] = []

    def on_validation_epoch_end(self) -> None:
        names = [f"{task}_{kind}" for kind in ("q1", "q5", "q9", "float") for task in ("coarse", "fine")]
        self.note(**dict(zip(names, torch.cat(self._held_out, dim=1).mean(dim=1), strict=True)))
