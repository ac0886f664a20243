"""The adaptive system as training sees it: its stages, where their data come from, how it becomes a bundle."""

from __future__ import annotations

from pathlib import Path

from semapix.bundle import Bundle
from semapix.errors import ArgumentError
from semapix.training.adaptive.classifier import ClassifierSystem
from semapix.training.adaptive.distortion import DistortionSystem
from semapix.training.adaptive.export import export_adaptive
from semapix.training.adaptive.matching import load_match
from semapix.training.adaptive.model import load_adaptive, load_network
from semapix.training.adaptive.perception import PerceptionSystem
from semapix.training.adaptive.recipe import AdaptiveRecipe, DistortionStage, SemanticsStage
from semapix.training.adaptive.restore import restore_adaptive
from semapix.training.adaptive.scenes import MappedPatches, ScenePatches, load_scenes
from semapix.training.adaptive.semantics import SemanticsSystem
from semapix.training.data import Batches, first_pictures
from semapix.training.splits import label_spaces, labelled, middles, photos
from semapix.training.system import Prepared, System, Wanted

__all__ = ["AdaptiveSystem"]

_START_PATCHES = 480  # where the first layer sees blocks of 4x4 pixels
_HELD_OUT_SIDE = 256  # of the middles of held-out photos


class AdaptiveSystem(System):
    """The classifier, then the paper's three stages."""

    stages = ("classifier", "distortion", "semantics", "perception")
    earlier = ("distortion", "semantics")

    def prepare(self, recipe: AdaptiveRecipe, stage: str, data: Path, folder: Path, minutes: float | None) -> Prepared:
        if stage == "classifier":
            training, held_out_labelled = labelled(recipe.data, data)
            classifier = ClassifierSystem(recipe, label_spaces(training), minutes)
            batches = Batches(training, recipe.classifier.batch, recipe.classifier.seed)
            return Prepared(classifier, batches, [held_out_labelled])
        photo_training, photo_held_out = photos(recipe.data, data)
        signal: DistortionStage = getattr(recipe, stage)
        held_out = [middles(photo_held_out, min(2 * signal.side, _HELD_OUT_SIDE))]
        scenes = load_scenes(data / recipe.data.scenes)
        patches = ScenePatches([*photo_training, *scenes], signal.batch, signal.side, signal.seed)
        training = MappedPatches(patches, signal.map_shares, signal.seed)
        if stage == "distortion":
            distortion = DistortionSystem(recipe, minutes)
            count = max(1, _START_PATCHES * recipe.model.stem**2 // 16)  # as many positions of the finest resolution
            distortion.start(first_pictures((batch for batch, _ in patches), count))
            return Prepared(distortion, training, held_out)
        section: SemanticsStage = getattr(recipe, stage)
        match = load_match(section.feature_network, folder, section.feature_reduce)
        if stage == "semantics":
            start = load_network(folder, "distortion", recipe)
            return Prepared(SemanticsSystem(recipe, start, match, minutes), training, held_out)
        start = load_network(folder, "semantics", recipe)
        return Prepared(PerceptionSystem(recipe, start, match, minutes), training, held_out)

    def restore(self, bundle: Bundle, folder: Path) -> None:
        restore_adaptive(bundle, folder)

    def export(self, wanted: Wanted) -> dict[str, float]:
        if wanted.data is None:
            raise ArgumentError("adaptive: name the training data with --data; typical rates are measured on them")
        trained = load_adaptive(wanted.folder, wanted.stage)
        return export_adaptive(trained, wanted.bundle, wanted.data, force=wanted.force)
