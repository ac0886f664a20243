"""From a bundle back to checkpoints: training goes on where a shipped model stands.

Weights come from the graphs, by the names that the exporter kept, integer networks from their arrays: all as they were
rounded. Batch norm, which the export folded away, starts as an identity and then takes the statistics of a batch.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from semapix.bundle import Bundle
from semapix.training.batch_norm import fold_batch_norm, unfold_batch_norm
from semapix.training.bundle_weights import set_integers, set_parameters
from semapix.training.rounding import rounded_logarithm
from semapix.training.scalable.graphs import scalable_graphs
from semapix.training.scalable.model import new_scalable
from semapix.training.scalable.recipe import ScalableRecipe
from semapix.training.sections import build_recipe

__all__ = ["restore_run"]


def restore_run(bundle: Bundle, folder: Path) -> None:
    """Write the checkpoints that `folder` lacks, with the weights of a bundle and no optimiser state.

    A bundle holds none of stage `teacher`. Raises ArgumentError when its graphs do not fit its recipe.
    """
    recipe = build_recipe(ScalableRecipe, bundle.manifest["recipe"], f"{bundle.path}: recipe")
    tasks = {task["name"]: task["labels"] for task in bundle.manifest["tasks"]}
    labels = {"coarse": tasks["coarse"], "fine": tasks["fine"], "parents": bundle.manifest["parents"]}
    trained = new_scalable(recipe, labels)
    folded = replace(trained, transform=fold_batch_norm(new_scalable(recipe, labels).transform))
    for name, part in scalable_graphs(folded).items():
        set_parameters(bundle, name, part.module)
    units = {f"s{layer}": unit for layer, unit in enumerate(trained.compression.units, start=1)}
    for name, unit in [*units.items(), ("outer", trained.outer)]:
        _set_arrays(unit, bundle, name)
    unfold_batch_norm(trained.transform, folded.transform)

    parts: dict[str, dict[str, nn.Module]] = {
        "lfrnet": {"transform": trained.transform},
        "lcnet": {"transform": folded.transform, "compression": trained.compression},
        "outer": {"unit": trained.outer},
    }
    folder.mkdir(parents=True, exist_ok=True)
    for stage, modules in parts.items():
        path = folder / f"{stage}.ckpt"
        if not path.exists():
            state = {f"{part}.{key}": v for part, module in modules.items() for key, v in module.state_dict().items()}
            torch.save({"state_dict": state, "recipe": bundle.manifest["recipe"], "labels": labels}, path)


def _set_arrays(unit: nn.Module, bundle: Bundle, group: str) -> None:
    """Gains, and the integers of the entropy model."""
    set_integers(unit.coder, bundle, group)
    arrays = bundle.arrays(group)
    for name, parameter in unit.named_parameters(recurse=False):
        values = arrays[name].astype(np.float32)
        parameter.data = rounded_logarithm(values) if name.endswith("gain") else torch.from_numpy(values)
