"""An adaptive model put together from the checkpoints of its stages, and its graphs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from semapix.training.adaptive.nets.codec import STRIDE, AdaptiveNetwork, Decoder
from semapix.training.adaptive.recipe import AdaptiveRecipe
from semapix.training.batch_norm import fold_batch_norm
from semapix.training.checkpoint import load_weights, need_fit, read_checkpoint, weights_of
from semapix.training.classifier import Classifier
from semapix.training.graph_part import GraphPart, MethodModule
from semapix.training.rounding import round_weights
from semapix.training.sections import build_recipe

__all__ = ["TrainedAdaptive", "adaptive_graphs", "load_adaptive", "load_classifier", "load_network", "new_adaptive"]


@dataclass(frozen=True)
class TrainedAdaptive:
    """The parts of an adaptive model. `labels`: names of `coarse` and `fine` labels, and `parents` of the fine ones.

    `vivid`: the decoder of stage `perception`, which shares its front with that of `network`; before it, that one.
    """

    recipe: AdaptiveRecipe
    labels: dict[str, list[Any]]
    classifier: Classifier
    network: AdaptiveNetwork
    vivid: Decoder


def new_adaptive(recipe: AdaptiveRecipe, labels: dict[str, list[Any]]) -> TrainedAdaptive:
    """All networks of a recipe with random weights, in evaluation mode."""
    model = recipe.model
    classifier = Classifier(
        recipe.classifier.family, model.classifier_widths, model.classifier_blocks, len(labels["fine"])
    )
    return TrainedAdaptive(recipe, labels, classifier.eval(), AdaptiveNetwork(model).eval(), Decoder(model).eval())


def load_classifier(folder: Path) -> tuple[Classifier, dict[str, list[Any]]]:
    """The network of stage `classifier`, and its labels.

    Raises ArgumentError when `folder` has no checkpoint of it, or one that does not fit its recipe.
    """
    checkpoint = read_checkpoint(folder, "classifier")
    recipe = build_recipe(AdaptiveRecipe, checkpoint["recipe"], "the checkpoint's recipe")
    classifier = new_adaptive(recipe, checkpoint["labels"]).classifier
    load_weights(classifier, weights_of(checkpoint["state_dict"], "classifier"), folder / "classifier.ckpt")
    return classifier, checkpoint["labels"]


def load_network(folder: Path, stage: str, recipe: AdaptiveRecipe) -> dict[str, torch.Tensor]:
    """The weights of the codec's networks after a stage.

    Raises ArgumentError when `folder` has no checkpoint of it, or one that does not fit the recipe.
    """
    weights = weights_of(read_checkpoint(folder, stage)["state_dict"], "network")
    with torch.device("meta"):
        network = AdaptiveNetwork(recipe.model)
    need_fit(network, weights, folder / f"{stage}.ckpt")
    return weights


def load_adaptive(folder: Path, stage: str = "perception") -> TrainedAdaptive:
    """The model of a run folder after a stage, ready for export: batch norm folded, weights rounded.

    Stage `perception` holds what stage `semantics` had trained when it began; before it, the second decoder is the
    first. Raises ArgumentError when a checkpoint is missing or does not fit its recipe.
    """
    classifier, labels = load_classifier(folder)
    checkpoint = read_checkpoint(folder, stage)
    recipe = build_recipe(AdaptiveRecipe, checkpoint["recipe"], "the checkpoint's recipe")
    network, vivid = AdaptiveNetwork(recipe.model).eval(), Decoder(recipe.model).eval()
    source = folder / f"{stage}.ckpt"
    load_weights(network, weights_of(checkpoint["state_dict"], "network"), source)
    own = weights_of(checkpoint["state_dict"], "vivid") if stage == "perception" else network.decoder.state_dict()
    load_weights(vivid, own, source)
    fold_batch_norm(classifier)
    for part in (classifier, network, vivid):
        part.requires_grad_(False)
        round_weights(part)
    return TrainedAdaptive(recipe, labels, classifier, network, vivid)


class _Evidence(nn.Module):
    """What speaks for each class at each position."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.classifier.evidence(pictures)


def adaptive_graphs(trained: TrainedAdaptive) -> dict[str, GraphPart]:
    """All graphs by name. The arrays that go in are those that `semapix.codecs.adaptive` gives."""
    model, network = trained.recipe.model, trained.network
    picture, quality = torch.zeros(1, 3, 8 * STRIDE, 8 * STRIDE), torch.zeros(1, 1, 8, 8)
    latent, state = torch.zeros(1, model.latents, 8, 8), torch.zeros(1, model.features, 8, 8)
    with torch.no_grad():
        front_outputs = network.decoder.front(latent, state, quality)
    side = model.classifier_side
    return {
        "encoder": GraphPart(network.encoder, (picture, quality, quality), True),
        "hyper": GraphPart(network.hyper_encoder, (latent,), True),
        "decoder": GraphPart(MethodModule(network.decoder, network.decoder.front), (latent, state, quality), True),
        "faithful": GraphPart(MethodModule(network.decoder, network.decoder.tail), front_outputs, True),
        "vivid": GraphPart(MethodModule(trained.vivid, trained.vivid.tail), front_outputs, True),
        "classifier": GraphPart(_Evidence(trained.classifier), (torch.zeros(1, 3, side, side),), True),
    }
