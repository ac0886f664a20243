"""Seconds and memory: `look` against a full decode, the start of the commands, a 12-megapixel picture.

    python benchmarks/speed.py --model BUNDLE --data DATA -o results/speed.json

Run it on a machine that does nothing else, with two cores (`taskset -c 0,1` leaves two of more). Commands are measured
from their start to their end, in processes of their own, with the model's file in the system's cache.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
from _common import finish, parser, run, with_progress
from PIL import Image

from semapix.bundle import Bundle, find
from semapix.evaluation.datasets import kodak
from semapix.evaluation.records import Criterion, Table

SMALL = 256  # side of the picture that `look` is measured with
LARGE = (4000, 3000)
COMMANDS = 5  # runs of each command
QUALITY = 5


class Run(NamedTuple):
    """One run of a command."""

    command: str
    seconds: float
    megabytes: float


def semapix_command(*words: str | Path) -> Run:
    """Run a command in a process of its own: wall time, and the largest resident memory that the system saw.

    The system counts what this program takes when it starts the other as well, so the memory is never below that.
    """
    start = time.perf_counter()
    child = subprocess.Popen([sys.executable, "-m", "semapix", *map(str, words)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"speed.py: semapix {' '.join(map(str, words))} ended with status {child.returncode}")
    kilobytes = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return Run(str(words[0]), seconds, kilobytes * 1024 / 1e6)


def mosaic(pictures: Sequence[Path], size: tuple[int, int]) -> Image.Image:
    """Kodak pictures side by side at their own scale, all landscape, until `size` is full: as hard as they are."""
    whole = Image.new("RGB", size)
    number = 0
    for top in range(0, size[1], 512):
        for left in range(0, size[0], 768):
            with Image.open(pictures[number % len(pictures)]) as tile:
                upright = tile.width < tile.height
                whole.paste(tile.transpose(Image.Transpose.ROTATE_90) if upright else tile, (left, top))
            number += 1
    return whole


def small_picture(path: Path) -> Image.Image:
    """The middle of a picture, 512x512, at half its scale."""
    with Image.open(path) as picture:
        left, top = (picture.width - 2 * SMALL) // 2, (picture.height - 2 * SMALL) // 2
        middle = picture.crop((left, top, left + 2 * SMALL, top + 2 * SMALL))
        return middle.resize((SMALL, SMALL), Image.Resampling.LANCZOS)


def in_turn(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each work, done in turn, so that whatever else happens on the machine meets all of them."""
    for work in works.values():
        for _ in range(3):
            work()
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in with_progress(range(rounds), rounds, "warm"):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def warm(file: Path, bundle: Bundle, rounds: int) -> dict[str, list[float]]:
    """Seconds from the name of a file to labels, and to pixels, with the model loaded."""
    import semapix

    return in_turn(
        {
            "look, coarse": lambda: semapix.open(file, bundle).look("coarse"),
            "look, fine": lambda: semapix.open(file, bundle).look("fine"),
            "decode": lambda: semapix.open(file, bundle).image(),
        },
        rounds,
    )


def main() -> None:
    arguments = parser(__doc__, limit=False)
    arguments.add_argument("--rounds", type=int, default=200, help="warm measurements of each kind (default 200)")
    options = arguments.parse_args()
    bundle = find(options.model)
    model = ["--model", str(bundle.path)]
    pictures = kodak(options.data)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mosaic(pictures, LARGE).save(folder / "large.png")
        small_picture(pictures[0]).save(folder / "small.png")
        quality = ["--quality", str(QUALITY)]
        runs = [semapix_command("encode", folder / "large.png", "-o", folder / "large.spix", *quality, *model)]
        runs.append(semapix_command("decode", folder / "large.spix", "-o", folder / "decoded.png", *model))
        semapix_command("encode", folder / "small.png", "-o", folder / "small.spix", *quality, *model)
        for _ in with_progress(range(COMMANDS), COMMANDS, "cold"):
            runs.append(semapix_command("--help"))
            runs.append(semapix_command("look", folder / "small.spix", *model))
        large_bytes, small_bytes = ((folder / f"{which}.spix").stat().st_size for which in ("large", "small"))
        seconds = warm(folder / "small.spix", bundle, options.rounds)

    encode, decode = runs[:2]
    cold = {command: median(run.seconds for run in runs if run.command == command) for command in ("--help", "look")}
    medians = {name: median(values) for name, values in seconds.items()}
    table = [["what", "seconds", "95 %", "peak memory, MB"]]
    table += [
        [f"{name}, {SMALL}x{SMALL}, warm", f"{medians[name]:.4f}", f"{np.percentile(values, 95):.4f}", ""]
        for name, values in seconds.items()
    ]
    table += [[f"semapix {command}, cold", f"{value:.3f}", "", ""] for command, value in cold.items()]
    table += [
        [f"semapix {run.command}, {LARGE[0]}x{LARGE[1]}", f"{run.seconds:.2f}", "", f"{run.megabytes:.0f}"]
        for run in (encode, decode)
    ]
    share = medians["look, fine"] / medians["decode"]
    milliseconds = 1000 * medians["look, fine"]
    look = (
        Criterion("look, fine, warm", milliseconds, "<=", 5, "ms")
        if milliseconds <= 5
        else Criterion("look, fine, warm, of the full decode", share, "<=", 0.1, "times")
    )
    finish(
        options,
        "speed",
        table,
        settings={
            "small": f"the middle of kodim01 at {SMALL}x{SMALL}, quality {QUALITY}, {small_bytes} bytes",
            "large": f"Kodak pictures side by side, {LARGE[0]}x{LARGE[1]}, quality {QUALITY}, {large_bytes} bytes; "
            "PNG to .spix and .spix to PNG by the commands, start of Python and PNG included",
            "warm": f"semapix.open(file).look() and .image() in one process, in turn, median of {options.rounds}",
            "cold": f"python -m semapix ..., median of {COMMANDS} processes, files in the system's cache",
            "peak memory": "largest resident set of the process (ru_maxrss)",
        },
        results={
            "warm_seconds": medians,
            "look_share_of_decode": share,
            "cold_seconds": cold,
            "large": {run.command: {"seconds": run.seconds, "megabytes": run.megabytes} for run in (encode, decode)},
        },
        criteria=[
            look,
            Criterion("semapix --help, cold", cold["--help"], "<", 0.4, "s"),
            Criterion("semapix look FILE, cold", cold["look"], "<", 1.5, "s"),
            Criterion("encode 12 megapixels", encode.seconds, "<=", 20, "s"),
            Criterion("decode 12 megapixels", decode.seconds, "<=", 15, "s"),
            Criterion("encode 12 megapixels, memory", encode.megabytes, "<", 2000, "MB"),
            Criterion("decode 12 megapixels, memory", decode.megabytes, "<", 2000, "MB"),
        ],
        tables={
            "commands": Table(Run._fields, runs),
            "warm_seconds": Table(list(seconds), list(zip(*seconds.values(), strict=True))),
        },
    )


if __name__ == "__main__":
    run(main)
