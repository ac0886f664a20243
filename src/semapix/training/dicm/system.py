"""DICM as training sees it: its stages, where their data come from, how it becomes a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from semapix.bundle import Bundle
from semapix.training.data import Batches, Numbered, Patches, Together, first_pictures
from semapix.training.dicm.compressing import CompressionSystem
from semapix.training.dicm.export import export_dicm
from semapix.training.dicm.model import load_dicm, load_stage
from semapix.training.dicm.recipe import DicmData, DicmRecipe
from semapix.training.dicm.restore import restore_dicm
from semapix.training.dicm.scenes import Scene, SceneViews, WantedViews, class_names, fitted, load_scenes
from semapix.training.dicm.selfsupervised import SelfSupervisedSystem
from semapix.training.dicm.tasking import TasksSystem
from semapix.training.splits import label_spaces, labelled, middles, photos
from semapix.training.system import Prepared, System, Wanted

__all__ = ["DicmSystem"]

_START_PATCHES = 160


class DicmSystem(System):
    """Self-supervised features, then the network that codes them, then what reads them."""

    stages = ("selfsupervised", "compression", "tasks")

    def prepare(self, recipe: DicmRecipe, stage: str, data: Path, folder: Path, minutes: float | None) -> Prepared:
        training, held_out = labelled(recipe.data, data)
        if stage == "selfsupervised":
            first = recipe.selfsupervised
            pictures, fine = torch.from_numpy(training.pictures), torch.from_numpy(training.fine).long()
            system = SelfSupervisedSystem(recipe, pictures, fine, minutes)
            return Prepared(system, Numbered(training.pictures, first.batch, first.seed), [held_out])
        names = class_names([data / folder for folder in recipe.data.scenes], recipe.data.aliases)
        labels: dict[str, list[Any]] = {**label_spaces(training), "objects": names}
        scenes, scenes_held_out = _scenes(recipe.data, data, names)
        if stage == "compression":
            second = recipe.compression
            coding = CompressionSystem(load_stage(folder, "selfsupervised", recipe, labels), minutes)
            photo_training, _ = photos(recipe.data, data)
            pictures = [*photo_training, *(scene.pixels for scene in scenes)]
            patches = Patches(
                _large_enough(pictures, second.scene_side), second.scene_batch, second.scene_side, second.seed
            )
            coding.start(first_pictures(patches, _START_PATCHES))
            batches = Together(Batches(training, second.batch, second.seed), patches)
            shown = _large_enough([scene.pixels for scene in scenes_held_out], second.scene_side)
            return Prepared(coding, batches, [held_out, middles(shown, second.scene_side)])
        third = recipe.tasks
        system = TasksSystem(load_stage(folder, "compression", recipe, labels), minutes)
        stride = recipe.model.prototype_stride
        views = SceneViews(scenes, third.scene_batch, third.scene_side, stride, third.mosaic, third.seed)
        targets = WantedViews(views, recipe.model.pyramid_strides)
        batches = Together(Batches(training, third.batch, third.seed), targets)
        return Prepared(system, batches, [held_out, fitted(scenes_held_out, recipe.model.scene_side)])

    def restore(self, bundle: Bundle, folder: Path) -> None:
        restore_dicm(bundle, folder)

    def export(self, wanted: Wanted) -> dict[str, float]:
        return export_dicm(load_dicm(wanted.folder), wanted.bundle, wanted.data, force=wanted.force)


def _scenes(section: DicmData, data: Path, names: list[list[str]]) -> tuple[list[Scene], list[Scene]]:
    """Scenes that train, and held-out ones."""
    everything = [
        scene
        for folder, mine in zip(section.scenes, names, strict=True)
        for scene in load_scenes(data / folder, mine, section.aliases)
    ]
    every = section.held_out_scenes
    return [scene for i, scene in enumerate(everything) if i % every], everything[::every]


def _large_enough(pictures: list[NDArray[np.uint8]], side: int) -> list[NDArray[np.uint8]]:
    return [picture for picture in pictures if min(picture.shape[:2]) >= side]
