"""Features against pictures at the same rate (protocols/features.yaml; scalable paper, Table 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semapix.bundle import find
from semapix.errors import ArgumentError
from semapix.evaluation.bootstrap import paired_difference
from semapix.evaluation.datasets import TestPicture, open_dataset, some_of
from semapix.evaluation.experiments._run import Run, complete, merged, those_with
from semapix.evaluation.findings import Findings
from semapix.evaluation.machine import opened, rank_of
from semapix.evaluation.plots import Panel, draw
from semapix.evaluation.records import Record, Table
from semapix.evaluation.runner import Job, Row, run_jobs
from semapix.evaluation.tested import Tested, choose, code, own_tasks
from semapix.imaging import load

__all__ = ["FeaturesProtocol", "measure_features"]

_FEATURES, _UNCODED = "features", "uncoded"


@dataclass(frozen=True)
class FeaturesProtocol:
    """The keys of protocols/features.yaml, which says what each is."""

    model: str
    codecs: Sequence[str]
    settings: Mapping[str, Sequence[float]]
    rates: Sequence[float]
    only: Mapping[str, Any]


@dataclass(frozen=True)
class _Work:
    """A picture. `codec`: whose pictures are classified, at `setting`; None for the features themselves.

    `labels`: the true label of each task.
    """

    picture: TestPicture
    judge: Path
    codec: Tested | None
    setting: float
    labels: Mapping[str, int]


def measure_features(dataset: Path, protocol: FeaturesProtocol, run: Run) -> Findings:
    """Ask the heads of one model on its decoded features, and on the pictures of all codecs.

    Raises ArgumentError when the data set has none of the model's label spaces.
    """
    data = open_dataset(dataset)
    (judge,), _ = choose([protocol.model], {}, run.model)
    tasks = own_tasks(judge, data)
    bundle = find(judge.name if judge.model is None else judge.model)
    if not tasks:
        raise ArgumentError(f"{dataset}: has no label space of model {bundle.name}; a run of features needs one")
    codecs, missing = choose(protocol.codecs, protocol.settings, run.model)
    pictures = some_of(those_with(data.pictures, protocol.only), run.limit)
    jobs = []
    for codec, setting in [(None, 0.0), *((c, setting) for c in codecs for setting in c.settings)]:
        for picture in pictures:
            labels = {task: picture.columns[column] for task, column in tasks.items()}
            work = _Work(picture, bundle.path, codec, setting, labels)
            of = codec and codec.depends
            depends = ["features", judge.depends, of, setting, picture.name, picture.digest, labels]
            what = f"{codec.name} at {setting:g}" if codec else "features"
            jobs.append(Job(f"{picture.name}, {what}", work, depends))
    title = f"features, {data.name}"
    outcome = run_jobs(jobs, _measure, run.journal, processes=run.processes, title=title)
    rows, uneven = complete([row for found in outcome.rows for row in found["answers"]], list(_names(codecs)))
    points = _points(rows, _names(codecs))
    columns = ["codec", "setting", "picture", "task", "pixels", "payload", "rank"]
    return Findings(
        Record(
            f"features on {data.name}",
            run.command,
            [bundle],
            settings={
                "protocol": asdict(protocol),
                **{codec.name: codec.what for codec in codecs},
                "features": f"heads of model {bundle.name} on decoded features; bytes of the prefix, headers included",
                "pictures": "the same heads on features of decoded pictures, which were not coded again",
                "rate": "payload: bytes without what the container adds; all of them for Semapix",
            },
            results={"points": points, "uncoded": _uncoded(rows)},
            tables={"pictures": Table(columns, [[row[column] for column in columns] for row in rows])},
        ),
        {
            **{f"Top-1, {task}": _table(points, task, protocol.rates) for task in tasks},
            "Features less pictures at the lowest rate": _ahead(rows, points, codecs, list(tasks)),
        },
        {
            "curves.png": lambda: draw(
                [
                    Panel(
                        "payload (bits per pixel)",
                        "top-1 (%)",
                        _series(points, task),
                        levels={"not coded": _uncoded(rows)[task]},
                        title=task,
                        logarithmic=True,
                    )
                    for task in tasks
                ],
                f"{data.name}: features against pictures",
            )
        }
        if points
        else {},
        [*missing, *uneven, *merged(outcome.failures)],
    )


def _names(codecs: Sequence[Tested]) -> dict[str, str]:
    """What rows are of, and how tables call it."""
    return {_FEATURES: "features", _UNCODED: "not coded", **{codec.name: codec.label for codec in codecs}}


def _measure(task: _Work) -> list[Row]:
    """One picture: what all tasks say, of its features or of what a codec makes of it."""
    coder = opened(task.judge)
    original = load(task.picture.image).pixels
    answers: list[Row] = []

    def answer(of: str, name: str, payload: int | None, scores: NDArray[np.float32]) -> None:
        answers.append(
            {
                "codec": of,
                "setting": f"{name} {task.setting:g}",
                "picture": task.picture.name,
                "task": name,
                "pixels": original.shape[0] * original.shape[1],
                "payload": payload,
                "rank": rank_of(task.labels[name], scores),
            }
        )

    if task.codec is None:
        coded = coder.encode(original)
        for name in task.labels:
            look = coder.look(coded, name)
            answer(_FEATURES, name, look.bytes_read, look.scores)
            answer(_UNCODED, name, None, coder.uncoded(original, name))
    else:
        decoded = code(task.codec, task.setting, original)
        for name in task.labels:
            answer(task.codec.name, name, decoded.payload, coder.uncoded(decoded.pixels, name))
    return [{"answers": answers}]


def _points(rows: Sequence[Row], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Means over pictures of each task, codec and setting."""
    points = []
    for codec, setting in dict.fromkeys((row["codec"], row["setting"]) for row in rows):
        if codec == _UNCODED:
            continue
        same = [row for row in rows if (row["codec"], row["setting"]) == (codec, setting)]
        points.append(
            {
                "of": names[codec],
                "setting": float(setting.split(" ")[-1]),
                "task": same[0]["task"],
                "pictures": len(same),
                "bpp": float(np.mean([8 * row["payload"] / row["pixels"] for row in same])),
                "top1": 100 * float(np.mean([row["rank"] < 1 for row in same])),
                "top5": 100 * float(np.mean([row["rank"] < 5 for row in same])),
            }
        )
    return points


def _uncoded(rows: Sequence[Row]) -> dict[str, float]:
    """Top-1 of each task on features that were not coded, percent."""
    asked = [row for row in rows if row["codec"] == _UNCODED]
    return {
        task: 100 * float(np.mean([row["rank"] < 1 for row in asked if row["task"] == task]))
        for task in dict.fromkeys(row["task"] for row in asked)
    }


def _series(points: Sequence[Mapping[str, Any]], task: str) -> dict[str, list[tuple[float, float]]]:
    series: dict[str, list[tuple[float, float]]] = {}
    for point in points:
        if point["task"] == task:
            series.setdefault(point["of"], []).append((point["bpp"], point["top1"]))
    return series


def _table(points: Sequence[Mapping[str, Any]], task: str, rates: Sequence[float]) -> list[list[str]]:
    """Accuracy of each codec at the rates asked for, linear in the logarithm between its points.

    Features have one rate, which serves all higher ones.
    """
    table = [["decoded", "lowest bpp", "top-1 % there", *(f"{rate:g} bpp" for rate in rates)]]
    for of, series in _series(points, task).items():
        series = sorted(series)
        low, first = series[0]
        logs, shares = [float(np.log(x)) for x, _ in series], [y for _, y in series]
        cells = []
        for rate in rates:
            if len(series) == 1:
                cells.append(f"{first:.1f}" if rate >= low else "")
            elif low <= rate <= series[-1][0]:
                cells.append(f"{np.interp(np.log(rate), logs, shares):.1f}")
            else:
                cells.append("")
        table.append([of, f"{low:.3f}", f"{first:.1f}", *cells])
    return table


def _ahead(
    rows: Sequence[Row], points: Sequence[Mapping[str, Any]], codecs: Sequence[Tested], tasks: Sequence[str]
) -> list[list[str]]:
    """How far features are ahead of each codec's pictures at its lowest rate, with 95 % intervals over pictures."""

    def right(codec: str, setting: str) -> list[float]:
        same = [row for row in rows if (row["codec"], row["setting"]) == (codec, setting)]
        return [100.0 * (row["rank"] < 1) for row in sorted(same, key=lambda row: str(row["picture"]))]

    table = [["pictures", "task", "bpp of features", "bpp of pictures", "top-1, points ahead (95 % over pictures)"]]
    for task in tasks:
        own = next((point for point in points if (point["of"], point["task"]) == ("features", task)), None)
        for codec in codecs:
            series = [point for point in points if (point["of"], point["task"]) == (codec.label, task)]
            if own is None or not series or own["pictures"] < 2:
                continue
            lowest = min(series, key=lambda point: point["bpp"])
            found = paired_difference(right(_FEATURES, f"{task} 0"), right(codec.name, f"{task} {lowest['setting']:g}"))
            table.append([codec.label, task, f"{own['bpp']:.3f}", f"{lowest['bpp']:.3f}", str(found)])
    return table
