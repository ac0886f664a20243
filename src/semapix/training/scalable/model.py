"""A scalable model put together from the checkpoints of its stages."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from semapix.training.batch_norm import fold_batch_norm
from semapix.training.checkpoint import load_weights, read_checkpoint, weights_of
from semapix.training.rounding import round_weights
from semapix.training.scalable.lfrnet import SemanticTransform
from semapix.training.scalable.nets.layered import LayeredCompression
from semapix.training.scalable.nets.outer import OuterUnit
from semapix.training.scalable.recipe import ScalableModel, ScalableRecipe
from semapix.training.sections import build_recipe

__all__ = ["TrainedScalable", "load_scalable", "load_transform", "new_scalable"]


@dataclass(frozen=True)
class TrainedScalable:
    """The parts of a scalable model, ready for export: batch norm folded, weights rounded."""

    recipe: ScalableRecipe
    transform: SemanticTransform
    compression: LayeredCompression
    outer: OuterUnit
    coarse_names: list[str]
    fine_names: list[str]
    parents: list[int]

    @property
    def model(self) -> ScalableModel:
        return self.recipe.model

    @property
    def band_shapes(self) -> list[tuple[int, int, int]]:
        """Shape (C, S, S) of what each RAFC unit codes, s1 first."""
        model = self.model
        levels = len(model.lifting_hidden)
        deepest, side = 3 * 2**levels, model.core_side >> levels
        first = model.coarse_channels
        shapes = [(first, side, side), (deepest - first, side, side), (2 * deepest, side, side)]
        return shapes + [(3 * 2**k, model.core_side >> k, model.core_side >> k) for k in range(levels - 1, 0, -1)]

    @property
    def latent_shapes(self) -> list[tuple[int, int, int]]:
        """Shape (M, S, S) of each RAFC unit's latent, s1 first."""
        return [
            (latents, side >> loops, side >> loops)
            for (_, side, _), latents, loops in zip(
                self.band_shapes, self.model.unit_latents, self.model.unit_loops, strict=True
            )
        ]


def new_scalable(recipe: ScalableRecipe, labels: dict[str, list[Any]]) -> TrainedScalable:
    """All networks of a recipe with random weights, in evaluation mode.

    `labels`: names of the `coarse` and `fine` labels, and `parents`, the coarse label of each fine one.
    """
    model = recipe.model
    transform = SemanticTransform(model, len(labels["coarse"]), len(labels["fine"])).eval()
    compression = LayeredCompression(model).eval()
    outer = OuterUnit(model).eval()
    return TrainedScalable(recipe, transform, compression, outer, labels["coarse"], labels["fine"], labels["parents"])


def load_transform(folder: Path) -> SemanticTransform:
    """The transform of stage `lfrnet`, batch norm folded into the convolutions, weights rounded."""
    checkpoint = read_checkpoint(folder, "lfrnet")
    recipe = build_recipe(ScalableRecipe, checkpoint["recipe"], "the checkpoint's recipe")
    transform = new_scalable(recipe, checkpoint["labels"]).transform
    load_weights(transform, weights_of(checkpoint["state_dict"], "transform"), folder / "lfrnet.ckpt")
    fold_batch_norm(transform)
    round_weights(transform.lifting, recipe.model.lifting_bits)
    round_weights(transform)  # the heads; what is rounded stays
    return transform


def _with_outer(recipe: ScalableRecipe, other: ScalableRecipe) -> ScalableRecipe:
    """A recipe with what `other` says of the outer unit, which is trained apart and may have grown since."""
    sizes = {field.name: getattr(other.model, field.name) for field in fields(ScalableModel)}
    of_outer = {name: value for name, value in sizes.items() if name.startswith("outer_")}
    return replace(recipe, model=replace(recipe.model, **of_outer), outer=other.outer)


def load_scalable(folder: Path) -> TrainedScalable:
    """All parts from the checkpoints of `lfrnet`, `lcnet` and `outer` in `folder`. Raises ArgumentError without one."""
    labels = read_checkpoint(folder, "lfrnet")["labels"]
    checkpoint, outer = read_checkpoint(folder, "lcnet"), read_checkpoint(folder, "outer")
    recipe, of_outer = (
        build_recipe(ScalableRecipe, state["recipe"], "the checkpoint's recipe") for state in (checkpoint, outer)
    )
    trained = new_scalable(_with_outer(recipe, of_outer), labels)
    # The transform that the layers were trained on, even if stage `lfrnet` has gone on since.
    fold_batch_norm(trained.transform)
    for part, state, name, stage in (
        (trained.transform, checkpoint, "transform", "lcnet"),
        (trained.compression, checkpoint, "compression", "lcnet"),
        (trained.outer, outer, "unit", "outer"),
    ):
        load_weights(part, weights_of(state["state_dict"], name), folder / f"{stage}.ckpt")
    round_weights(trained.transform.lifting, recipe.model.lifting_bits)
    for part in (trained.transform, trained.compression, trained.outer):
        part.requires_grad_(False)
        round_weights(part)
    return trained
