"""DeepSIC as training sees it: its stage, where its data come from, how it becomes a bundle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from semapix.bundle import Bundle
from semapix.errors import ArgumentError
from semapix.training.data import Batches, Patches, Together
from semapix.training.deepsic.export import export_deepsic
from semapix.training.deepsic.joint import JointSystem
from semapix.training.deepsic.model import load_deepsic, load_stage
from semapix.training.deepsic.recipe import DeepsicRecipe
from semapix.training.deepsic.restore import restore_deepsic
from semapix.training.deepsic.semantics import SemanticsSystem
from semapix.training.splits import label_spaces, labelled, middles, photos
from semapix.training.system import Prepared, System, Wanted

__all__ = ["DeepsicSystem"]

_START_BATCHES = 30
_HELD_OUT_SIDE = 256  # of the middles of held-out photos


class DeepsicSystem(System):
    """A stage for all networks, one for h alone; what the bit-plane coder needs is counted when a bundle is made."""

    stages = ("joint", "semantics")

    def prepare(self, recipe: DeepsicRecipe, stage: str, data: Path, folder: Path, minutes: float | None) -> Prepared:
        training, held_out = labelled(recipe.data, data)
        if stage == "semantics":
            semantics = SemanticsSystem(replace(load_stage(folder, "joint"), recipe=recipe), minutes)
            return Prepared(semantics, Batches(training, recipe.semantics.batch, recipe.semantics.seed), [held_out])
        photo_training, photo_held_out = photos(recipe.data, data)
        joint = recipe.joint
        patches = Patches(photo_training, joint.photo_batch, joint.side, joint.seed)
        system = JointSystem(recipe, label_spaces(training), minutes)
        system.start(torch.cat([batch for batch, _ in zip(patches, range(_START_BATCHES), strict=False)]))
        batches = Together(Batches(training, joint.batch, joint.seed), patches)
        return Prepared(system, batches, [held_out, middles(photo_held_out, min(2 * joint.side, _HELD_OUT_SIDE))])

    def restore(self, bundle: Bundle, folder: Path) -> None:
        restore_deepsic(bundle, folder)

    def export(self, wanted: Wanted) -> dict[str, float]:
        if wanted.data is None:
            raise ArgumentError("deepsic: name the training data with --data; its coder counts contexts on them")
        return export_deepsic(load_deepsic(wanted.folder), wanted.bundle, wanted.data, force=wanted.force)
