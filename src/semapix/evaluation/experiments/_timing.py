"""Seconds and memory of codecs: warm, in one process, and cold, as commands."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

import semapix
from semapix.bundle import Bundle
from semapix.codecs import CODECS
from semapix.errors import SemapixError
from semapix.evaluation.records import Table
from semapix.evaluation.reference import REFERENCES
from semapix.evaluation.tested import Tested, encode_own
from semapix.tasks import CLASSIFY

__all__ = ["Command", "Timed", "code_once", "run_command", "timing_tables", "warm"]

_LAUNCHER = """
import resource, subprocess, sys, time
start = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(done.returncode)
"""


@dataclass(frozen=True)
class Timed:
    """Warm times of one thing at one size."""

    codec: str
    what: str
    pixels: int
    seconds: list[float]

    @property
    def median(self) -> float:
        return median(self.seconds)


@dataclass(frozen=True)
class Command:
    """One run of a command in a process of its own. `megabytes`: largest resident set."""

    command: str
    what: str
    seconds: float
    megabytes: float


def warm(pixels: NDArray[np.uint8], codecs: Sequence[Tested], rounds: int, folder: Path) -> list[Timed]:
    """Time all that codecs do with a picture, uint8 (H, W, 3), at their first settings: in turn, in random order.

    Codecs of ours encode, decode where files hold pictures, and answer each task of their models as `look, TASK`; files
    lie in `folder`. One round is not timed.
    """
    works: dict[tuple[str, str], Callable[[], object]] = {}
    for codec in codecs:
        works |= {(codec.label, what): work for what, work in _works(codec, pixels, folder).items()}
    seconds: dict[tuple[str, str], list[float]] = {key: [] for key in works}
    order = random.Random(0)
    for round_ in range(rounds + 1):
        # In a fixed order the same work would always follow the slowest one, and find its caches cold.
        for key in order.sample(list(works), len(works)):
            start = time.perf_counter()
            works[key]()
            if round_:
                seconds[key].append(time.perf_counter() - start)
    return [Timed(*key, pixels.shape[0] * pixels.shape[1], values) for key, values in seconds.items()]


def _works(codec: Tested, pixels: NDArray[np.uint8], folder: Path) -> dict[str, Callable[[], object]]:
    setting, bundle = codec.settings[0], codec.bundle
    if bundle is None:
        reference = REFERENCES[codec.name]
        data = reference.encode(pixels, setting)
        return {
            "encode": lambda: reference.encode(pixels, setting),
            "decode": lambda: reference.decode(data, pixels.shape),
        }
    file = folder / f"{codec.name.replace(':', '-')}.spix"
    encode_own(codec, setting, pixels).save(file)
    calls: dict[str, Callable[[], object]] = {
        "encode": lambda: encode_own(codec, setting, pixels),
    }
    if CODECS[bundle.codec].pixels:
        calls["decode"] = lambda: semapix.open(file, bundle).image(decoder=codec.options.decoder)
    for task in bundle.manifest["tasks"]:
        calls[f"look, {task['name']}"] = partial(_ask, file, bundle, task["name"])
    return calls


def _ask(file: Path, bundle: Bundle, task: str) -> object:
    """The answer to a task, whatever its kind."""
    stream = semapix.open(file, bundle)
    return stream.look(task) if stream.task(task).kind == CLASSIFY else stream.detect(task)


def code_once(codec: Tested, picture: Path, what: str) -> list[Command]:
    """Cold runs of encode and, where files hold pictures, of decode, at the codec's first setting.

    `picture`: a picture in a file; what is made of it lies beside it, as NAME.spix and NAME-decoded.png. `what`: the
    picture in words, for the table.
    """
    assert codec.bundle is not None
    options, coded = codec.options, picture.with_suffix(".spix")
    model, chosen = ["--model", str(codec.model)], ["--bpp" if options.rate else "--quality", f"{codec.settings[0]:g}"]
    chosen += ["--strategy", options.strategy] if options.strategy else []
    found = [run_command("encode", what, picture, "-o", coded, *chosen, *model)]
    if CODECS[codec.bundle.codec].pixels:
        decoded = picture.with_name(f"{picture.stem}-decoded.png")
        decoder = ["--decoder", options.decoder] if options.decoder else []
        found.append(run_command("decode", what, coded, "-o", decoded, *decoder, *model))
    return found


def run_command(command: str, what: str, *words: str | Path) -> Command:
    """Run a command in a process of its own, started by a small one.

    The system counts what a program takes when it starts another as the other's, and this one may be large.
    """
    started = [sys.executable, "-c", _LAUNCHER, sys.executable, "-m", "semapix", command, *map(str, words)]
    done = subprocess.run(started, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SemapixError(f"semapix {command} failed: {' '.join(done.stderr.split())}")
    seconds, size = map(float, done.stdout.split())
    return Command(f"semapix {command}", what, seconds, size * (1 if sys.platform == "darwin" else 1024) / 1e6)


def timing_tables(timed: Sequence[Timed], commands: Sequence[Command]) -> dict[str, Table]:
    """All single times, for a record."""
    return {
        "commands": Table([entry.name for entry in fields(Command)], [list(asdict(e).values()) for e in commands]),
        "warm": Table([entry.name for entry in fields(Timed)], [list(asdict(e).values()) for e in timed]),
    }
