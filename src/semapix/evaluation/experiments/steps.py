"""How smoothly quality grows with bytes, and what cutting costs against whole files (protocols/steps.yaml)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import semapix
from semapix.errors import ArgumentError
from semapix.evaluation.bjontegaard import Curve, bd_quality
from semapix.evaluation.bootstrap import mean_of
from semapix.evaluation.datasets import TestPicture, open_dataset, some_of
from semapix.evaluation.experiments._run import Run, bundles_of, merged
from semapix.evaluation.findings import Findings
from semapix.evaluation.metrics import psnr
from semapix.evaluation.plots import Panel, draw
from semapix.evaluation.records import Record, Table
from semapix.evaluation.runner import Job, Row, run_jobs
from semapix.evaluation.tested import choose, opened_bundle
from semapix.imaging import load

__all__ = ["StepsProtocol", "measure_steps"]

_SETTINGS = {
    "cut": "behind every layer and sub-layer; bytes of the prefix, headers included; files without metadata",
    "psnr": "RGB, of the mean squared error of each picture, mean over pictures",
    "price": "of each picture, PSNR of its cut file less that of its whole files at the same bytes: mean over the "
    "logarithm of the bytes that both reach, PCHIP through the points of either; mean over pictures",
    "interval": "95 %, bootstrap over pictures",
    "step": "from a cut point to the next, where prefixes are no smaller than the smallest whole file: largest "
    "growth in bytes, largest and lowest gain in dB, each the mean over pictures",
}


@dataclass(frozen=True)
class StepsProtocol:
    """The keys of protocols/steps.yaml, which says what each is."""

    codecs: Sequence[str]
    qualities: Sequence[int]
    cut: Sequence[int]


@dataclass(frozen=True)
class _Work:
    picture: TestPicture
    model: Path
    quality: int
    cut: bool


def measure_steps(dataset: Path, protocol: StepsProtocol, run: Run) -> Findings:
    """Code every picture at all qualities; cut the files of some qualities at each of their cut points, and decode.

    Pictures may differ in size: figures of a cut point are means over those pictures that have it. Raises ArgumentError
    for codecs that are not Semapix's own, and for qualities to cut that are not among those of whole files.
    """
    extra = sorted(set(protocol.cut) - set(protocol.qualities))
    if extra:
        raise ArgumentError(f"cut: qualities {extra} are not among those of whole files: {list(protocol.qualities)}")
    data = open_dataset(dataset)
    codecs, missing = choose(protocol.codecs, dict.fromkeys(protocol.codecs, protocol.qualities), run.model)
    pictures = some_of(data.pictures, run.limit)
    jobs = []
    for codec in codecs:
        if codec.model is None:
            raise ArgumentError(f"{codec.name} cannot be cut; codecs of this experiment are Semapix's own")
        for picture in pictures:
            for quality in protocol.qualities:
                cut = quality in protocol.cut
                depends = ["steps", codec.depends, picture.name, picture.digest, quality, cut]
                work = _Work(picture, codec.model, quality, cut)
                jobs.append(Job(f"{picture.name}, {codec.name} at {quality}", work, depends))
    outcome = run_jobs(jobs, _measure, run.journal, processes=run.processes, title=f"steps, {data.name}")
    results = {
        codec.label: _results([row for row in outcome.rows if row["model"] == codec.name], protocol) for codec in codecs
    }
    results = {label: found for label, found in results.items() if found["whole"]}
    columns = ["model", "picture", "pixels", "quality", "end", "bytes", "psnr"]
    return Findings(
        Record(
            f"steps on {data.name}",
            run.command,
            bundles_of(codecs),
            settings={"protocol": asdict(protocol), **_SETTINGS},
            results=results,
            tables={"pictures": Table(columns, [[row[column] for column in columns] for row in outcome.rows])},
        ),
        _tables(results),
        {"curves.png": lambda: _plot(results, data.name)} if results else {},
        [*missing, *merged(outcome.failures)],
    )


def _measure(task: _Work) -> list[Row]:
    """The whole file of one picture at one quality, after its prefixes if it is to be cut."""
    bundle = opened_bundle(task.model)
    original = load(task.picture.image).pixels
    file = semapix.encode(original, bundle.codec, task.quality, bundle)
    rows = []
    for point in file.cut_points if task.cut else file.cut_points[-1:]:
        prefix = semapix.open(file.to_bytes(max_bytes=point.bytes), bundle)
        rows.append(
            {
                "model": bundle.name,
                "picture": task.picture.name,
                "pixels": original.shape[0] * original.shape[1],
                "quality": task.quality,
                "end": point.name,
                "whole": point.bytes == file.bytes_total,
                "bytes": point.bytes,
                "psnr": psnr(np.asarray(prefix.image()), original),
            }
        )
    return rows


def _results(rows: Sequence[Row], protocol: StepsProtocol) -> dict[str, Any]:
    """Figures of one codec: means of whole files and of prefixes, steps, prices."""
    whole = [row for row in rows if row["whole"]]
    return {
        "whole": [
            {"quality": quality, **_means(same)}
            for quality in protocol.qualities
            if (same := [row for row in whole if row["quality"] == quality])
        ],
        "cut": {
            str(quality): {
                "points": [
                    {"end": end, **_means([row for row in same if row["end"] == end])}
                    for end in dict.fromkeys(row["end"] for row in same)
                ],
                "steps": _steps(same, whole),
                "price": _price(same, whole),
            }
            for quality in protocol.cut
            if (same := [row for row in rows if row["quality"] == quality])
        },
    }


def _means(rows: Sequence[Row]) -> dict[str, Any]:
    return {
        "pictures": len(rows),
        "bytes": float(np.mean([row["bytes"] for row in rows])),
        "bpp": float(np.mean([8 * row["bytes"] / row["pixels"] for row in rows])),
        "psnr": float(np.mean([row["psnr"] for row in rows])),
    }


def _by_picture(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows of each picture, by rising bytes."""
    pictures: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row["bytes"]):
        pictures.setdefault(row["picture"], []).append(row)
    return pictures


def _steps(rows: Sequence[Row], whole: Sequence[Row]) -> dict[str, float] | None:
    """How large the steps from one prefix to the next are: means over pictures of the largest of each picture.

    Prefixes below the smallest whole file are left out; None when there are no two others.
    """
    smallest = {picture: same[0]["bytes"] for picture, same in _by_picture(whole).items()}
    figures = []
    for picture, same in _by_picture(rows).items():
        pairs = [(a, b) for a, b in pairwise(same) if a["bytes"] >= smallest[picture]]
        gains = [b["psnr"] - a["psnr"] for a, b in pairs]
        if gains:
            figures.append([len(gains), max(b["bytes"] / a["bytes"] - 1 for a, b in pairs), max(gains), min(gains)])
    if not figures:
        return None
    means = np.mean(figures, axis=0).tolist()
    return dict(zip(("count", "largest_growth", "largest_gain", "lowest_gain"), means, strict=True))


def _price(rows: Sequence[Row], whole: Sequence[Row]) -> dict[str, Any]:
    """What cutting costs in dB, with its interval; pictures whose curves do not compare are counted and left out."""
    references, differences, reasons = _by_picture(whole), [], []
    for picture, same in _by_picture(rows).items():
        try:
            differences.append(bd_quality(_curve(same), _curve(references[picture])).difference)
        except ArgumentError as error:
            reasons.append(str(error))
    price: dict[str, Any] = {"pictures": len(differences), "left_out": len(reasons)}
    if not differences:
        return price | {"why_none": reasons[0]}
    interval = mean_of(differences) if len(differences) > 1 else None
    return price | {"psnr": float(np.mean(differences)), "interval": interval and [interval.low, interval.high]}


def _curve(rows: Sequence[Row]) -> Curve:
    return Curve([row["bytes"] for row in rows], [row["psnr"] for row in rows])


def _tables(results: Mapping[str, Mapping[str, Any]]) -> dict[str, list[list[str]]]:
    tables = {}
    for label, found in results.items():
        head = ["quality", "bytes", "bpp", "PSNR, dB"]
        whole = [[str(point["quality"]), *_cells(point)] for point in found["whole"]]
        tables[f"{label}: whole files"] = [head, *whole]
        table = [
            [
                "quality",
                "price of cutting, dB",
                "95 % over pictures",
                "steps",
                "largest, bytes",
                "largest, dB",
                "lowest, dB",
            ]
        ]
        for quality, cut in found["cut"].items():
            price, steps = cut["price"], cut["steps"]
            ends = price.get("interval")
            table.append(
                [
                    quality,
                    f"{price['psnr']:+.2f}" if "psnr" in price else "none",
                    f"{ends[0]:+.2f} to {ends[1]:+.2f}" if ends else price.get("why_none", ""),
                    *(_step_cells(steps) if steps else [""] * 4),
                ]
            )
        tables[f"{label}: cut files"] = table
        for quality, cut in found["cut"].items():
            rows = [[point["end"], str(point["pictures"]), *_cells(point)] for point in cut["points"]]
            tables[f"{label}: quality {quality}, cut behind"] = [["end", "pictures", *head[1:]], *rows]
    return tables


def _cells(point: Mapping[str, Any]) -> list[str]:
    return [f"{point['bytes']:.0f}", f"{point['bpp']:.3f}", f"{point['psnr']:.2f}"]


def _step_cells(steps: Mapping[str, float]) -> list[str]:
    return [
        f"{steps['count']:.0f}",
        f"{100 * steps['largest_growth']:+.0f} %",
        f"{steps['largest_gain']:+.2f}",
        f"{steps['lowest_gain']:+.2f}",
    ]


def _plot(results: Mapping[str, Mapping[str, Any]], name: str) -> Figure:
    panels = []
    for label, found in results.items():
        curves = {"whole files": found["whole"]}
        curves |= {f"quality {quality}, cut": cut["points"] for quality, cut in found["cut"].items()}
        measured = {
            title: [(point["bytes"], point["psnr"]) for point in points if isfinite(point["psnr"])]
            for title, points in curves.items()
        }
        panels.append(Panel("bytes", "PSNR (dB)", measured, title=label, logarithmic=True))
    return draw(panels, f"{name}: files cut at each of their cut points")
