"""The scalable system as training sees it: its stages, where their data come from, how it becomes a bundle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from semapix.bundle import Bundle
from semapix.errors import ArgumentError
from semapix.training.data import Batches, Patches, first_pictures
from semapix.training.scalable.calibrate import calibrate
from semapix.training.scalable.export import export_scalable
from semapix.training.scalable.lcnet import LcnetSystem
from semapix.training.scalable.lfrnet import LfrnetSystem
from semapix.training.scalable.model import TrainedScalable, load_scalable, load_transform
from semapix.training.scalable.outer import OuterSystem
from semapix.training.scalable.recipe import ScalableRecipe
from semapix.training.scalable.restore import restore_run
from semapix.training.scalable.teacher import TeacherSystem, load_teacher
from semapix.training.splits import label_spaces, labelled, middles, photos
from semapix.training.system import Prepared, System, Wanted

__all__ = ["ScalableSystem"]

_START_PATCHES = 480
_HELD_OUT_SIDE = 256  # of the middles of held-out photos


class ScalableSystem(System):
    """LFRNet and the teacher that it may have, LCNet, the outer unit; stage `outer` does not depend on the others."""

    stages = ("teacher", "lfrnet", "lcnet", "outer")
    aids = ("teacher",)
    siblings = True

    def prepare(self, recipe: ScalableRecipe, stage: str, data: Path, folder: Path, minutes: float | None) -> Prepared:
        if stage == "outer":
            return _prepare_outer(recipe, data, minutes)
        training, held_out = labelled(recipe.data, data)
        labels = label_spaces(training)
        if stage == "teacher":
            assert recipe.teacher is not None
            teacher = TeacherSystem(recipe, recipe.teacher, labels, minutes)
            return Prepared(teacher, Batches(training, recipe.teacher.batch, recipe.teacher.seed), [held_out])
        if stage == "lfrnet":
            learns = recipe.lfrnet.teacher_weight > 0
            lfrnet = LfrnetSystem(recipe, labels, minutes, load_teacher(folder, labels) if learns else None)
            return Prepared(lfrnet, Batches(training, recipe.lfrnet.batch, recipe.lfrnet.seed), [held_out])
        lcnet = LcnetSystem(recipe, load_transform(folder), minutes)
        return Prepared(lcnet, Batches(training, recipe.lcnet.batch, recipe.lcnet.seed), [held_out])

    def restore(self, bundle: Bundle, folder: Path) -> None:
        restore_run(bundle, folder)

    def export(self, wanted: Wanted) -> dict[str, float]:
        trained = load_scalable(wanted.folder)
        calibrations = {} if wanted.data is None else calibrate(trained, wanted.data)
        if wanted.data is not None and wanted.sibling is not None:
            honest = calibrate(_sibling(trained, wanted.sibling), wanted.data)
            # How large logits are is of each model: quantiles of another one would call next to nothing foreign.
            calibrations = {k: replace(own, temperature=honest[k].temperature) for k, own in calibrations.items()}
        export_scalable(trained, wanted.bundle, calibrations, data=wanted.data, force=wanted.force)
        return {task: calibration.temperature for task, calibration in calibrations.items()}


def _sibling(trained: TrainedScalable, folder: Path) -> TrainedScalable:
    """The model of a run that says how sure another one may be; ArgumentError unless both know the same labels."""
    sibling = load_scalable(folder)
    if (sibling.coarse_names, sibling.fine_names) != (trained.coarse_names, trained.fine_names):
        raise ArgumentError(f"sibling (={folder}) must know the same labels as the run that it calibrates")
    return sibling


def _prepare_outer(recipe: ScalableRecipe, data: Path, minutes: float | None) -> Prepared:
    outer = recipe.outer
    training, held_out = photos(recipe.data, data)
    patches = Patches(training, outer.batch, outer.side, outer.seed)
    stage = OuterSystem(recipe, minutes)
    stage.start(first_pictures(patches, _START_PATCHES))
    return Prepared(stage, patches, [middles(held_out, min(2 * outer.side, _HELD_OUT_SIDE))])
