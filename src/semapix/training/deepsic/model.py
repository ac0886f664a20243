"""A DeepSIC model put together from the checkpoint of its stage, and its graphs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from semapix.training.batch_norm import fold_batch_norm
from semapix.training.checkpoint import load_weights, read_checkpoint, weights_of
from semapix.training.deepsic.nets import FeatureExtraction, Reconstruction, SemanticAnalysis
from semapix.training.deepsic.quantiser import Quantiser
from semapix.training.deepsic.recipe import DeepsicRecipe
from semapix.training.graph_part import GraphPart, MethodModule
from semapix.training.rounding import round_weights
from semapix.training.sections import build_recipe

__all__ = ["TrainedDeepsic", "deepsic_graphs", "load_deepsic", "load_stage", "new_deepsic"]


@dataclass(frozen=True)
class TrainedDeepsic:
    """The parts of a DeepSIC model. `labels`: names of `coarse` and `fine` labels, and `parents` of the fine ones."""

    recipe: DeepsicRecipe
    labels: dict[str, list[Any]]
    features: FeatureExtraction
    reconstruction: Reconstruction
    semantics: SemanticAnalysis
    quantiser: Quantiser

    @property
    def stride(self) -> int:
        """Side in pixels of the block that a feature stands for."""
        stride = 1
        for step in self.recipe.model.strides:
            stride *= step
        return stride


def new_deepsic(recipe: DeepsicRecipe, labels: dict[str, list[Any]]) -> TrainedDeepsic:
    """All networks of a recipe with random weights, in evaluation mode."""
    model = recipe.model
    return TrainedDeepsic(
        recipe,
        labels,
        FeatureExtraction(model).eval(),
        Reconstruction(model).eval(),
        SemanticAnalysis(model, len(labels["fine"])).eval(),
        Quantiser(model.widths[-1]).eval(),
    )


def load_stage(folder: Path, stage: str) -> TrainedDeepsic:
    """The model of a stage, as it is. Raises ArgumentError when `folder` has no checkpoint of it."""
    checkpoint = read_checkpoint(folder, stage)
    recipe = build_recipe(DeepsicRecipe, checkpoint["recipe"], "the checkpoint's recipe")
    trained = new_deepsic(recipe, checkpoint["labels"])
    for name in ("features", "reconstruction", "semantics", "quantiser"):
        load_weights(getattr(trained, name), weights_of(checkpoint["state_dict"], name), folder / f"{stage}.ckpt")
    return trained


def load_deepsic(folder: Path) -> TrainedDeepsic:
    """The model of the checkpoint of stage `semantics`, ready for export: batch norm folded, weights rounded.

    It holds what stage `joint` had trained when stage `semantics` began. Raises ArgumentError when it is missing.
    """
    trained = load_stage(folder, "semantics")
    for part in (trained.features, trained.reconstruction, trained.semantics):
        part.requires_grad_(False)
        fold_batch_norm(part)
        round_weights(part)
    return trained


class _Trunk(nn.Module):
    """The convolutions of the semantic analysis: what heads of other label spaces read."""

    def __init__(self, semantics: SemanticAnalysis) -> None:
        super().__init__()
        self.semantics = semantics

    def forward(self, features: Tensor) -> Tensor:
        pooled: Tensor = self.semantics.pool(self.semantics.convolutions(features))
        return pooled


def deepsic_graphs(trained: TrainedDeepsic) -> dict[str, GraphPart]:
    """All graphs by name. The arrays that go in are those that `semapix.codecs.deepsic` gives."""
    model, stride = trained.recipe.model, trained.stride
    side = model.core_side // stride
    features = torch.zeros(1, model.widths[-1], side, side)
    trunk = torch.zeros(1, model.head_widths[-1], model.head_pool, model.head_pool)
    return {
        "features": GraphPart(trained.features, (torch.zeros(1, 3, 8 * stride, 8 * stride),), True),
        "reconstruction": GraphPart(trained.reconstruction, (torch.zeros(1, model.widths[-1], 8, 8),), True),
        "semantics": GraphPart(_Trunk(trained.semantics), (features,)),
        "head": GraphPart(MethodModule(trained.semantics, trained.semantics.connected), (trunk,)),
    }
