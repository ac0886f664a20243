"""How well files meet the rate that was asked for (protocols/rates.yaml)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import semapix
from semapix._watch import watched_codings
from semapix._within import most_passes
from semapix.codecs import ContinuousCodec, open_codec
from semapix.errors import ArgumentError
from semapix.evaluation.datasets import TestPicture, open_dataset, some_of
from semapix.evaluation.experiments._run import Run, bundles_of, merged
from semapix.evaluation.findings import Findings
from semapix.evaluation.plots import Panel, draw
from semapix.evaluation.records import Criterion, Record, Table
from semapix.evaluation.runner import Job, Row, run_jobs
from semapix.evaluation.tested import Tested, choose, measured_bundle, opened_bundle
from semapix.imaging import load

__all__ = ["RatesProtocol", "measure_rates"]

_COLUMNS = ["picture", "codec", "target", "pixels", "budget", "bytes", "whole", "passes", "codings", "seconds", "why"]


@dataclass(frozen=True)
class RatesProtocol:
    """The keys of protocols/rates.yaml, which says what each is."""

    codecs: Sequence[str]
    targets: Sequence[float]


@dataclass(frozen=True)
class _Work:
    picture: TestPicture
    codec: Tested
    targets: tuple[float, ...]


def measure_rates(dataset: Path, protocol: RatesProtocol, run: Run) -> Findings:
    """Code every picture with each codec at each target, as `--bpp` does.

    Targets that a picture cannot be coded at, and those that it meets by a file that is cut short, are counted apart.
    Raises ArgumentError for targets that are not above 0, unknown codecs, and those that fill no rate.
    """
    if not protocol.targets or min(protocol.targets) <= 0:
        raise ArgumentError(f"targets (={list(protocol.targets)}) must be one or more bits per pixel above 0")
    data = open_dataset(dataset)
    codecs, _ = choose(protocol.codecs, {}, run.model)
    passes = {}
    for codec in codecs:
        opened = None if codec.bundle is None else open_codec(codec.bundle)
        if not isinstance(opened, ContinuousCodec):
            raise ArgumentError(f"codec {codec.name} fills no rate; choose scalable or adaptive")
        passes[codec.name] = most_passes(opened)
    targets = tuple(map(float, protocol.targets))
    jobs = [
        Job(
            f"{picture.name}, {codec.name}",
            _Work(picture, codec, targets),
            ["rates", _COLUMNS, codec.depends, picture.name, picture.digest, list(targets)],
        )
        for codec in codecs
        for picture in some_of(data.pictures, run.limit)
    ]
    outcome = run_jobs(jobs, _measure, run.journal, processes=run.processes, title=f"rates, {data.name}")
    figures = _figures(outcome.rows)
    return Findings(
        Record(
            f"rates on {data.name}",
            run.command,
            bundles_of(codecs),
            settings={
                "protocol": asdict(protocol),
                "error": "what a file leaves of its budget, as a share of it; the budget is the target times the "
                "pixels, in whole bytes",
                "out of range": "pictures that the codec refuses at a target, as too much or too little for them",
                "cut short": "pictures of which even the lowest quality takes more, so that files end at a cut point; "
                "errors are of all others",
                "passes": "of the encoder's networks over the picture, at all of its sizes together; of files that are "
                "cut short without those for the cut",
                "codings": "files that were made, those that code again what a pass gave included",
                "seconds": f"from pixels to bytes, search included; {run.processes} processes share the cores",
            },
            results={"figures": figures},
            criteria=_criteria(outcome.rows, passes),
            tables={"pictures": Table(_COLUMNS, [[row[column] for column in _COLUMNS] for row in outcome.rows])},
        ),
        {"Rates": _table(figures)} if figures else {},
        {"curves.png": lambda: _plot(figures, data.name)} if any(f["mean_error"] is not None for f in figures) else {},
        merged(outcome.failures),
    )


@lru_cache
def _warm(model: Path) -> None:
    """Load the graphs of a model once in each process, so that no measured time has it."""
    semapix.encode(np.zeros((64, 64, 3), np.uint8), quality=1, model=opened_bundle(model))


def _measure(task: _Work) -> list[Row]:
    """One picture with one codec at all targets."""
    assert task.codec.model is not None
    bundle, strategy = measured_bundle(task.codec), task.codec.options.strategy
    pixels = load(task.picture.image).pixels
    area = pixels.shape[0] * pixels.shape[1]
    _warm(task.codec.model)
    rows: list[Row] = []
    for target in task.targets:
        size, whole, why = None, None, None
        start = time.perf_counter()
        with watched_codings() as codings:
            try:
                stream = semapix.encode(pixels, model=bundle, bpp=target, strategy=strategy)
                size, whole = stream.bytes_total, stream.complete
            except ArgumentError as error:
                why = str(error)
        seconds = time.perf_counter() - start
        budget, passes = int(target * area / 8), sum(coding.thrift == 0 for coding in codings)
        values = [task.picture.name, task.codec.name, target, area, budget, size, whole]
        values += [passes, len(codings), seconds, why]
        rows.append(dict(zip(_COLUMNS, values, strict=True)))
    return rows


def _errors(rows: Sequence[Row]) -> list[float]:
    """Percent of their budgets that whole files leave; below zero for those that exceed it."""
    return [100 * (1 - row["bytes"] / row["budget"]) for row in rows if row["whole"]]


def _figures(rows: Sequence[Row]) -> list[dict[str, Any]]:
    figures = []
    for codec, target in dict.fromkeys((row["codec"], row["target"]) for row in rows):
        same = [row for row in rows if (row["codec"], row["target"]) == (codec, target)]
        coded = [row for row in same if row["bytes"] is not None]
        errors = _errors(coded)
        figures.append(
            {
                "codec": codec,
                "target": target,
                "pictures": len(errors),
                "out_of_range": len(same) - len(coded),
                "cut_short": len(coded) - len(errors),
                "mean_error": float(np.mean(np.abs(errors))) if errors else None,
                "worst_error": float(np.max(np.abs(errors))) if errors else None,
                "above_budget": sum(error < 0 for error in errors),
                "passes_mean": float(np.mean([row["passes"] for row in coded])) if coded else None,
                "codings_mean": float(np.mean([row["codings"] for row in coded])) if coded else None,
                "passes_most": max((row["passes"] for row in coded), default=None),
                "seconds_median": median(row["seconds"] for row in coded) if coded else None,
                "seconds_most": max((row["seconds"] for row in coded), default=None),
            }
        )
    return figures


def _criteria(rows: Sequence[Row], passes: Mapping[str, int]) -> list[Criterion]:
    """What rate control promises, over all whole files of all targets and codecs; `passes`: of each codec at most."""
    errors = [abs(error) for error in _errors(rows)]
    if not errors:
        return []
    above = 100 * float(np.mean([error < 0 for error in _errors(rows)]))
    return [
        Criterion("mean error of the rate", float(np.mean(errors)), "<=", 2.0, "%"),
        Criterion("worst error of the rate", max(errors), "<=", 5.0, "%"),
        Criterion("files above their budget", above, "<=", 0.0, "%"),
        *(
            Criterion(
                f"passes, {codec}", float(max(row["passes"] for row in rows if row["codec"] == codec)), "<=", most, ""
            )
            for codec, most in passes.items()
        ),
    ]


def _table(figures: Sequence[dict[str, Any]]) -> list[list[str]]:
    heads = ["codec", "target, bpp", "pictures", "out of range", "cut short", "mean error %", "worst error %"]
    table = [[*heads, "above budget", "passes", "most", "codings", "seconds, median", "most"]]
    for row in figures:
        keys = ("mean_error", "worst_error", "passes_mean", "codings_mean", "seconds_median", "seconds_most")
        mean, worst, passes, codings, seconds, longest = (
            "-" if row[key] is None else f"{row[key]:.2f}" for key in keys
        )
        most = "-" if row["passes_most"] is None else str(row["passes_most"])
        counts = [str(row[key]) for key in ("pictures", "out_of_range", "cut_short")]
        names = [row["codec"], f"{row['target']:g}", *counts, mean, worst, str(row["above_budget"])]
        table.append([*names, passes, most, codings, seconds, longest])
    return table


def _plot(figures: Sequence[dict[str, Any]], name: str) -> Figure:
    series: dict[str, list[tuple[float, float]]] = {}
    for row in figures:
        for which in ("mean", "worst"):
            if (error := row[f"{which}_error"]) is not None:
                series.setdefault(f"{row['codec']}, {which}", []).append((row["target"], error))
    return draw([Panel("target (bits per pixel)", "error of the rate (%)", series)], f"{name}: rates asked for and met")
