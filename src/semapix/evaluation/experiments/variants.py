"""Labels decided in the encoder against labels decided in the decoder (protocols/variants.yaml; DeepSIC, Table I)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import semapix
from semapix.codecs import open_codec
from semapix.errors import ArgumentError
from semapix.evaluation.bootstrap import paired_difference
from semapix.evaluation.datasets import TestPicture, open_dataset, some_of
from semapix.evaluation.experiments._run import Run, bundles_of, merged, those_with
from semapix.evaluation.findings import Findings
from semapix.evaluation.machine import rank_of
from semapix.evaluation.records import Record, Table
from semapix.evaluation.runner import Job, Row, run_jobs
from semapix.evaluation.tested import asked_tasks, choose, opened_bundle
from semapix.imaging import load

__all__ = ["VariantsProtocol", "measure_variants"]

_COLUMNS = ["model", "picture", "quality", "variant", "task", "label", "bpp", "bytes_read", "rank", "rank_uncoded"]


@dataclass(frozen=True)
class VariantsProtocol:
    """The keys of protocols/variants.yaml, which says what each is."""

    codecs: Sequence[str]
    qualities: Sequence[int]
    tasks: Sequence[str]
    only: Mapping[str, Any]


@dataclass(frozen=True)
class _Work:
    """A picture. `labels`: the true label of each task."""

    picture: TestPicture
    model: Path
    qualities: Sequence[int]
    labels: Mapping[str, int]


def measure_variants(dataset: Path, protocol: VariantsProtocol, run: Run) -> Findings:
    """Code every picture in each variant at each quality, and ask the tasks of its file.

    Raises ArgumentError for codecs without variants, and for data whose labels the model does not know.
    """
    data = open_dataset(dataset)
    codecs, failures = choose(protocol.codecs, {}, run.model)
    pictures = some_of(those_with(data.pictures, protocol.only), run.limit)
    jobs = []
    for codec in codecs:
        if codec.bundle is None or not open_codec(codec.bundle).head_variant:
            raise ArgumentError(
                f"{codec.name} has no variants that machines read differently; this is about a codec that has"
            )
        columns = asked_tasks(codec, data, protocol.tasks)
        assert codec.model is not None
        for picture in pictures:
            labels = {task: picture.columns[column] for task, column in columns.items()}
            work = _Work(picture, codec.model, protocol.qualities, labels)
            depends = ["variants", codec.depends, picture.name, picture.digest, list(protocol.qualities), labels]
            jobs.append(Job(f"{picture.name}, {codec.name}", work, depends))
    outcome = run_jobs(jobs, _measure, run.journal, processes=run.processes, title=f"variants, {data.name}")
    figures = _figures(outcome.rows)
    return Findings(
        Record(
            f"variants on {data.name}",
            run.command,
            bundles_of(codecs),
            settings={
                "protocol": asdict(protocol),
                "bpp": "bits of the whole file, headers included, per pixel; mean over pictures",
                "uncoded": "the same network on features before quantisation; what a pre-semantic file states",
                "difference": "top-1 of the first variant less that of the other, points; 95 % by paired bootstrap",
            },
            results={"figures": figures},
            tables={"pictures": Table(_COLUMNS, [[row[column] for column in _COLUMNS] for row in outcome.rows])},
        ),
        {"Accuracy": _table(figures)} if figures else {},
        failures=[*failures, *merged(outcome.failures)],
    )


def _measure(task: _Work) -> list[Row]:
    bundle = opened_bundle(task.model)
    codec = open_codec(bundle)
    pixels = load(task.picture.image).pixels
    uncoded = {name: rank_of(label, codec.uncoded_scores(pixels, name)) for name, label in task.labels.items()}
    rows = []
    for quality in task.qualities:
        for variant in codec.variants():
            file = semapix.encode(pixels, quality=quality, model=bundle, variant=variant).to_bytes()
            for name, label in task.labels.items():
                stream = semapix.open(file, bundle)
                said = stream.look(name, top=len(stream.model.manifest["parents"]))
                labels = next(t["labels"] for t in bundle.manifest["tasks"] if t["name"] == name)
                place = [entry.name for entry in said].index(labels[label])
                # What a pre-semantic file does not state shares what is left evenly, and is no answer.
                stated = variant != "pre" or said[place].probability > 1.001 * said[-1].probability
                rank = place if stated else len(labels)
                rows.append(
                    {
                        "model": bundle.name,
                        "picture": task.picture.name,
                        "quality": quality,
                        "variant": variant,
                        "task": name,
                        "label": label,
                        "bpp": 8 * len(file) / (pixels.shape[0] * pixels.shape[1]),
                        "bytes_read": stream.bytes_read,
                        "rank": rank,
                        "rank_uncoded": uncoded[name],
                    }
                )
    return rows


def _figures(rows: Sequence[Row]) -> list[dict[str, Any]]:
    figures = []
    for model, task, quality in dict.fromkeys((row["model"], row["task"], row["quality"]) for row in rows):
        same = [row for row in rows if (row["model"], row["task"], row["quality"]) == (model, task, quality)]
        of_variant = {
            variant: sorted((row for row in same if row["variant"] == variant), key=lambda row: str(row["picture"]))
            for variant in dict.fromkeys(row["variant"] for row in same)
        }
        first = next(iter(of_variant.values()))
        for variant, mine in of_variant.items():
            right = [100.0 * (row["rank"] < 1) for row in mine]
            difference = None
            if mine is not first and len(right) > 1:
                interval = paired_difference([100.0 * (row["rank"] < 1) for row in first], right)
                difference = [interval.value, interval.low, interval.high]
            figures.append(
                {
                    "model": model,
                    "task": task,
                    "quality": quality,
                    "variant": variant,
                    "pictures": len(mine),
                    "bpp": float(np.mean([row["bpp"] for row in mine])),
                    "bytes_read": float(np.mean([row["bytes_read"] for row in mine])),
                    "top1": float(np.mean(right)),
                    "top5": 100 * float(np.mean([row["rank"] < 5 for row in mine])),
                    "top1_uncoded": 100 * float(np.mean([row["rank_uncoded"] < 1 for row in mine])),
                    "first_ahead": difference,
                }
            )
    return figures


def _table(figures: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    heads = ["model", "task", "quality", "variant", "pictures", "bpp", "bytes read", "top-1 %", "top-5 %", "uncoded %"]
    table = [[*heads, "first variant ahead by"]]
    for row in figures:
        ahead = row["first_ahead"]
        said = "" if ahead is None else f"{ahead[0]:+.1f} ({ahead[1]:+.1f} to {ahead[2]:+.1f})"
        numbers = [f"{row['bpp']:.3f}", *(f"{row[key]:.1f}" for key in ("bytes_read", "top1", "top5", "top1_uncoded"))]
        names = [row["model"], row["task"], str(row["quality"]), row["variant"], str(row["pictures"])]
        table.append([*names, *numbers, said])
    return table
