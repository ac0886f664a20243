"""Runs the named graphs of a bundle: arrays in, arrays out. Codecs do not know what executes them."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from semapix.bundle import Bundle

__all__ = ["Graphs", "OnnxGraphs"]

Array = NDArray[np.float32]


class Graphs(Protocol):
    """What codecs ask of an executor."""

    def run(self, name: str, *inputs: Array) -> list[Array]:
        """The outputs of graph `name` for its inputs, in the order of the graph; all float32."""
        ...


class OnnxGraphs:
    """ONNX Runtime on the processor. A graph is loaded when it is first run.

    `threads`: how many threads a graph may use; None lets ONNX Runtime decide.
    """

    def __init__(self, bundle: Bundle, threads: int | None = None) -> None:
        self._bundle = bundle
        self._options = onnxruntime.SessionOptions()
        self._options.log_severity_level = 3
        if threads is not None:
            self._options.intra_op_num_threads = threads
        self._sessions: dict[str, tuple[Any, list[str]]] = {}

    def run(self, name: str, *inputs: Array) -> list[Array]:
        if name not in self._sessions:
            session = onnxruntime.InferenceSession(
                self._bundle.graph(name), self._options, providers=["CPUExecutionProvider"]
            )
            self._sessions[name] = session, [entry.name for entry in session.get_inputs()]
        session, names = self._sessions[name]
        outputs: list[Array] = session.run(None, dict(zip(names, inputs, strict=True)))
        return outputs
