"""Seconds and memory (protocols/speed.yaml)."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semapix.evaluation.datasets import TestPicture, open_dataset
from semapix.evaluation.experiments._run import Run, bundles_of
from semapix.evaluation.experiments._timing import Command, Timed, code_once, run_command, timing_tables, warm
from semapix.evaluation.findings import Findings
from semapix.evaluation.records import Record
from semapix.evaluation.tested import Tested, choose
from semapix.imaging import load

__all__ = ["SpeedProtocol", "measure_speed"]

_SMALL = 0.1  # megapixels


@dataclass(frozen=True)
class SpeedProtocol:
    """The keys of protocols/speed.yaml, which says what each is."""

    codecs: Sequence[str]
    settings: Mapping[str, Sequence[float]]
    megapixels: Sequence[float]
    rounds: int
    commands: int
    files: Sequence[int]


def measure_speed(dataset: Path, protocol: SpeedProtocol, run: Run) -> Findings:
    """Time all codecs, each at the middle one of its settings, at all sizes, and the commands of Semapix.

    Raises ArgumentError for a data set without pictures, SemapixError when a command fails.
    """
    pictures = open_dataset(dataset).pictures
    codecs, missing = choose(protocol.codecs, protocol.settings, run.model)
    codecs = [replace(codec, settings=(codec.settings[len(codec.settings) // 2],)) for codec in codecs]
    timed: list[Timed] = []
    for size in protocol.megapixels:
        picture = mosaic(pictures, size)
        rounds = 10 * protocol.rounds if size < _SMALL else max(3, round(protocol.rounds / max(1.0, size)))
        print(f"speed: {picture.shape[1]}x{picture.shape[0]}, {rounds} rounds", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            timed += warm(picture, codecs, rounds, Path(folder))
    commands = [entry for codec in codecs if codec.model for entry in _commands(pictures, codec, protocol)]
    table = [["codec", "what", *(f"{size:g} MP" for size in protocol.megapixels), "ms per MP, largest"]]
    for label, what in dict.fromkeys((entry.codec, entry.what) for entry in timed):
        same = [entry for entry in timed if (entry.codec, entry.what) == (label, what)]
        per = 1000 * same[-1].median / same[-1].pixels * 1e6
        table.append([label, what, *(f"{1000 * entry.median:.1f} ms" for entry in same), f"{per:.0f}"])
    cold = [["command", "of", "seconds, median", "peak memory, MB"]]
    for command, what in dict.fromkeys((entry.command, entry.what) for entry in commands):
        runs = [entry for entry in commands if (entry.command, entry.what) == (command, what)]
        peak = max(entry.megabytes for entry in runs)
        cold.append([command, what, f"{median(entry.seconds for entry in runs):.3f}", f"{peak:.0f}"])
    return Findings(
        Record(
            "speed",
            run.command,
            bundles_of(codecs),
            settings={
                "protocol": asdict(protocol),
                "threads": f"Semapix: SEMAPIX_THREADS or as ONNX Runtime decides, {os.cpu_count()} cores; others: one",
                **{codec.name: f"{codec.what}; setting {codec.settings[0]:g}" for codec in codecs},
                "warm": "in one process, all codecs in turn and in random order, medians; encode: pixels to bytes; "
                "decode: bytes to pixels; look: from the name of a file to labels",
                "cold": "python -m semapix ..., start of Python and PNG included, files in the system's cache",
                "peak memory": "largest resident set of the process",
            },
            results={
                "warm": [{"codec": e.codec, "what": e.what, "pixels": e.pixels, "seconds": e.median} for e in timed],
            },
            tables=timing_tables(timed, commands),
        ),
        {"Warm": table, "Commands": cold},
        failures=missing,
    )


def mosaic(pictures: Sequence[TestPicture], megapixels: float) -> NDArray[np.uint8]:
    """Pictures side by side at their own scale until a size is full: as hard to code as they are.

    4:3; below 0.1 megapixels square. uint8 (H, W, 3).
    """
    ratio = 1.0 if megapixels < _SMALL else 4 / 3
    height = round((megapixels * 1e6 / ratio) ** 0.5)
    width = round(height * ratio)
    whole = Image.new("RGB", (width, height))
    top = number = 0
    while top < height:
        left = tallest = 0
        while left < width:
            tile = Image.fromarray(load(pictures[number % len(pictures)].image).pixels)
            if tile.width < tile.height:
                tile = tile.transpose(Image.Transpose.ROTATE_90)
            whole.paste(tile, (left, top))
            left, tallest, number = left + tile.width, max(tallest, tile.height), number + 1
        top += tallest
    return np.asarray(whole)


def _commands(pictures: Sequence[TestPicture], codec: Tested, protocol: SpeedProtocol) -> list[Command]:
    """Cold runs: --help, look at one small file and at many; encode and decode the largest picture, once each."""
    model = ["--model", str(codec.model)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for which, size in (("small", min(protocol.megapixels)), ("large", max(protocol.megapixels))):
            Image.fromarray(mosaic(pictures, size)).save(folder / f"{which}.png")
        found = code_once(codec, folder / "large.png", f"{max(protocol.megapixels):g} megapixels")
        run_command("encode", "", folder / "small.png", "-o", folder / "small.spix", *model)
        content = (folder / "small.spix").read_bytes()
        for number in range(max(protocol.files)):
            (folder / f"{number:04}.spix").write_bytes(content)
        for _ in range(protocol.commands):
            found.append(run_command("--help", ""))
            for count in protocol.files:
                files = [folder / f"{number:04}.spix" for number in range(count)]
                found.append(run_command("look", f"{count} files" if count > 1 else "one file", *files, *model))
    return found
