"""A scalable model put together from the checkpoints of its stages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from semapix.errors import ArgumentError
from semapix.training.nets.layered import LayeredCompression
from semapix.training.nets.outer import OuterUnit
from semapix.training.recipe import Recipe, ScalableModel, recipe_from_dict
from semapix.training.rounding import round_weights
from semapix.training.systems.lfrnet import SemanticTransform

__all__ = ["TrainedScalable", "fold_batch_norm", "load_scalable", "load_transform", "new_scalable", "read_checkpoint"]


@dataclass(frozen=True)
class TrainedScalable:
    """The parts of a scalable model, ready for export: batch norm folded, weights rounded."""

    recipe: Recipe
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


def read_checkpoint(folder: Path, stage: str) -> dict[str, Any]:
    """The checkpoint of a stage. Raises ArgumentError, naming the command that makes it, when there is none."""
    path = folder / f"{stage}.ckpt"
    if not path.is_file():
        raise ArgumentError(f"{path} does not exist; make it with: semapix train RECIPE --stage {stage} -o {folder}")
    try:
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=False)
    except Exception as error:  # unpickling raises anything
        raise ArgumentError(f"{path} is no checkpoint ({error})") from None
    return checkpoint


def _recipe(checkpoint: dict[str, Any]) -> Recipe:
    return recipe_from_dict(checkpoint["recipe"], "the checkpoint's recipe")


def _part(checkpoint: dict[str, Any], name: str) -> dict[str, torch.Tensor]:
    start = f"{name}."
    return {key[len(start) :]: value for key, value in checkpoint["state_dict"].items() if key.startswith(start)}


def new_scalable(recipe: Recipe, labels: dict[str, list[Any]]) -> TrainedScalable:
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
    transform = new_scalable(_recipe(checkpoint), checkpoint["labels"]).transform
    transform.load_state_dict(_part(checkpoint, "transform"))
    fold_batch_norm(transform)
    round_weights(transform)
    return transform


def fold_batch_norm(transform: SemanticTransform) -> SemanticTransform:
    """Move every batch norm into the convolution before it, and leave an identity in its place."""
    for module in transform.modules():
        if not isinstance(module, nn.Sequential):
            continue
        for position in range(len(module) - 1):
            convolution, norm = module[position], module[position + 1]
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                module[position] = nn.utils.fuse_conv_bn_eval(convolution, norm)
                module[position + 1] = nn.Identity()
    return transform


def load_scalable(folder: Path) -> TrainedScalable:
    """All parts from the checkpoints of the three stages in `folder`. Raises ArgumentError when one is missing."""
    labels = read_checkpoint(folder, "lfrnet")["labels"]
    checkpoint = read_checkpoint(folder, "lcnet")
    trained = new_scalable(_recipe(checkpoint), labels)
    # The transform that the layers were trained on, even if stage `lfrnet` has gone on since.
    fold_batch_norm(trained.transform).load_state_dict(_part(checkpoint, "transform"))
    trained.compression.load_state_dict(_part(checkpoint, "compression"))
    trained.outer.load_state_dict(_part(read_checkpoint(folder, "outer"), "unit"))
    for part in (trained.transform, trained.compression, trained.outer):
        part.requires_grad_(False)
        round_weights(part)
    return trained
