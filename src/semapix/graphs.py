"""Runs the named graphs of a bundle: arrays in, arrays out. Codecs do not know what executes them."""

from __future__ import annotations

import os
from typing import Any, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from semapix.bundle import Bundle
from semapix.errors import ArgumentError

__all__ = ["Graphs", "OnnxGraphs"]

Array = NDArray[np.float32]


class Graphs(Protocol):
    """What codecs ask of an executor."""

    def run(self, name: str, *inputs: Array) -> list[Array]:
        """The outputs of graph `name` for its inputs, in the order of the graph; all float32."""
        ...


def _threads_wanted() -> int | None:
    """The value of SEMAPIX_THREADS, for processes that share the cores with others."""
    stated = os.environ.get("SEMAPIX_THREADS")
    if stated is None:
        return None
    if not stated.isdecimal() or int(stated) < 1:
        raise ArgumentError(f"SEMAPIX_THREADS (={stated!r}) must be a whole number, 1 or more; or unset it")
    return int(stated)


class OnnxGraphs:
    """ONNX Runtime on the processor. A graph is loaded when it is first run.

    `threads`: how many threads a graph may use; None: as the environment variable SEMAPIX_THREADS says, or, without it,
    as ONNX Runtime decides.
    """

    def __init__(self, bundle: Bundle, threads: int | None = None) -> None:
        self._bundle = bundle
        self._options = onnxruntime.SessionOptions()
        self._options.log_severity_level = 3
        # Idle threads of one graph must not keep cores from other graphs, and from the integer networks' products.
        self._options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if threads is None:
            threads = _threads_wanted()
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
