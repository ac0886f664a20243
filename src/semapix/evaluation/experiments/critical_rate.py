"""Accuracy and PSNR against the bytes decoded (protocols/critical-rate.yaml; scalable paper, Fig. 7)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import semapix
from semapix.codecs import open_codec
from semapix.evaluation.datasets import TestPicture, open_dataset, some_of
from semapix.evaluation.experiments._run import Run, bundles_of, merged, those_with
from semapix.evaluation.findings import Findings
from semapix.evaluation.machine import machine_layers, rank_of
from semapix.evaluation.metrics import psnr
from semapix.evaluation.plots import Panel, draw
from semapix.evaluation.records import Record, Table
from semapix.evaluation.runner import Job, Row, run_jobs
from semapix.evaluation.tested import Tested, choose, opened_bundle, own_tasks
from semapix.imaging import load
from semapix.stream import Reader
from semapix.tasks import Task

__all__ = ["CriticalRateProtocol", "measure_critical_rate"]


@dataclass(frozen=True)
class CriticalRateProtocol:
    """The keys of protocols/critical-rate.yaml, which says what each is."""

    codecs: Sequence[str]
    quality: int
    only: Mapping[str, Any]


@dataclass(frozen=True)
class _Work:
    """A picture. `labels`: the true label of each task."""

    picture: TestPicture
    model: Path
    quality: int
    labels: Mapping[str, int]


def measure_critical_rate(dataset: Path, protocol: CriticalRateProtocol, run: Run) -> Findings:
    """Cut the file of every picture behind each of its layers; decode, and ask all tasks.

    Pictures may differ in size: layers are counted from the first on, and figures of a layer are means over those
    pictures that have it. Raises ArgumentError for codecs that are not Semapix's own.
    """
    data = open_dataset(dataset)
    codecs, missing = choose(protocol.codecs, {}, run.model)
    pictures = some_of(those_with(data.pictures, protocol.only), run.limit)
    jobs = []
    for codec in codecs:
        tasks = own_tasks(codec, data)
        assert codec.model is not None
        for picture in pictures:
            labels = {task: picture.columns[column] for task, column in tasks.items()}
            work = _Work(picture, codec.model, protocol.quality, labels)
            depends = ["critical-rate", codec.depends, picture.name, picture.digest, protocol.quality, labels]
            jobs.append(Job(f"{picture.name}, {codec.name}", work, depends))
    title = f"critical rate, {data.name}"
    outcome = run_jobs(jobs, _measure, run.journal, processes=run.processes, title=title)
    curves = {codec.label: _curve(outcome.rows, codec) for codec in codecs}
    columns = ["model", "picture", "layers", "bytes", "psnr", "ranks", "picture_ranks"]
    return Findings(
        Record(
            f"critical rate on {data.name}",
            run.command,
            bundles_of(codecs),
            settings={
                "protocol": asdict(protocol),
                "prefix": f"of files of quality {protocol.quality}, cut behind each layer; bytes of the prefix",
                "features": "top-1 of the task's head on decoded features, from the layer on where it can answer",
                "picture": "top-1 of the same head on features of the picture that the prefix decodes to",
                "psnr": "RGB, of the mean squared error of each picture, mean over pictures",
            },
            results={"curves": curves},
            tables={"pictures": Table(columns, [[row[column] for column in columns] for row in outcome.rows])},
        ),
        {label: _table(points) for label, points in curves.items() if points},
        {"curves.png": lambda: _plot(curves, data.name)} if any(curves.values()) else {},
        [*missing, *merged(outcome.failures)],
    )


def _measure(task: _Work) -> list[Row]:
    bundle = opened_bundle(task.model)
    codec = open_codec(bundle)
    original = load(task.picture.image).pixels
    file = semapix.encode(original, bundle.codec, task.quality, bundle).to_bytes()
    whole = semapix.open(file, bundle)
    rows = []
    for layers in range(1, len(whole.layers) + 1):
        prefix = whole.to_bytes(layers)
        stream = semapix.open(prefix, bundle)
        pixels = np.asarray(stream.image())
        ranks, picture_ranks = {}, {}
        for name, label in task.labels.items():
            wanted = Task.find(bundle.manifest["tasks"], name)
            if layers >= wanted.layers:
                ranks[name] = rank_of(label, codec.scores(*machine_layers(Reader(prefix), wanted.layers), name))
            picture_ranks[name] = rank_of(label, codec.uncoded_scores(pixels, name))
        rows.append(
            {
                "model": bundle.name,
                "picture": task.picture.name,
                "layers": layers,
                "bytes": len(prefix),
                "pixels": original.shape[0] * original.shape[1],
                "psnr": psnr(pixels, original),
                "ranks": ranks,
                "picture_ranks": picture_ranks,
            }
        )
    return rows


def _curve(rows: Sequence[Row], codec: Tested) -> list[dict[str, Any]]:
    """Means over the pictures behind each layer."""
    own = [row for row in rows if row["model"] == codec.name]
    points = []
    for layers in sorted({row["layers"] for row in own}):
        same = [row for row in own if row["layers"] == layers]
        point = {
            "layers": layers,
            "pictures": len(same),
            "bytes": float(np.mean([row["bytes"] for row in same])),
            "bpp": float(np.mean([8 * row["bytes"] / row["pixels"] for row in same])),
            "psnr": float(np.mean([row["psnr"] for row in same])),
        }
        for task in same[0]["picture_ranks"]:
            if task in same[0]["ranks"]:
                point[f"{task}, features"] = 100 * float(np.mean([row["ranks"][task] < 1 for row in same]))
            point[f"{task}, picture"] = 100 * float(np.mean([row["picture_ranks"][task] < 1 for row in same]))
        points.append(point)
    return points


def _table(points: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    accuracies = [key for key in points[-1] if key.endswith((", features", ", picture"))]
    table = [["layers", "pictures", "bytes", "bpp", "PSNR, dB", *(f"{key} %" for key in accuracies)]]
    for point in points:
        shares = ["" if key not in point else f"{point[key]:.1f}" for key in accuracies]
        numbers = [f"{point['bytes']:.0f}", f"{point['bpp']:.3f}", f"{point['psnr']:.2f}"]
        table.append([f"s1 to s{point['layers']}", str(point["pictures"]), *numbers, *shares])
    return table


def _plot(curves: Mapping[str, Sequence[Mapping[str, Any]]], name: str) -> Figure:
    accuracy: dict[str, list[tuple[float, float]]] = {}
    signal: dict[str, list[tuple[float, float]]] = {}
    for label, points in curves.items():
        for point in points:
            if math.isfinite(point["psnr"]):
                signal.setdefault(label, []).append((point["bytes"], point["psnr"]))
            for key, value in point.items():
                if key.endswith((", features", ", picture")):
                    accuracy.setdefault(f"{label}: {key}", []).append((point["bytes"], value))
    panels = [Panel("bytes decoded", "PSNR (dB)", signal, logarithmic=True)]
    if accuracy:
        panels.insert(0, Panel("bytes decoded", "top-1 (%)", accuracy, logarithmic=True))
    return draw(panels, f"{name}: what each prefix of a file gives")
