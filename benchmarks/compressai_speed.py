"""Seconds to encode and decode a picture beside CompressAI's mbt2018-mean, in turn, on the same cores.

    python benchmarks/compressai_speed.py --model BUNDLE --data DATA --compressai PYTHON -o results/compressai.json
    python benchmarks/compressai_speed.py --model adaptive --bpp 0.25 --data DATA --compressai PYTHON -o results/...json

With `--bpp` a picture is encoded to a target rate, which may take several passes.

PYTHON is the interpreter of an environment with CompressAI 1.2 (it wants NumPy below 2, so it cannot share this one).
Its weights are random: its networks' work does not depend on them. Both sides start from pixels and end at pixels, and
each round runs both, so that whatever else happens meets both.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from statistics import median
from typing import Any

from _common import finish, parser, run

import semapix
from semapix.bundle import find
from semapix.errors import ArgumentError
from semapix.evaluation.datasets import open_dataset
from semapix.evaluation.records import Criterion, Table
from semapix.imaging import load

_ROUNDS = 15
_QUALITY = 5

_RIVAL = """
import sys, time, json
import torch
library = torch.library.Library("torchvision", "DEF")  # torchvision does not import beside a CPU build without these
library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
import types
class Anything(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})
for name in ("torchvision", "torchvision.transforms", "torchvision.datasets", "torchvision.io"):
    sys.modules[name] = Anything(name)
from compressai.zoo import mbt2018_mean
torch.set_num_threads(int(sys.argv[3]))
torch.manual_seed(0)
network = mbt2018_mean(4, pretrained=False).eval()
network.update(force=True)
picture = torch.rand(1, 3, int(sys.argv[1]), int(sys.argv[2]))
print("ready", flush=True)
for _ in sys.stdin:
    with torch.inference_mode():
        start = time.perf_counter()
        coded = network.compress(picture)
        middle = time.perf_counter()
        network.decompress(coded["strings"], coded["shape"])
        end = time.perf_counter()
    print(json.dumps([middle - start, end - middle]), flush=True)
"""


class Rival:
    """mbt2018-mean in a process of its own, which codes one picture for each line that it reads."""

    def __init__(self, python: str, height: int, width: int, threads: int) -> None:
        words = [python, "-c", _RIVAL, str(height), str(width), str(threads)]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self._read() != "ready":
            raise ArgumentError(f"--compressai (={python}): no environment in which compressai.zoo imports")

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def seconds(self) -> tuple[float, float]:
        """To encode and to decode, once."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        encode, decode = json.loads(self._read())
        return encode, decode

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def main() -> None:
    arguments = parser(__doc__, limit=False)
    arguments.add_argument("--compressai", required=True, metavar="PYTHON", help="interpreter that has CompressAI")
    arguments.add_argument("--bpp", type=float, metavar="B", help="encode to this rate, not at quality 5")
    options = arguments.parse_args()
    aim: dict[str, Any] = {"quality": _QUALITY} if options.bpp is None else {"bpp": options.bpp}
    bundle = find(options.model)
    picture = open_dataset(options.data / "kodak").pictures[0]
    pixels = load(picture.image).pixels
    threads = len(os.sched_getaffinity(0))
    rival = Rival(options.compressai, *pixels.shape[:2], threads)
    sys.argv = ["PYTHON" if word == options.compressai else word for word in sys.argv]  # it differs on every machine
    times: dict[str, list[float]] = {name: [] for name in ("encode", "decode", "rival encode", "rival decode")}
    content = semapix.encode(pixels, model=bundle, **aim).to_bytes()
    for number in range(_ROUNDS + 2):
        encode, decode = rival.seconds()
        start = time.perf_counter()
        semapix.encode(pixels, model=bundle, **aim)
        middle = time.perf_counter()
        semapix.open(content, bundle).image()
        end = time.perf_counter()
        if number >= 2:  # the first ones warm up
            for name, value in zip(times, (middle - start, end - middle, encode, decode), strict=True):
                times[name].append(value)
    rival.close()

    seconds = {name: median(values) for name, values in times.items()}
    ratios = {way: seconds[f"rival {way}"] / seconds[way] for way in ("encode", "decode")}
    rows: list[list[Any]] = [["", "encode s", "decode s"]]
    rows.append([f"semapix {bundle.name}", f"{seconds['encode']:.3f}", f"{seconds['decode']:.3f}"])
    rows.append(
        ["CompressAI mbt2018-mean, quality 4", f"{seconds['rival encode']:.3f}", f"{seconds['rival decode']:.3f}"]
    )
    rows.append(["times as fast", f"{ratios['encode']:.2f}", f"{ratios['decode']:.2f}"])
    size = f"{pixels.shape[1]}x{pixels.shape[0]}"
    finish(
        options,
        "compressai_speed",
        rows,
        settings={"picture": f"{picture.name}, {size}", **aim, "threads": threads, "rounds": _ROUNDS},
        results={"seconds": seconds, "times_as_fast": ratios},
        criteria=[
            Criterion("seconds to encode", seconds["encode"], "<=", 4.0, "s"),
            Criterion("seconds to decode", seconds["decode"], "<=", 1.0, "s"),
        ]
        if options.bpp
        else [
            Criterion("decodes so many times as fast", ratios["decode"], ">=", 2.0, ""),
            Criterion("encodes so many times as fast", ratios["encode"], ">=", 1.0, ""),
        ],
        tables={"rounds": Table(tuple(times), list(zip(*times.values(), strict=True)))},
    )


if __name__ == "__main__":
    run(main)
