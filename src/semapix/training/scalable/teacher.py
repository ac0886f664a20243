"""Stage `teacher`: the network that stage `lfrnet` learns from, trained on the same pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from semapix.errors import ArgumentError
from semapix.training.augment import squeeze
from semapix.training.checkpoint import load_weights, read_checkpoint, weights_of
from semapix.training.labelled_stage import LabelledStage
from semapix.training.scalable.nets.teacher import Teacher
from semapix.training.scalable.recipe import ScalableRecipe, TeacherStage
from semapix.training.scalable.views import labelled_views
from semapix.training.sections import build_recipe

__all__ = ["TeacherSystem", "load_teacher"]


class TeacherSystem(LabelledStage):
    """Trains a `Teacher` by the cross entropy of fine labels, on views as stage `lfrnet` sees them."""

    def __init__(
        self, recipe: ScalableRecipe, stage: TeacherStage, labels: dict[str, list[Any]], minutes: float | None = None
    ) -> None:
        """`labels`: names of the `coarse` and `fine` labels, and `parents`, the coarse label of each fine one."""
        super().__init__(recipe, stage, minutes)
        self.stage, self.labels = stage, labels
        self.side = recipe.model.core_side
        self.teacher = Teacher(stage.widths, stage.blocks, labels)

    def logits(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        logits: tuple[Tensor, Tensor] = self.teacher(squeeze(pictures, self.side))
        return logits

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> Tensor:
        pictures, _, fine = batch
        views = labelled_views(pictures.float(), self.side, self.stage, self.random)
        _, logits = self.teacher(views.pictures)
        loss = views.cross_entropy(logits, fine, self.stage.label_smoothing)
        if batch_idx % 50 == 0:
            self.note(loss_fine=loss, top1_fine=(logits.argmax(1) == fine).float().mean())
        return loss

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["labels"] = self.labels


def load_teacher(folder: Path, labels: dict[str, list[Any]]) -> Teacher:
    """The network of stage `teacher`. Raises ArgumentError when there is none, or one for other labels."""
    path, checkpoint = folder / "teacher.ckpt", read_checkpoint(folder, "teacher")
    if checkpoint["labels"] != labels:
        raise ArgumentError(
            f"{path} knows other labels (={len(checkpoint['labels']['fine'])} fine ones) than the data have "
            f"({len(labels['fine'])}); train stage teacher on them in another folder, or set teacher_weight to 0"
        )
    stage = build_recipe(ScalableRecipe, checkpoint["recipe"], "the checkpoint's recipe").teacher
    assert stage is not None
    teacher = Teacher(stage.widths, stage.blocks, labels)
    load_weights(teacher, weights_of(checkpoint["state_dict"], "teacher"), path)
    return teacher
