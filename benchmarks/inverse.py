"""Whether the transform gives pictures back: lifting forth and back on the Kodak pictures, nothing rounded between.

    python benchmarks/inverse.py --model BUNDLE --data DATA -o results/inverse.json

Whole pictures at full size, padded to a multiple of 2^K, with the Predict and Update networks of the bundle. The bundle
stores these for the core's size; their graphs hold convolutions only, so other sizes are allowed here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime
from _common import finish, parser, run, with_progress
from numpy.typing import NDArray

from semapix.bundle import Bundle, find
from semapix.codecs._lifting import Band, forward_step, inverse_step
from semapix.codecs._pixels import denormalise, normalise
from semapix.evaluation.datasets import open_dataset, some_of
from semapix.evaluation.records import Criterion, Table
from semapix.imaging import load, pad_to

Array = NDArray[np.float32]


class Row(NamedTuple):
    """One picture: the largest error before rounding, in steps of 8 bits, and values that are wrong after it."""

    picture: str
    width: int
    height: int
    largest_error: float
    wrong: int


class AnySize:
    """Runs graphs of a bundle on inputs of any height and width; has the interface of `semapix.graphs.Graphs`."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._sessions: dict[str, onnxruntime.InferenceSession] = {}

    def run(self, name: str, *inputs: Array) -> list[Array]:
        if name not in self._sessions:
            self._sessions[name] = onnxruntime.InferenceSession(
                self._loosened(name), providers=["CPUExecutionProvider"]
            )
        session = self._sessions[name]
        names = [entry.name for entry in session.get_inputs()]
        return session.run(None, dict(zip(names, inputs, strict=True)))

    def _loosened(self, name: str) -> bytes:
        model = onnx.load_model_from_string(self._bundle.graph(name))
        for entry in (*model.graph.input, *model.graph.output):
            for axis, dimension in zip(("height", "width"), entry.type.tensor_type.shape.dim[2:], strict=True):
                dimension.dim_param = axis
        del model.graph.value_info[:]
        return model.SerializeToString()


def there_and_back(graphs: AnySize, x: Band, levels: int) -> Band:
    """All levels of lifting, and their inverse."""
    duals = []
    for level in range(1, levels + 1):
        x, dual = forward_step(graphs, level, x)
        duals.append(dual)
    for level in range(levels, 0, -1):
        x = inverse_step(graphs, level, x, duals[level - 1])
    return x


def main() -> None:
    options = parser(__doc__).parse_args()
    bundle = find(options.model)
    levels = bundle.manifest["core"]["levels"]
    graphs = AnySize(bundle)
    pictures = some_of(open_dataset(options.data / "kodak").pictures, options.limit)
    rows = []
    for picture in with_progress(pictures, len(pictures), "inverse"):
        pixels = load(picture.image).pixels
        padded = pad_to(pixels, 2**levels)
        before = normalise(padded).astype(np.float64)
        after = there_and_back(graphs, before, levels)
        # One step of 8 bits is what `normalise` makes of a difference of 1.
        step = float(normalise(np.ones((1, 1, 3), np.uint8)).max() - normalise(np.zeros((1, 1, 3), np.uint8)).max())
        error = float(np.abs(after.astype(np.float64) - before).max()) / step
        wrong = int(np.count_nonzero(denormalise(after) != padded))
        rows.append(Row(picture.name, pixels.shape[1], pixels.shape[0], error, wrong))

    largest, wrong = max(row.largest_error for row in rows), sum(row.wrong for row in rows)
    table = [["pictures", "8-bit exact", "wrong values", "largest error before rounding (of 255)"]]
    table.append([str(len(rows)), str(sum(row.wrong == 0 for row in rows)), str(wrong), f"{largest:.2g}"])
    finish(
        options,
        "inverse",
        table,
        settings={
            "pictures": f"Kodak at full size, padded to a multiple of {2**levels}",
            "transform": f"{levels} levels, float32, nothing quantised; the graphs' fixed input sizes made free",
        },
        results={"pictures": len(rows), "wrong_values": wrong, "largest_error": largest},
        criteria=[Criterion("values that differ after rounding to 8 bits", wrong, "<=", 0, "values")],
        tables={"pictures": Table(Row._fields, rows)},
    )


if __name__ == "__main__":
    run(main)
