"""Weights out of a bundle: of graphs by the names that the exporter kept, of integer networks from their arrays."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

from semapix.bundle import Bundle
from semapix.coding import FRACTION_BITS, WEIGHT_BITS, TableBank
from semapix.errors import ArgumentError
from semapix.training.entropy import FixedConv, LatentCoder
from semapix.training.rounding import EIGHT_BITS, HALF, SCALE

__all__ = ["set_integers", "set_parameters"]


def set_parameters(bundle: Bundle, name: str, module: nn.Module) -> set[str]:
    """Give a module the weights of graph `name`, and return their names in it.

    Raises ArgumentError when they differ in shape or in all names.
    """
    graph = onnx.load_model_from_string(bundle.graph(name)).graph
    stored = {entry.name.removesuffix(HALF): numpy_helper.to_array(entry) for entry in graph.initializer}
    for key in [key for key in stored if key.endswith(EIGHT_BITS)]:
        weight = key.removesuffix(EIGHT_BITS)
        stored[weight] = stored.pop(key).astype(np.float32) * stored.pop(f"{weight}{SCALE}")
    for node in graph.node:  # the exporter stores equal parameters once
        if node.op_type == "Identity" and node.input[0] in stored:
            stored[node.output[0]] = stored[node.input[0]]
    parameters = dict(module.named_parameters())
    if parameters and not set(parameters) & set(stored):  # a graph may leave out some, of its owner's other methods
        raise ArgumentError(f"{bundle.path}: graph {name} has none of the weights that its recipe names")
    for key, values in stored.items():
        if key not in parameters:
            continue  # a constant of the exporter
        if tuple(parameters[key].shape) != values.shape:
            raise ArgumentError(
                f"{bundle.path}: {key} of graph {name} has the shape {values.shape}, its recipe wants "
                f"{tuple(parameters[key].shape)}"
            )
        parameters[key].data = torch.from_numpy(values.astype(np.float32))
    return set(parameters) & set(stored)


def set_integers(coder: LatentCoder, bundle: Bundle, group: str) -> None:
    """Give an entropy model the integers of a bundle's `group` of arrays, which are multiples of powers of two.

    Raises ArgumentError for those of a bundle of version 0.1.
    """
    arrays = bundle.arrays(group)
    if coder.hyper_density is not None:
        tables = TableBank.unpack(bundle.arrays("tables")["gaussian"])
        coder.hyper_density.take(tables, arrays["hyper_levels"])
    else:
        levels = arrays.get("trained_hyper_levels", arrays["hyper_levels"])  # of tables that were not counted, these
        coder.hyper_level.data = torch.from_numpy(levels.astype(np.float32))
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
