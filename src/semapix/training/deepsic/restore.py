"""From a DeepSIC bundle back to a checkpoint: training goes on where a shipped model stands."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from semapix.bundle import Bundle
from semapix.training.batch_norm import fold_batch_norm, unfold_batch_norm
from semapix.training.bundle_weights import set_parameters
from semapix.training.deepsic.model import deepsic_graphs, new_deepsic
from semapix.training.deepsic.recipe import DeepsicRecipe
from semapix.training.sections import build_recipe

__all__ = ["restore_deepsic"]


def restore_deepsic(bundle: Bundle, folder: Path) -> None:
    """Write the checkpoints that `folder` lacks, with the weights of a bundle and no optimiser state.

    The density that training estimates rates with is not in a bundle: it starts anew. Raises ArgumentError when the
    bundle's graphs do not fit its recipe.
    """
    recipe = build_recipe(DeepsicRecipe, bundle.manifest["recipe"], f"{bundle.path}: recipe")
    labels = {task["name"]: task["labels"] for task in bundle.manifest["tasks"]}
    labels["parents"] = bundle.manifest["parents"]
    trained, folded = new_deepsic(recipe, labels), new_deepsic(recipe, labels)
    networks = ("features", "reconstruction", "semantics")
    for name in networks:
        fold_batch_norm(getattr(folded, name))
    for name, part in deepsic_graphs(folded).items():
        set_parameters(bundle, name, part.module)
    parts: dict[str, nn.Module] = {"quantiser": trained.quantiser}
    for name in networks:
        parts[name] = getattr(trained, name)
        unfold_batch_norm(parts[name], getattr(folded, name))
    gains = bundle.arrays("gains")
    for name in ("gain", "inverse_gain"):
        getattr(trained.quantiser, name).data = torch.from_numpy(gains[name].astype("float32")).log()
    state = {f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()}
    folder.mkdir(parents=True, exist_ok=True)
    for stage in ("joint", "semantics"):
        path = folder / f"{stage}.ckpt"
        if not path.exists():
            torch.save({"state_dict": state, "recipe": bundle.manifest["recipe"], "labels": labels}, path)
