"""Stage `lfrnet`: the lifting transform with its coarse and fine heads (scalable paper, eq. 12)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from semapix.training.augment import squeeze
from semapix.training.batch_norm import refresh_batch_norm
from semapix.training.checkpoint import weights_of
from semapix.training.labelled_stage import LabelledStage
from semapix.training.normalise import normalise
from semapix.training.scalable.distillation import Distillation, divergence
from semapix.training.scalable.grow import grown_lifting
from semapix.training.scalable.nets.heads import Head
from semapix.training.scalable.nets.lifting import Lifting
from semapix.training.scalable.nets.teacher import Teacher
from semapix.training.scalable.recipe import ScalableModel, ScalableRecipe
from semapix.training.scalable.views import labelled_views

__all__ = ["LfrnetSystem", "SemanticTransform"]

_DISTILLATION = "distillation."


class SemanticTransform(nn.Module):
    """The lifting transform and the two heads on its deepest main band.

    `coarse` reads the first `coarse_channels` channels (layer s1), `fine` reads all of them (s1 and s2).
    """

    def __init__(self, model: ScalableModel, coarse_classes: int, fine_classes: int) -> None:
        super().__init__()
        levels = len(model.lifting_hidden)
        side = model.core_side // 2**levels
        self.lifting = Lifting(model.lifting_hidden, model.lifting_depth, model.lifting_blocks)
        self.coarse_channels = model.coarse_channels
        self.coarse = Head(model.coarse_channels * side**2, model.coarse_hidden, coarse_classes, model.dropout)
        self.fine = Head(3 * 2**levels * side**2, model.fine_hidden, fine_classes, model.dropout)

    def heads(self, main: Tensor) -> tuple[Tensor, Tensor]:
        """Coarse and fine logits of the deepest main band (B, 3*2^K, S, S)."""
        return self.coarse(main[:, : self.coarse_channels]), self.fine(main)


class LfrnetSystem(LabelledStage):
    """Trains `SemanticTransform` on labelled pictures.

    Loss: cross entropies of both heads (eq. 12; the coarse one's weight is the recipe's) and of fine labels told from
    layer s1 alone, which teach it more than few coarse ones, plus small penalties on the dual bands (mean magnitude)
    and on what Update adds to the main bands (mean square), which keep the transform one that can also be coded:
    Predict then predicts, and errors of a decoded dual band do not blow up in the main band.

    With a teacher, `teacher_weight` of the cross entropies gives way to as many divergences from what it says of the
    same view (distillation.py). Beyer et al. use no labels; their teachers have seen far more pictures.
    """

    unsaved = (_DISTILLATION,)

    def __init__(
        self,
        recipe: ScalableRecipe,
        labels: dict[str, list[Any]],
        minutes: float | None = None,
        teacher: Teacher | None = None,
    ) -> None:
        """`labels`: names of the `coarse` and `fine` labels, and `parents`, the coarse label of each fine one.

        `teacher`: None for labels alone, whatever the recipe says.
        """
        super().__init__(recipe, recipe.lfrnet, minutes)
        self.stage = recipe.lfrnet
        self.side = recipe.model.core_side
        self.labels = labels
        self.transform = SemanticTransform(recipe.model, len(labels["coarse"]), len(labels["fine"])).to(
            memory_format=torch.channels_last
        )
        self.first_fine = nn.Linear(self.transform.coarse[1].in_features, len(labels["fine"]))
        self.distillation = None if teacher is None else Distillation(teacher)

    def take_weights(self, state: dict[str, Any], training: Iterable[Any]) -> None:
        """Also those of a smaller transform, which grows; heads of other label spaces stay as they are."""
        weights, lifting = state["state_dict"], self.transform.lifting
        old = state["recipe"]["model"]
        grown = grown_lifting(
            weights_of(weights, "transform.lifting"), old["lifting_depth"], lifting, old.get("lifting_blocks", [])
        )
        lifting.load_state_dict(grown)
        if state["labels"] == self.labels:
            self.transform.coarse.load_state_dict(weights_of(weights, "transform.coarse"))
            self.transform.fine.load_state_dict(weights_of(weights, "transform.fine"))
        pictures, _, _ = next(iter(training))
        refresh_batch_norm(self.transform, lifting, normalise(squeeze(pictures.float(), self.side)))

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> Tensor:
        pictures, coarse, fine = batch
        stage = self.stage
        views = labelled_views(pictures.float(), self.side, stage, self.random)
        band = normalise(views.pictures).contiguous(memory_format=torch.channels_last)
        predicted, updated = band.new_zeros(()), band.new_zeros(())
        for step in self.transform.lifting.steps:
            main, dual = step(band)
            predicted = predicted + dual.abs().mean()
            updated = updated + (main - _untouched(band)).square().mean()
            band = main
        coarse_logits, fine_logits = self.transform.heads(band)
        coarse_loss = views.cross_entropy(coarse_logits, coarse, stage.label_smoothing)
        fine_loss = views.cross_entropy(fine_logits, fine, stage.label_smoothing)
        first = self.first_fine(band[:, : self.transform.coarse_channels].flatten(1))
        first_loss = views.cross_entropy(first, fine, stage.label_smoothing)
        loss = self._sum(coarse_loss, fine_loss, first_loss)
        apart: dict[str, Tensor] = {}
        if self.distillation is not None:
            coarse_wanted, fine_wanted = self.distillation(views.pictures)
            coarse_apart, fine_apart = divergence(coarse_wanted, coarse_logits), divergence(fine_wanted, fine_logits)
            taught = self._sum(coarse_apart, fine_apart, divergence(fine_wanted, first))
            loss = (1 - stage.teacher_weight) * loss + stage.teacher_weight * taught
            apart = {"apart_coarse": coarse_apart, "apart_fine": fine_apart}
        if batch_idx % 50 == 0:
            self.note(
                **apart,
                loss_coarse=coarse_loss,
                loss_fine=fine_loss,
                dual=predicted,
                update=updated,
                top1_fine=(fine_logits.argmax(1) == fine).float().mean(),
            )
        return loss + stage.dual_weight * predicted + stage.update_weight * updated

    def _sum(self, coarse: Tensor, fine: Tensor, first: Tensor) -> Tensor:
        """A loss of the coarse head, of the fine one, and of fine labels told from s1, by their weights."""
        return self.stage.coarse_weight * coarse + fine + self.stage.first_fine_weight * first

    def logits(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        main, _ = self.transform.lifting(normalise(squeeze(pictures, self.side)))
        return self.transform.heads(main)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["labels"] = self.labels

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        here = {key: value for key, value in self.state_dict().items() if key.startswith(self.unsaved)}
        checkpoint["state_dict"] |= here


def _untouched(band: Tensor) -> Tensor:
    """The main band before Update: the upper rows of every 2x2 block."""
    upper = band[..., 0::2, :]
    return torch.cat([upper[..., 0::2], upper[..., 1::2]], dim=1)
