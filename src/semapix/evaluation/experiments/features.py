"""Features against pictures at the same rate (protocols/features.yaml; scalable paper, Table 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from semapix.bundle import find
from semapix.errors import ArgumentError
from semapix.evaluation.catchup import AccuracyCurve
from semapix.evaluation.datasets import LabelSpace, TestPicture, open_dataset, some_of, squeezed
from semapix.evaluation.experiments._probes import (
    KINDS,
    MachineFeatures,
    Question,
    ask_probes,
    machine_features,
    pack,
    prefix_name,
    unpack,
)
from semapix.evaluation.experiments._run import Run, complete, merged, those_with
from semapix.evaluation.findings import Findings
from semapix.evaluation.machine import opened, rank_of
from semapix.evaluation.plots import Panel, draw
from semapix.evaluation.records import Record, Table
from semapix.evaluation.runner import Failure, Job, Row, run_jobs
from semapix.evaluation.tested import Tested, choose, code, own_tasks

__all__ = ["FeaturesProtocol", "measure_features"]

_FEATURES, _UNCODED = "features", "uncoded"


@dataclass(frozen=True)
class FeaturesProtocol:
    """The keys of protocols/features.yaml, which says what each is."""

    model: str
    codecs: Sequence[str]
    settings: Mapping[str, Sequence[float]]
    side: int | None
    only: Mapping[str, Any]
    rates: Sequence[float]
    within: Sequence[float]
    probe_layers: Sequence[int]
    training_pictures: int


@dataclass(frozen=True)
class _Work:
    """A picture. `codec`: whose pictures are classified, at `setting`; None for the features themselves.

    `labels`: the true label of each task. `probed`: whether features are kept for probes.
    """

    picture: TestPicture
    judge: Path
    codec: Tested | None
    setting: float
    side: int | None
    labels: Mapping[str, int]
    probed: bool


def measure_features(dataset: Path, protocol: FeaturesProtocol, run: Run) -> Findings:
    """Ask the heads of one model, or probes, on its decoded features, and on the pictures of all codecs.

    Raises ArgumentError when the data set has no labels, or none to learn from where probes are needed.
    """
    data = open_dataset(dataset)
    if not data.spaces:
        raise ArgumentError(
            f"{dataset}: has no labels (Parquet with labels.json beside it); a run of features needs them"
        )
    (judge,), _ = choose([protocol.model], {}, run.model)
    tasks = own_tasks(judge, data)
    bundle = find(judge.name if judge.model is None else judge.model)
    codecs, missing = choose(protocol.codecs, protocol.settings, run.model)
    pictures = some_of(those_with(data.pictures, protocol.only), run.limit)
    probed = [space for space in data.spaces.values() if space.column not in tasks.values()]
    jobs = []
    own: list[tuple[Tested | None, float]] = [(None, 0.0)] if tasks else []  # the features themselves
    for codec, setting in [*own, *((c, setting) for c in codecs for setting in c.settings)]:
        for picture in pictures:
            labels = {task: picture.columns[column] for task, column in tasks.items()}
            work = _Work(picture, bundle.path, codec, setting, protocol.side, labels, bool(probed))
            of = codec and codec.depends
            asked_for = [protocol.side, picture.name, picture.digest, labels, bool(probed)]
            what = f"{codec.name} at {setting:g}" if codec else "features"
            jobs.append(Job(f"{picture.name}, {what}", work, ["features", judge.depends, of, setting, *asked_for]))
    title = f"features, {data.name}"
    outcome = run_jobs(jobs, _measure, run.journal, processes=run.processes, title=title)
    rows = [found for measured in outcome.rows for found in measured["answers"]]
    failures = list(outcome.failures)
    if probed:
        known = those_with(open_dataset(dataset, "train").pictures, protocol.only)
        training = some_of(known, protocol.training_pictures)  # few test pictures are no reason to learn from few
        asked, failed = machine_features(pictures, judge, run, f"features, {data.name}", protocol.side)
        learned, broken = machine_features(training, judge, run, f"features to learn from, {data.name}", protocol.side)
        more, unlearned = _probe(probed, protocol.probe_layers, learned, asked, outcome.rows, run)
        rows += more
        failures += [*failed, *broken, *unlearned]
    rows, uneven = complete(rows, list(_names(codecs)))
    points = _points(rows, _names(codecs))
    questions = list(dict.fromkeys(point["task"] for point in points))
    found = {(codec.label, task): _curve(rows, codec.name, task) for task in questions for codec in codecs}
    curves = {key: curve for key, curve in found.items() if curve}
    features = {task: _curve(rows, _FEATURES, task) for task in questions}
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
                "probes": "linear, for label spaces without a head: on decoded features one that learned from decoded "
                "features, on pictures one that learned from features of uncompressed pictures, both of part train",
                "rate": "payload: bytes without what the container adds; all of them for Semapix",
                "between settings": "accuracy is linear in the logarithm of the rate",
                "intervals": "95 %, bootstrap over pictures, paired; a rate at an end of those measured has a sign",
            },
            results={"points": points, "uncoded": _uncoded(rows)},
            tables={"pictures": Table(columns, [[row[column] for column in columns] for row in rows])},
        ),
        {
            **{f"Top-1, {task}": _table(points, task, protocol.rates) for task in questions},
            "Features less pictures at equal rates, points": _lead_table(features, curves, protocol.rates),
            "Bits per pixel at which pictures catch up with features": _catch_up_table(
                features, curves, protocol.within
            ),
        }
        if points
        else {},
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
                    for task in questions
                ],
                f"{data.name}: features against pictures",
            )
        }
        if points
        else {},
        [*missing, *uneven, *merged(failures)],
    )


def _names(codecs: Sequence[Tested]) -> dict[str, str]:
    """What rows are of, and how tables call it."""
    return {_FEATURES: "features", _UNCODED: "not coded", **{codec.name: codec.label for codec in codecs}}


def _row(of: str, task: str, setting: float, picture: str, pixels: int, payload: int | None, rank: int) -> Row:
    """What one task says of one picture; `payload` is None for what was not coded."""
    return {
        "codec": of,
        "setting": f"{task} {setting:g}",
        "picture": picture,
        "task": task,
        "pixels": pixels,
        "payload": payload,
        "rank": rank,
    }


def _measure(work: _Work) -> list[Row]:
    """One picture: what all tasks say, of its features or of what a codec makes of it, and what probes need."""
    coder = opened(work.judge)
    original = squeezed(work.picture, work.side)
    name, pixels = work.picture.name, original.shape[0] * original.shape[1]
    answers = []
    if work.codec is None:
        coded = coder.encode(original)
        for task, label in work.labels.items():
            look, uncoded = coder.look(coded, task), coder.uncoded(original, task)
            answers.append(_row(_FEATURES, task, 0, name, pixels, look.bytes_read, rank_of(label, look.scores)))
            answers.append(_row(_UNCODED, task, 0, name, pixels, None, rank_of(label, uncoded)))
        return [{"answers": answers, "seen": None}]
    decoded = code(work.codec, work.setting, original)
    for task, label in work.labels.items():
        rank = rank_of(label, coder.uncoded(decoded.pixels, task))
        answers.append(_row(work.codec.name, task, work.setting, name, pixels, decoded.payload, rank))
    seen = {
        "of": [work.codec.name, work.setting, name, pixels, decoded.payload],
        "features": pack(coder.uncoded_features(decoded.pixels)),
    }
    return [{"answers": answers, "seen": seen if work.probed else None}]


def _probe(
    spaces: Sequence[LabelSpace],
    prefixes: Sequence[int],
    learned: MachineFeatures,
    asked: MachineFeatures,
    measured: Sequence[Row],
    run: Run,
) -> tuple[list[Row], list[Failure]]:
    """What probes say of features, and of the features of what codecs made of the same pictures."""
    numbers = {picture.name: number for number, picture in enumerate(asked.pictures)}
    seen = [row["seen"] for row in measured if row["seen"] and row["seen"]["of"][2] in numbers]
    if not learned.pictures or not seen:
        return [], []
    areas = {name: pixels for _, _, name, pixels, _ in (one["of"] for one in seen)}
    shown = unpack([one["features"] for one in seen])
    of_shown = [numbers[one["of"][2]] for one in seen]
    questions = {}
    for space in spaces:
        classes, labels, truth = len(space.names), learned.labels(space), asked.labels(space)
        for layers in prefixes:
            channels = asked.channels[layers - 1]
            task = f"probe of {space.column}, {prefix_name(layers)}"
            flat = [asked.first(channels, "uncoded"), shown[:, :channels].reshape(len(shown), -1)]
            lessons = [learned.first(channels, kind) for kind in KINDS]
            pictures = np.concatenate(flat), np.concatenate([truth, truth[of_shown]])
            questions[task, layers] = (
                Question(task, classes, lessons[0], labels, asked.first(channels, "decoded"), truth),
                Question(f"{task}, pictures", classes, lessons[1], labels, *pictures),
            )
    answers, failures = ask_probes([question for pair in questions.values() for question in pair], run)
    rows = []
    for (task, layers), pair in questions.items():
        if any(question.name not in answers for question in pair):
            continue
        own, others = (answers[question.name].ranks for question in pair)
        for name, number in numbers.items():
            if name in areas:
                size = int(asked.sizes[number, layers - 1])
                rows.append(_row(_FEATURES, task, 0, name, areas[name], size, own[number]))
                rows.append(_row(_UNCODED, task, 0, name, areas[name], None, others[number]))
        for one, rank in zip(seen, others[len(numbers) :], strict=True):
            codec, setting, name, area, payload = one["of"]
            rows.append(_row(codec, task, setting, name, area, payload, rank))
    return rows, failures


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


def _curve(rows: Sequence[Row], codec: str, task: str) -> AccuracyCurve | None:
    """A codec's settings and pictures, these in the order of their names; None for less than two pictures."""
    same = sorted(
        (row for row in rows if (row["codec"], row["task"]) == (codec, task)), key=lambda r: str(r["picture"])
    )
    settings = [[row for row in same if row["setting"] == name] for name in dict.fromkeys(r["setting"] for r in same)]
    if not settings or len(settings[0]) < 2:
        return None
    bpp = [[8 * row["payload"] / row["pixels"] for row in setting] for setting in settings]
    return AccuracyCurve(np.array(bpp), np.array([[100.0 * (row["rank"] < 1) for row in s] for s in settings]))


def _lead_table(
    features: Mapping[str, AccuracyCurve | None],
    curves: Mapping[tuple[str, str], AccuracyCurve],
    rates: Sequence[float],
) -> list[list[str]]:
    """How far features are ahead of each codec's pictures, at its lowest rate and at those asked for."""
    table = [["pictures", "task", "bpp of features", "lowest bpp", "there (95 %)", *(f"{r:g} bpp" for r in rates)]]
    for (label, task), curve in curves.items():
        own = features[task]
        if own is None:
            continue
        (rate,), _ = own.points()
        lowest = curve.points()[0][0]
        found = [curve.lead_over(own.right[0], at) if at >= rate else None for at in (lowest, *rates)]
        shown = ["" if lead is None else str(lead) for lead in found]
        table.append([label, task, f"{rate:.4f}", f"{lowest:.3f}", *shown])
    return table


def _catch_up_table(
    features: Mapping[str, AccuracyCurve | None],
    curves: Mapping[tuple[str, str], AccuracyCurve],
    within: Sequence[float],
) -> list[list[str]]:
    """Where each codec's pictures are as good as features, or so many points below; and how many times their rate."""
    head = [cell for margin in within for cell in (f"within {margin:g} points (95 %)", "times")]
    table = [["pictures", "task", "bpp of features", "top-1 of features", *head]]
    for (label, task), curve in curves.items():
        own = features[task]
        if own is None:
            continue
        (rate,), (share,) = own.points()
        found = [curve.catch_up(own.right[0], margin) for margin in within]
        cells = [cell for rates in found for cell in (str(rates), rates.times(rate))]
        table.append([label, task, f"{rate:.4f}", f"{share:.1f}", *cells])
    return table
