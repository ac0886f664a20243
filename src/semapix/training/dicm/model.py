"""A whole DICM model: its parts, from checkpoints, and as graphs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from semapix.training.batch_norm import fold_batch_norm
from semapix.training.checkpoint import load_weights, read_checkpoint, weights_of
from semapix.training.dicm.nets.backbone import Head, Tail
from semapix.training.dicm.nets.compression import CompressionNetwork
from semapix.training.dicm.nets.eliminator import Eliminator
from semapix.training.dicm.nets.heads import Classifier, Detector
from semapix.training.dicm.recipe import DicmRecipe
from semapix.training.graph_part import GraphPart, MethodModule
from semapix.training.rounding import round_weights
from semapix.training.sections import build_recipe

__all__ = ["NORMED", "TrainedDicm", "dicm_graphs", "load_dicm", "load_stage", "new_dicm"]

NORMED = ("head", "tail")
"""The parts with batch norm."""

_STAGE_PARTS = {
    "selfsupervised": ("head", "eliminator", "tail"),
    "compression": ("head", "eliminator", "tail", "compression"),
    "tasks": ("head", "eliminator", "tail", "compression", "classifier", "detector"),
}


class FeatureExtractor(nn.Module):
    """Head and redundancy elimination: pictures to features f2."""

    def __init__(self, head: Head, eliminator: Eliminator) -> None:
        super().__init__()
        self.head, self.eliminator = head, eliminator

    def forward(self, pictures: Tensor) -> Tensor:
        features: Tensor = self.eliminator(self.head(pictures))
        return features


@dataclass(frozen=True)
class TrainedDicm:
    """The parts of a DICM model.

    `labels`: names of `coarse` and `fine` labels, `parents` of the fine ones, and `objects`, a list of classes for each
    folder of scenes, each the start of the next.
    """

    recipe: DicmRecipe
    labels: dict[str, list[Any]]
    head: Head
    eliminator: Eliminator
    tail: Tail
    compression: CompressionNetwork
    classifier: Classifier
    detector: Detector

    @property
    def extractor(self) -> FeatureExtractor:
        """Pictures to features f2."""
        return FeatureExtractor(self.head, self.eliminator)


def new_dicm(recipe: DicmRecipe, labels: dict[str, list[Any]]) -> TrainedDicm:
    """All networks of a recipe with random weights, in evaluation mode."""
    model = recipe.model
    return TrainedDicm(
        recipe,
        labels,
        Head(model).eval(),
        Eliminator(model).eval(),
        Tail(model).eval(),
        CompressionNetwork(model).eval(),
        Classifier(model, len(labels["fine"])).eval(),
        Detector(model, len(labels["objects"][-1])).eval(),
    )


def load_stage(
    folder: Path, stage: str, recipe: DicmRecipe | None = None, labels: dict[str, list[Any]] | None = None
) -> TrainedDicm:
    """The model as far as a stage has trained it; other parts are new.

    `recipe`, `labels`: in place of the checkpoint's. Raises ArgumentError when `folder` has no checkpoint of the stage.
    """
    checkpoint = read_checkpoint(folder, stage)
    recipe = recipe or build_recipe(DicmRecipe, checkpoint["recipe"], "the checkpoint's recipe")
    trained = new_dicm(recipe, labels or checkpoint["labels"])
    prefix = "query." if stage == "selfsupervised" else ""
    for name in _STAGE_PARTS[stage]:
        weights = weights_of(checkpoint["state_dict"], f"{prefix}{name}")
        load_weights(getattr(trained, name), weights, folder / f"{stage}.ckpt")
    return trained


def load_dicm(folder: Path) -> TrainedDicm:
    """The model of the checkpoint of stage `tasks`, ready for export: batch norm folded, weights rounded.

    It holds what the earlier stages had trained when stage `tasks` began. Raises ArgumentError when it is missing.
    """
    trained = load_stage(folder, "tasks")
    for name in _STAGE_PARTS["tasks"]:
        part = getattr(trained, name).requires_grad_(False)
        if name in NORMED:
            fold_batch_norm(part)
        for network in part.children():  # gains, which are no part of a network, stay exact
            round_weights(network)
    return trained


def dicm_graphs(trained: TrainedDicm) -> dict[str, GraphPart]:
    """All graphs by name. The arrays that go in are those that `semapix.codecs.dicm` gives."""
    model, compression = trained.recipe.model, trained.compression
    side = 2 * model.multiple
    features = torch.zeros(1, model.widths[0], *[side // model.layer_strides[0]] * 2)
    latent = torch.zeros(1, model.latents, *[side // model.latent_stride] * 2)
    gain = torch.ones(1, model.latents, 1, 1)
    maps = [
        torch.zeros(1, width, side // stride, side // stride)
        for width, stride in zip(model.widths, model.layer_strides, strict=True)
    ]
    pooled = torch.zeros(1, model.widths[-1], model.pool, model.pool)
    return {
        "features": GraphPart(trained.extractor, (torch.zeros(1, 3, side, side),), True),
        "codec.analysis": GraphPart(MethodModule(compression, compression.analyse), (features, gain), True),
        "codec.synthesis": GraphPart(MethodModule(compression, compression.synthesise), (latent, gain), True),
        "tail": GraphPart(trained.tail, (features,), True),
        "classifier": GraphPart(trained.classifier, (pooled,)),
        "detector": GraphPart(trained.detector, tuple(maps[model.pyramid_from - 1 :]), True),
    }
