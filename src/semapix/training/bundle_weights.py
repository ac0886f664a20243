"""Weights out of a bundle's graphs, by the names that the exporter kept, as they were rounded."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

from semapix.bundle import Bundle
from semapix.errors import ArgumentError
from semapix.training.rounding import EIGHT_BITS, HALF, SCALE

__all__ = ["set_parameters"]


def set_parameters(bundle: Bundle, name: str, module: nn.Module) -> None:
    """Give a module the weights of graph `name`. Raises ArgumentError when they differ in shape or in all names."""
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
