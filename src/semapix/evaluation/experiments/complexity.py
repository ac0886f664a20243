"""Work, size and time of every module of a model (protocols/complexity.yaml; scalable paper, Table 3).

kMAC per pixel: of the core for lifting, s1, s2, ... and heads; of the scale that it codes for `outer`, whose margins
around tiles are not counted. All scales of a large picture together have up to 1.02 of its pixels.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import onnx

from semapix.bundle import Bundle
from semapix.errors import ArgumentError
from semapix.evaluation.experiments._run import Run
from semapix.evaluation.findings import Findings
from semapix.evaluation.macs import Cost, entropy_cost, graph_cost
from semapix.evaluation.records import Record, Table
from semapix.evaluation.tested import choose
from semapix.graphs import OnnxGraphs

__all__ = ["ComplexityProtocol", "measure_complexity"]

SCALE = 512  # side of the picture that `outer` is counted with, in pixels


_PARTS = (("predict.", ""), ("", ".analysis"), ("", ".entropy"), ("", ".synthesis"))


class Modules:
    """Costs of all modules of a bundle, by name; an integer network is called after its unit, `s1.entropy`."""

    def __init__(self, bundle: Bundle) -> None:
        core: dict[str, Any] = bundle.manifest["core"]
        self.levels: int = core["levels"]
        self.layers = [f"s{number + 1}" for number in range(len(core["band_shapes"]))]
        self.tasks: list[dict[str, Any]] = bundle.manifest["tasks"]
        self.core_pixels: int = core["side"] ** 2
        self.positions: int = SCALE // bundle.manifest["outer"].get("stride", 16)  # of the outer unit's latent, a side
        self.cost: dict[str, Cost] = {}
        for name in bundle.graph_names:
            content = bundle.graph(name)
            self.cost[name] = graph_cost(content, self.shapes(content))
        for layer, (_, height, width) in zip(self.layers, core["latent_shapes"], strict=True):
            self.cost[f"{layer}.entropy"] = entropy_cost(bundle.arrays(layer), height, width)
        self.cost["outer.entropy"] = entropy_cost(bundle.arrays("outer"), self.positions, self.positions)

    def shapes(self, content: bytes) -> list[list[int]]:
        """The shapes of a graph's inputs; where they are free, those of a scale of SCALE x SCALE pixels."""
        shapes = []
        for entry in onnx.load_model_from_string(content).graph.input:
            sizes = [dimension.dim_value for dimension in entry.type.tensor_type.shape.dim]
            side = SCALE if sizes[1] == 3 else self.positions
            shapes.append([size or side for size in sizes])
        return shapes

    def pixels(self, name: str) -> int:
        """The pixels that the cost of a module is for."""
        return SCALE**2 if name.startswith("outer.") else self.core_pixels

    def kmac(self, names: Iterable[str]) -> float:
        """Thousands of multiply-accumulates for each pixel, of modules that count the same pixels."""
        return sum(self.cost[name].macs / self.pixels(name) for name in names) / 1000

    def look(self, layers: int) -> list[str]:
        """What a task that reads so many layers runs, its head left out; s2 is predicted even if it is not read."""
        read = self.layers[:layers]
        return [*(f"{layer}.{part}" for layer in read for part in ("entropy", "synthesis")), "predict.s2"]

    @property
    def lifting(self) -> list[str]:
        return [f"{part}{level + 1}" for level in range(self.levels) for part in ("predict", "update")]

    @property
    def in_order(self) -> list[str]:
        """All modules, in the order in which a picture meets them."""
        parts = [f"{kind}{layer}{part}" for layer in self.layers for kind, part in _PARTS]
        order = [*self.lifting, *parts, "post"]
        return sorted(self.cost, key=lambda name: (order.index(name) if name in order else len(order), name))

    @property
    def decode(self) -> list[str]:
        """What decoding the core runs."""
        units = [f"{layer}.{part}" for layer in self.layers for part in ("entropy", "synthesis")]
        return [*units, *(f"predict.{layer}" for layer in self.layers[1:]), *self.lifting, "post"]

    @property
    def encode(self) -> list[str]:
        """What encoding the core runs: the transform, and the decoder in the loop, without post-processing."""
        return [*self.lifting, *(f"{layer}.analysis" for layer in self.layers), *self.decode[:-1]]


@dataclass(frozen=True)
class ComplexityProtocol:
    """The keys of protocols/complexity.yaml, which says what each is."""

    rounds: int
    threads: int


def measure_complexity(protocol: ComplexityProtocol, run: Run) -> Findings:
    """Count and time all modules of a model of codec `scalable`. Raises ArgumentError for one of another codec."""
    (codec,), _ = choose(["scalable"], {}, run.model)
    bundle = codec.bundle
    assert bundle is not None
    if bundle.codec != "scalable":
        raise ArgumentError(f"model {bundle.name} is of codec {bundle.codec}; name one of codec scalable")
    modules = Modules(bundle)
    operations = {
        **{
            f"look, {task['name']}": modules.kmac([*modules.look(task["layers"]), task["head"]])
            for task in modules.tasks
        },
        "encode the machine layers": modules.kmac(
            [*modules.lifting, *modules.look(2), *(f"{layer}.analysis" for layer in modules.layers[:2])]
        ),
        "encode the core": modules.kmac(modules.encode),
        "decode the core": modules.kmac(modules.decode),
        "encode an outer scale": modules.kmac(["outer.analysis", "outer.hyper", "outer.entropy"]),
        "decode an outer scale": modules.kmac(["outer.entropy", "outer.synthesis"]),
    }
    seconds = _seconds(bundle, modules, protocol)
    table = [["module", "parameters", "kMAC / pixel", "of", "ms"]]
    for name in modules.in_order:
        cost, of = modules.cost[name], "scale" if name.startswith("outer.") else "core"
        taken = f"{1000 * seconds[name]:.2f}" if name in seconds else ""
        table.append([name, f"{cost.parameters:,}", f"{modules.kmac([name]):.3f}", of, taken])
    once = sum(cost.parameters for name, cost in modules.cost.items() if name != "outer.hyper")
    table.append(["**all**", f"{once:,}", "", "", ""])
    for name, kmac in operations.items():
        table.append([f"*{name}*", "", f"{kmac:.3f}", "scale" if "scale" in name else "core", ""])
    side = bundle.manifest["core"]["side"]
    return Findings(
        Record(
            "complexity",
            run.command,
            [bundle],
            settings={
                "core": f"{side}x{side} pixels",
                "outer": f"counted and timed for a scale of {SCALE}x{SCALE} pixels; a decoded scale is needed by the "
                "next one, so encoding runs the synthesis of all scales but the last as well",
                "all": "outer.hyper is a part of outer.analysis, too, and its parameters are counted once",
                "counted": "convolutions and matrix products of the graphs; *.entropy are the integer networks",
                "ms": f"of one run of a graph with {protocol.threads} threads, median of {protocol.rounds}",
            },
            results={"kmac_per_pixel": operations, "parameters": once},
            tables={
                "modules": Table(
                    ["module", "parameters", "macs", "pixels", "seconds"],
                    [
                        [
                            *(name, modules.cost[name].parameters, modules.cost[name].macs, modules.pixels(name)),
                            seconds.get(name),
                        ]
                        for name in modules.in_order
                    ],
                )
            },
        ),
        {"Modules": table},
    )


def _seconds(bundle: Bundle, modules: Modules, protocol: ComplexityProtocol) -> dict[str, float]:
    """Median time of each graph; graphs run in turn, so that whatever else happens meets all of them."""
    graphs = OnnxGraphs(bundle, protocol.threads)
    random = np.random.default_rng(0)
    inputs = {
        name: [random.standard_normal(shape).astype(np.float32) for shape in modules.shapes(bundle.graph(name))]
        for name in bundle.graph_names
    }
    times: dict[str, list[float]] = {name: [] for name in inputs}
    for round_ in range(protocol.rounds + 2):
        for name, arrays in inputs.items():
            start = time.perf_counter()
            graphs.run(name, *arrays)
            if round_ >= 2:
                times[name].append(time.perf_counter() - start)
    return {name: median(values) for name, values in times.items()}
