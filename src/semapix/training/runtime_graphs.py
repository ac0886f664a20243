"""PyTorch in place of ONNX Runtime: runs a model's graphs as modules, for checks while training and for GPUs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from semapix.training.graph_part import GraphPart

__all__ = ["TorchGraphs"]


class TorchGraphs:
    """An executor with the interface of `semapix.graphs.Graphs`.

    `device`: where the modules run, such as `cpu` or `cuda`.
    """

    def __init__(self, parts: Mapping[str, GraphPart], device: str = "cpu") -> None:
        self._modules = {name: part.module.to(device).eval() for name, part in parts.items()}
        self._device = device

    @torch.inference_mode()
    def run(self, name: str, *inputs: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """The outputs of graph `name` for its inputs, in the order of the graph; all float32."""
        result = self._modules[name](*(torch.from_numpy(x).to(self._device) for x in inputs))
        outputs = result if isinstance(result, tuple) else (result,)
        return [output.cpu().numpy() for output in outputs]
