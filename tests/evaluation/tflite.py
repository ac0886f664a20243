"""TensorFlow Lite files small enough to know their answer: they give back parts of the picture that they get."""

from __future__ import annotations

from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

STEP, ZERO = 0.5, 10
"""The real number that a step of 8-bit scores stands for, and the score that stands for 0."""


class _Model(schema.ModelT):
    """A model of one graph that is put together tensor by tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.version, self.operatorCodes, self.buffers = 3, [], [schema.BufferT()]
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.subgraphs = [self.graph]

    def tensor(self, shape: list[int], dtype: str, quantised: bool = False) -> int:
        entry = schema.TensorT()
        entry.shape, entry.type, entry.buffer = shape, getattr(schema.TensorType, dtype), 0
        if quantised:
            entry.quantization = schema.QuantizationParametersT()
            entry.quantization.scale, entry.quantization.zeroPoint = [STEP], [ZERO]
        self.graph.tensors.append(entry)
        return len(self.graph.tensors) - 1

    def constant(self, values: list[int]) -> int:
        number = self.tensor([len(values)], "INT32")
        self.graph.tensors[number].buffer = len(self.buffers)
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.array(values, np.int32).tobytes(), np.uint8)
        self.buffers.append(buffer)
        return number

    def operator(self, name: str, inputs: list[int], output: int) -> None:
        code, entry = schema.OperatorCodeT(), schema.OperatorT()
        code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, name)
        entry.opcodeIndex, entry.inputs, entry.outputs = len(self.operatorCodes), inputs, [output]
        self.operatorCodes.append(code)
        self.graph.operators.append(entry)


def scorer(path: Path, count: int, shape: tuple[int, ...] = (1, 24, 24, 3), dtype: str = "UINT8") -> Path:
    """A file that takes `shape` and gives the first `count` numbers of it, row by row."""
    size = int(np.prod(shape))
    model = _Model()
    start, row, scores = (model.tensor(list(form), dtype, dtype == "UINT8") for form in (shape, (1, size), (1, count)))
    model.operator("RESHAPE", [start, model.constant([1, size])], row)
    model.operator("SLICE", [row, model.constant([0, 0]), model.constant([1, count])], scores)
    return _write(path, model, start, scores)


def painter(path: Path, side: int) -> Path:
    """A file that takes uint8 (1, side, side, 3) and gives red as the class of each pixel, (1, side, side)."""
    forms = [1, side, side, 3], [1, side, side, 1], [1, side, side]
    model = _Model()
    start, red, classes = (model.tensor(form, "UINT8") for form in forms)
    model.operator("SLICE", [start, model.constant([0, 0, 0, 0]), model.constant(forms[1])], red)
    model.operator("RESHAPE", [red, model.constant(forms[2])], classes)
    return _write(path, model, start, classes)


def _write(path: Path, model: _Model, start: int, end: int) -> Path:
    model.graph.inputs, model.graph.outputs = [start], [end]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path
