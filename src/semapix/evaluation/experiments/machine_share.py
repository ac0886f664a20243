"""What machines need of a stream that people can look at (protocols/machine-share.yaml; scalable paper, Fig. 7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

import semapix
from semapix.codecs import QUALITIES, ContinuousCodec, open_codec
from semapix.errors import ArgumentError
from semapix.evaluation.bootstrap import Interval, bootstrap
from semapix.evaluation.datasets import TestPicture, open_dataset, some_of
from semapix.evaluation.experiments._run import Run, merged
from semapix.evaluation.findings import Findings
from semapix.evaluation.metrics import psnr
from semapix.evaluation.plots import Panel, draw
from semapix.evaluation.records import Criterion, Record, Table
from semapix.evaluation.runner import Job, Row, run_jobs
from semapix.evaluation.tested import choose, opened_bundle
from semapix.imaging import load, resize

__all__ = ["MachineShareProtocol", "measure_machine_share"]

_STEPS = 32  # between two whole qualities


@dataclass(frozen=True)
class MachineShareProtocol:
    """The keys of protocols/machine-share.yaml, which says what each is."""

    model: str
    part: str
    side: int
    psnr: float
    at_most: float


@dataclass(frozen=True)
class _Work:
    picture: TestPicture
    model: Path
    side: int
    psnr: float


class _Found(NamedTuple):
    """A stream that reaches the PSNR."""

    bytes: int
    quality: float
    layers: int
    psnr: float
    variant: str | None = None


def measure_machine_share(dataset: Path, protocol: MachineShareProtocol, run: Run) -> Findings:
    """Find the smallest stream of every picture that reaches the PSNR, and what tasks read of it.

    Raises ArgumentError for a codec that is not Semapix's own, and for a data set without that part.
    """
    data = open_dataset(dataset, protocol.part)
    (codec,), _ = choose([protocol.model], {}, run.model)
    bundle = codec.bundle
    if bundle is None:
        raise ArgumentError(f"{codec.name} has no machine layers; the codec of this experiment is Semapix's own")
    jobs = [
        Job(
            f"{picture.name}, {codec.name}",
            _Work(picture, bundle.path, protocol.side, protocol.psnr),
            ["machine share, all qualities", codec.depends, picture.name, picture.digest, protocol.side, protocol.psnr],
        )
        for picture in some_of(data.pictures, run.limit)
    ]
    title = f"machine share, {data.name}"
    outcome = run_jobs(jobs, _measure, run.journal, processes=run.processes, title=title)
    reached = [row for row in outcome.rows if row["bytes"] is not None]
    tasks = [task["name"] for task in bundle.manifest["tasks"]]
    figures = {task: _figure(reached, task, protocol.at_most) for task in tasks} if reached else {}
    columns = ["picture", *_Found._fields, "machine"]
    return Findings(
        Record(
            f"machine share on {data.name}",
            run.command,
            [bundle],
            settings={
                "protocol": asdict(protocol),
                "pictures": f"the central {protocol.side}x{protocol.side} pixels; smaller pictures squeezed to that",
                "machine": "bytes of the stream up to the last layer that the task reads, front header included",
                "stream": f"the smallest that reaches {protocol.psnr:g} dB: of codecs that have all qualities, "
                f"the whole files of qualities 1 to {QUALITIES} in steps of 1/{_STEPS} at all sizes; of others all "
                "prefixes of the files of whole qualities; by bisection, since PSNR rises with quality",
                "share": "bytes of all pictures together; 95 % by bootstrap over pictures",
            },
            results={"tasks": figures, "pictures": len(outcome.rows), "reached": len(reached)},
            criteria=[
                Criterion(f"machine bytes of {task}, share", figure["share"], "<=", protocol.at_most, "%")
                for task, figure in figures.items()
            ],
            tables={"pictures": Table(columns, [[row[column] for column in columns] for row in outcome.rows])},
        ),
        {f"Machine bytes in the smallest stream of {protocol.psnr:g} dB": _table(figures, protocol, outcome.rows)}
        if figures
        else {},
        {"curves.png": lambda: _plot(reached, tasks, data.name)} if reached else {},
        merged(outcome.failures),
    )


def _square(picture: TestPicture, side: int) -> NDArray[np.uint8]:
    """The central square of a picture, uint8 (side, side, 3); of a smaller picture all, squeezed to it."""
    pixels = load(picture.image).pixels
    height, width = pixels.shape[:2]
    if min(height, width) < side:
        return resize(pixels, (side, side), "lanczos")
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def _measure(work: _Work) -> list[Row]:
    bundle = opened_bundle(work.model)
    original = np.ascontiguousarray(_square(work.picture, work.side))
    codec = open_codec(bundle)
    whole = isinstance(codec, ContinuousCodec)
    variants = codec.variants_for(work.side, work.side) if isinstance(codec, ContinuousCodec) else (None,)
    qualities = [1 + n / _STEPS for n in range((QUALITIES - 1) * _STEPS + 1)] if whole else range(1, QUALITIES + 1)

    @cache
    def file(quality: float, variant: str | None) -> semapix.Stream:
        return semapix.open(semapix.encode(original, bundle.codec, quality, bundle, variant=variant).to_bytes(), bundle)

    found: list[_Found] = []
    for variant in variants:
        layers = len(file(QUALITIES, variant).layers)
        for count in [layers] if whole else range(layers, 0, -1):
            stream = _smallest(partial(file, variant=variant), qualities, count, original, work.psnr)
            if stream is None:
                break  # fewer layers do not reach it either
            found.append(stream._replace(variant=variant))
    tasks = bundle.manifest["tasks"]
    machine = {task["name"]: len(file(QUALITIES, None).to_bytes(task["layers"])) for task in tasks}
    best = min(found, key=lambda stream: stream.bytes)._asdict() if found else dict.fromkeys(_Found._fields)
    return [{"picture": work.picture.name, **best, "machine": machine}]


def _smallest(
    file: Callable[[float], semapix.Stream],
    qualities: Sequence[float],
    layers: int,
    original: NDArray[np.uint8],
    wanted: float,
) -> _Found | None:
    """Of the files of these qualities, cut behind a layer, the first that reaches a PSNR, by bisection."""

    @cache
    def reached(place: int) -> float:
        prefix = semapix.open(file(qualities[place]).to_bytes(layers), file(qualities[place]).model)
        return psnr(np.asarray(prefix.image()), original)

    low, high = 0, len(qualities) - 1
    if reached(high) < wanted:
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) >= wanted else (middle + 1, high)
    return _Found(len(file(qualities[low]).to_bytes(layers)), qualities[low], layers, reached(low))


def _figure(rows: Sequence[Row], task: str, at_most: float) -> dict[str, Any]:
    """The share of a task in percent, of all pictures together and of each."""
    machine = np.array([row["machine"][task] for row in rows], np.float64)
    whole = np.array([row["bytes"] for row in rows], np.float64)

    def share(chosen: NDArray[np.intp]) -> float:
        return float(100 * machine[chosen].sum() / whole[chosen].sum())

    everything = np.arange(len(rows))
    sure = bootstrap(len(rows), share) if len(rows) > 1 else Interval(share(everything), float("nan"), float("nan"))
    each = 100 * machine / whole
    return {
        "bytes": float(machine.mean()),
        "stream_bytes": float(whole.mean()),
        "share": sure.value,
        "share_95": [sure.low, sure.high],
        "median": float(np.median(each)),
        "largest": float(each.max()),
        "pictures_within": float(100 * np.mean(each <= at_most)),
    }


def _table(
    figures: Mapping[str, Mapping[str, Any]], protocol: MachineShareProtocol, rows: Sequence[Row]
) -> list[list[str]]:
    within = f"pictures with at most {protocol.at_most:g} %"
    head = [
        "task",
        "pictures",
        "not reached",
        "machine bytes",
        "stream bytes",
        "share % (95 %)",
        "median %",
        "largest %",
    ]
    table = [[*head, within]]
    reached = sum(row["bytes"] is not None for row in rows)
    for task, figure in figures.items():
        low, high = figure["share_95"]
        sizes = [f"{figure['bytes']:.1f}", f"{figure['stream_bytes']:.0f}"]
        share = f"{figure['share']:.1f} ({low:.1f} to {high:.1f})"
        spread = [f"{figure[key]:.1f}" for key in ("median", "largest")]
        counts = [str(reached), str(len(rows) - reached)]
        table.append([task, *counts, *sizes, share, *spread, f"{figure['pictures_within']:.0f} %"])
    return table


def _plot(rows: Sequence[Row], tasks: Sequence[str], name: str) -> Figure:
    curves = {}
    for task in tasks:
        each = sorted(100 * row["machine"][task] / row["bytes"] for row in rows)
        curves[task] = [(share, 100 * number / len(each)) for number, share in enumerate(each, start=1)]
    panel = Panel("machine bytes (% of the stream)", "pictures with no more (%)", curves)
    return draw([panel], f"{name}: machine bytes in streams that people can look at")
