"""From checkpoints to a bundle: ONNX graphs with rounded weights, integer tables, manifest, fingerprint."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from semapix.bundle import save_bundle
from semapix.codecs import QUALITIES
from semapix.coding import TableBank, gaussian_counts
from semapix.training.calibrate import Calibration
from semapix.training.graph_parts import GraphPart, scalable_graphs
from semapix.training.nets.outer import OUTER_FACTOR, OUTER_LEVELS, OUTER_STRIDE
from semapix.training.rounding import EIGHT_BITS, HALF, LARGE, SCALE, SMALL, quantised
from semapix.training.scalable_model import TrainedScalable

__all__ = ["export_scalable", "to_onnx"]

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


def _gains(unit: Any, *names: str) -> dict[str, NDArray[np.float32]]:
    return {name: getattr(unit, name).detach().numpy() for name in names}


def _arrays(trained: TrainedScalable) -> dict[str, dict[str, NDArray[Any]]]:
    groups: dict[str, dict[str, NDArray[Any]]] = {"tables": {"gaussian": TableBank.pack(gaussian_counts())}}
    for layer, unit in enumerate(trained.compression.units, start=1):
        gains = {name: np.exp(values) for name, values in _gains(unit, "gain", "inverse_gain").items()}
        groups[f"s{layer}"] = {**unit.coder.export().to_arrays(), **gains}
    outer = trained.outer
    gains = {name: np.exp(values) for name, values in _gains(outer, "gain", "inverse_gain").items()}
    groups["outer"] = {
        **outer.coder.export().to_arrays(),
        **gains,
        **_gains(outer, "analysis_scale", "synthesis_scale"),
    }
    return groups


def _task(
    name: str, labels: list[str], layers: int, channels: int, calibrations: Mapping[str, Calibration]
) -> dict[str, Any]:
    calibration = calibrations.get(name)
    return {
        "name": name,
        "labels": labels,
        "layers": layers,
        "channels": channels,
        "head": f"head.{name}",
        **({"temperature": 1.0} if calibration is None else asdict(calibration)),
    }


def export_scalable(
    trained: TrainedScalable,
    path: Path,
    calibrations: Mapping[str, Calibration] | None = None,
    *,
    force: bool = False,
) -> None:
    """Write the bundle of a scalable model.

    `calibrations`: of tasks by their names; of a task that has none the temperature is 1, and it does not tell foreign
    pictures. Raises OutputError if `path` exists and `force` is not set.
    """
    model = trained.model
    known = calibrations or {}
    levels = len(model.lifting_hidden)
    manifest = {
        "name": path.stem,
        "codec": "scalable",
        "recipe": asdict(trained.recipe),
        "tasks": [
            _task("coarse", trained.coarse_names, 1, model.coarse_channels, known),
            _task("fine", trained.fine_names, 2, 3 * 2**levels, known),
        ],
        "parents": trained.parents,
        "core": {
            "side": model.core_side,
            "levels": levels,
            "qualities": QUALITIES,
            "coarse_channels": model.coarse_channels,
            "band_shapes": trained.band_shapes,
            "latent_shapes": trained.latent_shapes,
            "finer_under_scales": model.core_finer_under_scales,
        },
        "outer": {
            "latents": sum(model.outer_groups),
            "groups": len(model.outer_groups),
            "widest": model.outer_widest,
            "split_pixels": model.outer_split_pixels,
            "error_weight": model.outer_error_weight,
            "levels": OUTER_LEVELS,
            "factor": OUTER_FACTOR,
            "stride": OUTER_STRIDE,
            "finer_by_scale": model.outer_finer_by_scale,
            "margin": trained.outer.margin,
        },
    }
    graphs = {name: to_onnx(part) for name, part in scalable_graphs(trained).items()}
    save_bundle(path, manifest, graphs, _arrays(trained), force=force)
