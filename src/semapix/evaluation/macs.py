"""Work and size of networks: multiply-accumulate operations and parameters, counted from what a bundle stores."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import onnx
from numpy.typing import NDArray
from onnx import TensorProto, shape_inference

from semapix.coding._latents import HYPER_STRIDE
from semapix.errors import ArgumentError

__all__ = ["Cost", "entropy_cost", "graph_cost"]

_STORED = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT8)


@dataclass(frozen=True)
class Cost:
    """Multiply-accumulate operations of one run, and stored parameters."""

    macs: int = 0
    parameters: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.macs + other.macs, self.parameters + other.parameters)


def graph_cost(content: bytes, shapes: Sequence[Sequence[int]]) -> Cost:
    """The cost of an ONNX graph for inputs of these shapes: its convolutions and matrix products.

    Raises ArgumentError when the shapes do not fit the graph, or the shape of a product cannot be found out.
    """
    model = onnx.load_model_from_string(content)
    inputs = list(model.graph.input)
    if len(inputs) != len(shapes):
        raise ArgumentError(f"the graph takes {len(inputs)} inputs, not {len(shapes)}")
    for entry, shape in zip(inputs, shapes, strict=True):
        for dimension, size in zip(entry.type.tensor_type.shape.dim, shape, strict=True):
            dimension.dim_value = size
    for entry in [*model.graph.output, *model.graph.value_info]:
        entry.type.tensor_type.ClearField("shape")
    inferred = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    known = {
        entry.name: [dimension.dim_value for dimension in entry.type.tensor_type.shape.dim]
        for entry in [*inferred.input, *inferred.output, *inferred.value_info]
    }
    known |= {entry.name: list(entry.dims) for entry in inferred.initializer}
    macs = sum(_node_macs(node, known) for node in inferred.node)
    parameters = sum(math.prod(entry.dims) for entry in inferred.initializer if entry.data_type in _STORED)
    return Cost(macs, parameters)


def _node_macs(node: onnx.NodeProto, shapes: Mapping[str, Sequence[int]]) -> int:
    if node.op_type not in ("Conv", "ConvTranspose", "Gemm", "MatMul"):
        return 0
    first, second, result = (shapes.get(name, ()) for name in (node.input[0], node.input[1], node.output[0]))
    if not first or not second or not result or 0 in (*first, *second, *result):
        raise ArgumentError(f"the shapes of {node.op_type} {node.output[0]} cannot be found out")
    if node.op_type == "Conv":  # each output value sums over a kernel (outputs, inputs / groups, k, k)
        return math.prod(result) * math.prod(second[1:])
    if node.op_type == "ConvTranspose":  # each input value is spread by a kernel (inputs, outputs / groups, k, k)
        return math.prod(first) * math.prod(second[1:])
    transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
    return math.prod(result) * first[0 if transposed else -1]


def entropy_cost(arrays: Mapping[str, NDArray[Any]], height: int, width: int) -> Cost:
    """The cost of the integer networks of a latent model for a latent of `height` x `width` positions.

    `arrays`: as a bundle stores them. The same in both directions; each network runs once, over all positions.
    """
    cost = _network_cost(arrays, "hyper", -(-height // HYPER_STRIDE), -(-width // HYPER_STRIDE))
    for name in sorted({key.rsplit(".", 2)[0] for key in arrays if key.endswith(".weight")} - {"hyper"}):
        half = f"{name}.1.shuffle" in arrays  # a state of half the resolution, carried from a smaller scale
        cost += _network_cost(arrays, name, -(-height // 2) if half else height, -(-width // 2) if half else width)
    return cost


def _network_cost(arrays: Mapping[str, NDArray[Any]], name: str, height: int, width: int) -> Cost:
    cost, stage = Cost(), 0
    while True:
        if f"{name}.{stage}.shuffle" in arrays:
            height, width = 2 * height, 2 * width
        elif f"{name}.{stage}.weight" in arrays:
            weight, bias = arrays[f"{name}.{stage}.weight"], arrays[f"{name}.{stage}.bias"]
            cost += Cost(weight.size * height * width, weight.size + bias.size)
        elif stage:
            return cost
        else:
            raise ArgumentError(f"the arrays hold no network {name!r}")
        stage += 1
