"""What machines are told by the first bytes of files (protocols/semantic.yaml)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from semapix.errors import ArgumentError
from semapix.evaluation.bootstrap import Interval, paired_difference
from semapix.evaluation.datasets import Dataset, LabelSpace, TestPicture, open_dataset, some_of
from semapix.evaluation.experiments._probes import (
    KINDS,
    MachineFeatures,
    Question,
    ask_probes,
    machine_features,
    prefix_name,
)
from semapix.evaluation.experiments._run import Run, bundles_of, merged
from semapix.evaluation.findings import Findings
from semapix.evaluation.machine import opened, rank_of
from semapix.evaluation.records import Record, Table
from semapix.evaluation.runner import Failure, Job, Row, run_jobs
from semapix.evaluation.tested import Tested, choose, own_tasks
from semapix.imaging import load

__all__ = ["SemanticProtocol", "measure_semantic"]

_ALL = "all"


@dataclass(frozen=True)
class SemanticProtocol:
    """The keys of protocols/semantic.yaml, which says what each is."""

    codecs: Sequence[str]
    apart: str | None
    probe_layers: Sequence[int]


@dataclass(frozen=True)
class _Work:
    """A picture to be asked about. `tasks`: names of tasks, each with the column of the true labels."""

    picture: TestPicture
    model: Path
    tasks: Mapping[str, str]


def measure_semantic(dataset: Path, protocol: SemanticProtocol, run: Run) -> Findings:
    """Code the machine layers of every picture to a file, and ask every task, and probes, about it.

    Raises ArgumentError for a data set without labels, and for codecs that have no machine layers.
    """
    data = open_dataset(dataset)
    if not data.spaces:
        raise ArgumentError(f"{dataset}: has no labels (Parquet with labels.json beside it); a semantic run needs them")
    codecs, failures = choose(protocol.codecs, {}, run.model)
    rows: list[Row] = []
    for codec in codecs:
        more, failed = _measure_codec(data, codec, protocol, run)
        rows += more
        failures += failed
    figures = _figures(rows, protocol.apart)
    return Findings(
        Record(
            f"semantic on {data.name}",
            run.command,
            bundles_of(codecs),
            settings={
                "protocol": asdict(protocol),
                "pictures": f"{data.name}, part test, as stored; figures of each {protocol.apart or 'picture'} apart",
                "bytes": "read for a task, front header included: of a file that ends behind the task's last layer",
                "uncoded": "the same head, or a probe trained alike, on features that were not coded",
                "loss": "top-1 uncoded less top-1 from the file, points; 95 % by paired bootstrap over pictures",
                "probe": "linear, trained on part train; a label space that the model was never trained for"
                + (f"; at most {run.limit} pictures to learn from" if run.limit else ""),
            },
            results={"figures": figures},
            tables={"pictures": _row_table(rows)},
        ),
        {"Accuracy": _table(figures)},
        failures=failures,
    )


def _measure_codec(
    data: Dataset, codec: Tested, protocol: SemanticProtocol, run: Run
) -> tuple[list[Row], list[Failure]]:
    """Rows of all pictures, one for each task or probe, and what failed."""
    tasks = own_tasks(codec, data)
    model = codec.model
    assert model is not None
    pictures = some_of(data.pictures, run.limit)
    jobs = [
        Job(
            f"{picture.name}, {codec.name}",
            _Work(picture, model, tasks),
            ["semantic", codec.depends, picture.name, picture.digest, tasks, picture.columns],
        )
        for picture in pictures
    ]
    title = f"{codec.name} on {data.name}"
    outcome = run_jobs(jobs if tasks else [], _measure, run.journal, processes=run.processes, title=title)
    failures = list(outcome.failures)
    rows = [{"codec": codec.name, **answer} for row in outcome.rows for answer in row["answers"]]
    probed = [space for space in data.spaces.values() if space.column not in tasks.values()]
    if probed and protocol.probe_layers:
        try:
            training = some_of(open_dataset(data.folder, "train").pictures, run.limit)
        except ArgumentError as error:  # nothing to learn from; what tasks say stands
            failures.append(Failure(f"{codec.name}, probes", str(error)))
        else:
            asked, failed = machine_features(pictures, codec, run, f"features, {data.name}")
            learned, broken = machine_features(training, codec, run, f"features to learn from, {data.name}")
            more, unlearned = _probe(probed, protocol.probe_layers, learned, asked, run)
            rows += [{"codec": codec.name, **row} for row in more]
            failures += [*failed, *broken, *unlearned]
    return rows, merged(failures)


def _measure(task: _Work) -> list[Row]:
    """One picture: the answers of all tasks."""
    coder, picture = opened(task.model), task.picture
    pixels = load(picture.image).pixels
    coded = coder.encode(pixels)
    answers = []
    for name, column in task.tasks.items():
        look, label = coder.look(coded, name), picture.columns[column]
        answers.append(
            {
                "picture": picture.name,
                "columns": _plain(picture),
                "task": name,
                "label": label,
                "bytes": look.bytes_read,
                "rank": rank_of(label, look.scores),
                "rank_uncoded": rank_of(label, coder.uncoded(pixels, name)),
                "best": int(np.argmax(look.scores)),
            }
        )
    return [{"answers": answers}]


def _plain(picture: TestPicture) -> dict[str, int | str]:
    """What the data set says of a picture, as far as JSON holds it."""
    return {key: value for key, value in picture.columns.items() if isinstance(value, (int, str))}


def _probe(
    spaces: Sequence[LabelSpace],
    prefixes: Sequence[int],
    learned: MachineFeatures,
    asked: MachineFeatures,
    run: Run,
) -> tuple[list[Row], list[Failure]]:
    """Answers of two probes for each label space and prefix, one for decoded features, the other for uncoded ones."""
    if not asked.pictures or not learned.pictures:
        return [], []
    sorts = {
        (space.column, layers): f"probe of {space.column}, {prefix_name(layers)}"
        for space in spaces
        for layers in prefixes
    }
    questions = [
        Question(
            f"{sorts[space.column, layers]}, {kind}",
            len(space.names),
            learned.first(learned.channels[layers - 1], kind),
            learned.labels(space),
            asked.first(asked.channels[layers - 1], kind),
            asked.labels(space),
        )
        for space in spaces
        for layers in prefixes
        for kind in KINDS
    ]
    answers, failures = ask_probes(questions, run)
    rows = []
    for space in spaces:
        for layers in prefixes:
            task = sorts[space.column, layers]
            coded, whole = (answers.get(f"{task}, {kind}") for kind in KINDS)
            if coded is None or whole is None:
                continue
            rows += [
                {
                    "picture": picture.name,
                    "columns": _plain(picture),
                    "task": task,
                    "label": picture.columns[space.column],
                    "bytes": int(sizes[layers - 1]),
                    "rank": rank,
                    "rank_uncoded": rank_uncoded,
                    "best": best,
                }
                for picture, sizes, rank, rank_uncoded, best in zip(
                    asked.pictures, asked.sizes, coded.ranks, whole.ranks, coded.best, strict=True
                )
            ]
    return rows, failures


def _figures(rows: Sequence[Row], apart: str | None) -> list[dict[str, Any]]:
    """Accuracy and bytes of each codec, task and part of the pictures."""
    figures = []
    for codec, task in dict.fromkeys((row["codec"], row["task"]) for row in rows):
        same = [row for row in rows if (row["codec"], row["task"]) == (codec, task)]
        parts = {_ALL: same}
        values = dict.fromkeys(row["columns"].get(apart) for row in same) if apart else {}
        if len(values) > 1:
            parts = {str(value): [row for row in same if row["columns"].get(apart) == value] for value in values}
        figures += [
            {"codec": codec, "task": task, "pictures of": name} | _summary(part) for name, part in parts.items()
        ]
    return figures


def _summary(rows: Sequence[Row]) -> dict[str, Any]:
    right, uncoded = ([100.0 * (row[key] < 1) for row in rows] for key in ("rank", "rank_uncoded"))
    loss = (
        paired_difference(uncoded, right)
        if len(rows) > 1
        else Interval(uncoded[0] - right[0], float("nan"), float("nan"))
    )
    read = [row["bytes"] for row in rows]
    return {
        "pictures": len(rows),
        "top1": np.mean(right),
        "top5": 100 * np.mean([row["rank"] < 5 for row in rows]),
        "top1_uncoded": np.mean(uncoded),
        "loss": [loss.value, loss.low, loss.high],
        "bytes_mean": np.mean(read),
        "bytes_p95": np.percentile(read, 95),
    }


def _table(figures: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    table = [["task", "codec", "pictures of", "pictures", "top-1 %", "top-5 %", "uncoded %", "loss", "bytes", "95 %"]]
    for row in figures:
        value, low, high = row["loss"]
        cells = [f"{row[key]:.1f}" for key in ("top1", "top5", "top1_uncoded")]
        loss = f"{value:+.1f} ({low:+.1f} to {high:+.1f})"
        sizes = [f"{row[key]:.1f}" for key in ("bytes_mean", "bytes_p95")]
        table.append([row["task"], row["codec"], row["pictures of"], str(row["pictures"]), *cells, loss, *sizes])
    return table


def _row_table(rows: Sequence[Row]) -> Table:
    columns = ["codec", "task", "picture", "label", "bytes", "rank", "rank_uncoded", "best"]
    return Table(columns, [[row[column] for column in columns] for row in rows])
