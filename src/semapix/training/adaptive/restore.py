"""From an adaptive bundle back to checkpoints: training goes on where a shipped model stands."""

from __future__ import annotations

from pathlib import Path

import torch

from semapix.bundle import Bundle
from semapix.training.adaptive.model import adaptive_graphs, new_adaptive
from semapix.training.adaptive.recipe import AdaptiveRecipe
from semapix.training.batch_norm import fold_batch_norm, unfold_batch_norm
from semapix.training.bundle_weights import set_integers, set_parameters
from semapix.training.sections import build_recipe

__all__ = ["restore_adaptive"]


def restore_adaptive(bundle: Bundle, folder: Path) -> None:
    """Write the checkpoints that `folder` lacks, with the weights of a bundle and no optimiser state.

    All stages of the codec get the networks that the last one left; the discriminator is not in a bundle and starts
    anew. Raises ArgumentError when the bundle's graphs do not fit its recipe.
    """
    recipe = build_recipe(AdaptiveRecipe, bundle.manifest["recipe"], f"{bundle.path}: recipe")
    labels = {task["name"]: task["labels"] for task in bundle.manifest["tasks"]}
    labels["parents"] = bundle.manifest["parents"]
    trained, folded = new_adaptive(recipe, labels), new_adaptive(recipe, labels)
    fold_batch_norm(folded.classifier)
    stored = {name: set_parameters(bundle, name, part.module) for name, part in adaptive_graphs(folded).items()}
    unfold_batch_norm(trained.classifier, folded.classifier)
    set_integers(folded.network.coder, bundle, "latent")
    # The front is stored once, with the decoder `faithful`. A tail that began earlier, in bundles from before, fits no
    # front of now: there the second decoder starts as the first.
    of_vivid = {key.removeprefix("owner.") for key in stored["vivid"]}
    fits = all(key.startswith(folded.vivid.tail_names) for key in of_vivid)
    tail = {key: value for key, value in folded.vivid.state_dict().items() if fits and key in of_vivid}
    vivid = {**folded.network.decoder.state_dict(), **tail}

    parts: dict[str, dict[str, dict[str, torch.Tensor]]] = {
        "classifier": {"classifier": trained.classifier.state_dict()},
        "distortion": {"network": folded.network.state_dict()},
        "semantics": {"network": folded.network.state_dict()},
        "perception": {"network": folded.network.state_dict(), "vivid": vivid},
    }
    folder.mkdir(parents=True, exist_ok=True)
    for stage, modules in parts.items():
        path = folder / f"{stage}.ckpt"
        if not path.exists():
            state = {f"{part}.{key}": value for part, values in modules.items() for key, value in values.items()}
            torch.save({"state_dict": state, "recipe": bundle.manifest["recipe"], "labels": labels}, path)
