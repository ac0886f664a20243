"""A part of a model as an ONNX graph with rounded weights."""

from __future__ import annotations

import io
import warnings

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from semapix.training.graph_part import GraphPart
from semapix.training.rounding import EIGHT_BITS, HALF, LARGE, SCALE, SMALL, quantised

__all__ = ["to_onnx"]

_OPSET = 18


def _round_weights(model: onnx.ModelProto) -> None:
    """Store float32 initializers as `semapix.training.rounding` says.

    The nodes that make float32 of them again have constant inputs: ONNX Runtime runs them once, when it loads a graph.
    """
    added: list[onnx.NodeProto] = []
    scales: list[onnx.TensorProto] = []
    for initializer in model.graph.initializer:
        values, name = numpy_helper.to_array(initializer), initializer.name
        if values.dtype != np.float32 or values.size < SMALL:
            continue
        if values.size < LARGE or values.ndim < 2:
            initializer.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}{HALF}"))
            added.append(helper.make_node("Cast", [f"{name}{HALF}"], [name], to=TensorProto.FLOAT))
            continue
        rounded = quantised(values)
        initializer.CopyFrom(numpy_helper.from_array(rounded.values, f"{name}{EIGHT_BITS}"))
        scales.append(numpy_helper.from_array(rounded.scale, f"{name}{SCALE}"))
        added.append(helper.make_node("Cast", [f"{name}{EIGHT_BITS}"], [f"{name}.float"], to=TensorProto.FLOAT))
        added.append(helper.make_node("Mul", [f"{name}.float", f"{name}{SCALE}"], [name]))
    model.graph.initializer.extend(scales)
    nodes = [*added, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def to_onnx(part: GraphPart) -> bytes:
    """One graph as an ONNX model with rounded weights."""
    inputs = [f"input{i}" for i in range(len(part.examples))]
    sizes = {}
    if part.any_size:
        sizes = {
            name: {2: f"height{i}", 3: f"width{i}"}
            for i, (name, example) in enumerate(zip(inputs, part.examples, strict=True))
            if example.shape[2:] != (1, 1)
        }
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The exporter by tracing takes a tenth of the time of the one by torch.export; PyTorch calls it deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        torch.onnx.export(
            part.module,
            part.examples,
            buffer,
            input_names=inputs,
            dynamic_axes=sizes,
            opset_version=_OPSET,
            do_constant_folding=not part.any_size,
            dynamo=False,
        )
    model = onnx.load_model_from_string(buffer.getvalue())
    _round_weights(model)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content
