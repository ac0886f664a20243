"""What machines are told by the first bytes of files (protocols/semantic.yaml)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semapix.errors import ArgumentError
from semapix.evaluation.bootstrap import Interval, paired_difference
from semapix.evaluation.datasets import Dataset, LabelSpace, TestPicture, open_dataset, some_of
from semapix.evaluation.experiments._run import Run, bundles_of
from semapix.evaluation.findings import Findings
from semapix.evaluation.machine import opened, rank_of
from semapix.evaluation.records import Record, Table
from semapix.evaluation.runner import Failure, Job, Outcome, Row, run_jobs
from semapix.evaluation.tested import Tested, choose, own_tasks
from semapix.imaging import load
from semapix.tasks import fit_linear

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
    probe_layers: tuple[int, ...]


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
    probed = [space for space in data.spaces.values() if space.column not in tasks.values()]
    layers = tuple(protocol.probe_layers) if probed else ()

    def ask(pictures: Sequence[TestPicture], what: str, asked: Mapping[str, str]) -> Outcome:
        jobs = [
            Job(
                f"{codec.name}, {picture.name}",
                _Work(picture, model, asked, layers),
                ["semantic", codec.depends, picture.name, picture.digest, asked, picture.columns, layers],
            )
            for picture in pictures
        ]
        title = f"{codec.name} on {what} of {data.name}"
        return run_jobs(jobs, _measure, run.journal, processes=run.processes, title=title)

    tests = ask(some_of(data.pictures, run.limit), "pictures", tasks)
    failures = list(tests.failures)
    rows = [{"codec": codec.name, **answer} for row in tests.rows for answer in row["answers"]]
    if probed and tests.rows:
        try:
            learned = ask(some_of(open_dataset(data.folder, "train").pictures, run.limit), "training pictures", {})
            failures += learned.failures
            for space in probed:
                for number in layers:
                    rows += [{"codec": codec.name, **row} for row in _probe(space, number, learned.rows, tests.rows)]
        except ArgumentError as error:  # nothing to learn from; what tasks say stands
            failures.append(Failure(f"{codec.name}, probes", str(error)))
    return rows, failures


def _measure(task: _Work) -> list[Row]:
    """One picture: the answers of all tasks, and features for probes."""
    coder, picture = opened(task.model), task.picture
    pixels = load(picture.image).pixels
    coded = coder.encode(pixels)
    columns = {key: value for key, value in picture.columns.items() if isinstance(value, (int, str))}
    common = {"picture": picture.name, "columns": columns}
    answers = []
    for name, column in task.tasks.items():
        look, label = coder.look(coded, name), picture.columns[column]
        answers.append(
            {
                **common,
                "task": name,
                "label": label,
                "bytes": look.bytes_read,
                "rank": rank_of(label, look.scores),
                "rank_uncoded": rank_of(label, coder.uncoded(pixels, name)),
                "best": int(np.argmax(look.scores)),
            }
        )
    features = {}
    for layers in task.probe_layers:
        decoded = coder.features(coded, layers)
        whole = coder.uncoded_features(pixels)[: len(decoded)]
        features[str(layers)] = {
            "bytes": coder.prefix_bytes(coded, layers),
            "decoded": [round(float(x), 4) for x in decoded.ravel()],
            "uncoded": [round(float(x), 4) for x in whole.ravel()],
        }
    return [{**common, "answers": answers, "features": features}]


def _probe(space: LabelSpace, layers: int, learned: Sequence[Row], tests: Sequence[Row]) -> list[Row]:
    """Answers of two probes, one trained and asked on decoded features, the other on uncoded ones."""

    def features(rows: Sequence[Row], kind: str) -> NDArray[np.float32]:
        return np.array([row["features"][str(layers)][kind] for row in rows], np.float32)

    def labels(rows: Sequence[Row]) -> NDArray[np.int64]:
        return np.array([row["columns"][space.column] for row in rows], np.int64)

    scores = {
        kind: fit_linear(features(learned, kind), labels(learned), len(space.names)).classifier.scores(
            features(tests, kind)
        )
        for kind in ("decoded", "uncoded")
    }
    return [
        {
            "picture": row["picture"],
            "columns": row["columns"],
            "task": f"probe of {space.column}, s1 to s{layers}" if layers > 1 else f"probe of {space.column}, s1",
            "label": label,
            "bytes": row["features"][str(layers)]["bytes"],
            "rank": rank_of(label, decoded),
            "rank_uncoded": rank_of(label, uncoded),
            "best": int(np.argmax(decoded)),
        }
        for row, label, decoded, uncoded in zip(
            tests, labels(tests).tolist(), scores["decoded"], scores["uncoded"], strict=True
        )
    ]


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
