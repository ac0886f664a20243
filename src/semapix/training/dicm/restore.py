"""From a DICM bundle back to checkpoints: training goes on where a shipped model stands."""

from __future__ import annotations

from pathlib import Path

import torch

from semapix.bundle import Bundle
from semapix.training.batch_norm import fold_batch_norm, unfold_batch_norm
from semapix.training.bundle_weights import set_integers, set_parameters
from semapix.training.dicm.encoder import Embedder
from semapix.training.dicm.model import NORMED, dicm_graphs, new_dicm
from semapix.training.dicm.recipe import DicmRecipe
from semapix.training.sections import build_recipe

__all__ = ["restore_dicm"]


def restore_dicm(bundle: Bundle, folder: Path) -> None:
    """Write the checkpoints that `folder` lacks, with the weights of a bundle and no optimiser state.

    What only self-supervised training needs (projection, bottleneck's density, queue) starts anew. Raises ArgumentError
    when the bundle's graphs do not fit its recipe.
    """
    recipe = build_recipe(DicmRecipe, bundle.manifest["recipe"], f"{bundle.path}: recipe")
    tasks = {task["name"]: task["labels"] for task in bundle.manifest["tasks"]}
    labels = {key: bundle.manifest[key] for key in ("parents", "objects")}
    labels |= {key: tasks[key] for key in ("coarse", "fine")}
    trained, folded = new_dicm(recipe, labels), new_dicm(recipe, labels)
    for name in NORMED:
        fold_batch_norm(getattr(folded, name))
    for name, part in dicm_graphs(folded).items():
        set_parameters(bundle, name, part.module)
    arrays = bundle.arrays("codec")
    set_integers(folded.compression.coder, bundle, "codec")
    for name in ("gain", "inverse_gain"):
        getattr(folded.compression, name).data = torch.from_numpy(arrays[name].astype("float32")).log()
    embedder = Embedder(recipe.model, recipe.selfsupervised.projection)
    parts = {"eliminator": folded.eliminator, "compression": folded.compression}
    parts |= {"classifier": folded.classifier, "detector": folded.detector}
    for name in NORMED:
        parts[name] = getattr(trained, name)
        unfold_batch_norm(parts[name], getattr(folded, name))
    for name in ("head", "eliminator", "tail"):
        getattr(embedder, name).load_state_dict(parts[name].state_dict())
    whole = {f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()}
    first = {f"query.{key}": value for key, value in embedder.state_dict().items()}
    folder.mkdir(parents=True, exist_ok=True)
    for stage, state in (("selfsupervised", first), ("compression", whole), ("tasks", whole)):
        path = folder / f"{stage}.ckpt"
        if not path.exists():
            torch.save({"state_dict": state, "recipe": bundle.manifest["recipe"], "labels": labels}, path)
