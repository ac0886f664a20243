"""From a bundle back to checkpoints: training goes on where a shipped model stands.

Weights come from the graphs, by the names that the exporter kept, integer networks from their arrays: all as they were
rounded. Batch norm, which the export folded away, starts as an identity and then takes the statistics of a batch.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from semapix.bundle import Bundle
from semapix.coding import FRACTION_BITS, WEIGHT_BITS
from semapix.errors import ArgumentError
from semapix.training.graph_parts import scalable_graphs
from semapix.training.nets.entropy import FixedConv, LatentCoder
from semapix.training.recipe import recipe_from_dict
from semapix.training.rounding import EIGHT_BITS, HALF, SCALE
from semapix.training.scalable_model import fold_batch_norm, new_scalable

__all__ = ["refresh_batch_norm", "restore_run"]


def restore_run(bundle: Bundle, folder: Path) -> None:
    """Write the checkpoints of all stages that `folder` lacks, with the weights of a bundle and no optimiser state.

    Raises ArgumentError when the bundle's graphs do not fit its recipe.
    """
    recipe = recipe_from_dict(bundle.manifest["recipe"], f"{bundle.path}: recipe")
    tasks = {task["name"]: task["labels"] for task in bundle.manifest["tasks"]}
    labels = {"coarse": tasks["coarse"], "fine": tasks["fine"], "parents": bundle.manifest["parents"]}
    trained = new_scalable(recipe, labels)
    folded = replace(trained, transform=fold_batch_norm(new_scalable(recipe, labels).transform))
    for name, part in scalable_graphs(folded).items():
        _set_parameters(bundle, name, part.module)
    units = {f"s{layer}": unit for layer, unit in enumerate(trained.compression.units, start=1)}
    for name, unit in [*units.items(), ("outer", trained.outer)]:
        _set_arrays(unit, bundle.arrays(name))
    _unfold(trained.transform, folded.transform)

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


def _set_parameters(bundle: Bundle, name: str, module: nn.Module) -> None:
    graph = onnx.load_model_from_string(bundle.graph(name)).graph
    stored = {entry.name.removesuffix(HALF): numpy_helper.to_array(entry) for entry in graph.initializer}
    for key in [key for key in stored if key.endswith(EIGHT_BITS)]:
        weight = key.removesuffix(EIGHT_BITS)
        stored[weight] = stored.pop(key).astype(np.float32) * stored.pop(f"{weight}{SCALE}")
    for node in graph.node:  # the exporter stores equal parameters once
        if node.op_type == "Identity" and node.input[0] in stored:
            stored[node.output[0]] = stored[node.input[0]]
    parameters = dict(module.named_parameters())
    for key, values in stored.items():
        if key not in parameters:
            continue  # a constant of the exporter
        if tuple(parameters[key].shape) != values.shape:
            raise ArgumentError(
                f"{bundle.path}: {key} of graph {name} has the shape {values.shape}, its recipe wants "
                f"{tuple(parameters[key].shape)}"
            )
        parameters[key].data = torch.from_numpy(values.astype(np.float32))


def _set_arrays(unit: nn.Module, arrays: dict[str, Any]) -> None:
    """Gains, and the integers of the entropy model, which are multiples of powers of two."""
    coder = unit.coder
    assert isinstance(coder, LatentCoder)
    coder.hyper_level.data = torch.from_numpy(arrays["hyper_levels"].astype(np.float32))
    for name, stage in coder.named_modules():
        if isinstance(stage, FixedConv):
            key = name.replace("groups.", "group")
            if f"{key}.weight" not in arrays:
                raise ArgumentError("a bundle of version 0.1 has other entropy models; train from scratch")
            weight, bias = arrays[f"{key}.weight"], arrays[f"{key}.bias"]
            stage.weight.data = torch.from_numpy(weight.astype(np.float32)) * 2.0**-WEIGHT_BITS
            assert stage.bias is not None
            stage.bias.data = (
                torch.from_numpy(bias.astype(np.float64)).mul(2.0 ** -(WEIGHT_BITS + FRACTION_BITS)).float()
            )
    for name, parameter in unit.named_parameters(recurse=False):
        values = torch.from_numpy(arrays[name].astype(np.float32))
        parameter.data = values.log() if name.endswith("gain") else values


def _unfold(transform: nn.Module, folded: nn.Module) -> None:
    """Copy a folded transform into one with batch norm: the norm becomes an identity that adds the bias."""
    sources = dict(folded.named_modules())
    for name, module in transform.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            source = sources[name]
            module.weight.data = source.weight.data
            if module.bias is not None:
                module.bias.data = source.bias.data
        elif isinstance(module, nn.BatchNorm2d):
            before = name.rsplit(".", 1)[0] + f".{int(name.rsplit('.', 1)[1]) - 1}"
            module.weight.data.fill_(1.0)
            module.bias.data = sources[before].bias.data
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.zero_()
            module.running_var.fill_(1.0 - module.eps)


@torch.no_grad()
def refresh_batch_norm(transform: nn.Module, run: Any, batch: Tensor) -> None:
    """Give every batch norm the statistics of a batch without changing what it computes in evaluation.

    `run`: the function of `batch` that passes through all of them, in order.
    """

    def refresh(norm: nn.BatchNorm2d, inputs: tuple[Tensor]) -> None:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        mean, variance = inputs[0].mean(dim=(0, 2, 3)), inputs[0].var(dim=(0, 2, 3), unbiased=False)
        old = (norm.running_var + norm.eps).sqrt()
        scale, shift = norm.weight / old, norm.bias - norm.running_mean * norm.weight / old
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_(scale * (variance + norm.eps).sqrt())
        norm.bias.copy_(shift + scale * mean)

    norms = [module for module in transform.modules() if isinstance(module, nn.BatchNorm2d)]
    handles = [norm.register_forward_pre_hook(refresh) for norm in norms]
    transform.eval()
    run(batch)
    transform.train()
    for handle in handles:
        handle.remove()
