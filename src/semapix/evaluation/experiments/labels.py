"""Honest labels: calibration of probabilities, and pictures that hold none of the labels (protocols/labels.yaml)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semapix.bundle import find
from semapix.codecs import CODECS
from semapix.errors import ArgumentError
from semapix.evaluation.bootstrap import Interval, bootstrap
from semapix.evaluation.calibration import auroc, calibration_error
from semapix.evaluation.datasets import Dataset, TestPicture, open_dataset, some_of
from semapix.evaluation.experiments._run import Run, those_with
from semapix.evaluation.findings import Findings
from semapix.evaluation.machine import opened
from semapix.evaluation.matches import may_hold
from semapix.evaluation.records import Record, Table
from semapix.evaluation.runner import Failure, Job, Row, run_jobs
from semapix.evaluation.tested import Tested, choose
from semapix.imaging import load
from semapix.tasks import (
    CLASSIFY,
    FOREIGN,
    Task,
    evidence,
    none_of_these,
    probabilities,
)
from semapix.training.recipe import load_recipe
from semapix.training.splits import labelled

__all__ = ["LabelsProtocol", "measure_labels"]

_HELD_OUT, _TEST = "held out", "test"
_RIDGE = 0.01  # of the mean variance, added to the covariance
_FOR_INTERVALS = 500  # random choices of pictures

Values = NDArray[np.float64]
Scores = dict[str, Callable[[Sequence[Row]], Values]]


@dataclass(frozen=True)
class LabelsProtocol:
    """The keys of protocols/labels.yaml, which says what each is."""

    model: str
    recipe: str
    task: str
    test: str
    only: Mapping[str, Any]
    statistics: int
    neighbours: int
    choose: Sequence[Sequence[str]]
    report: Sequence[Sequence[str]]


@dataclass(frozen=True)
class _Work:
    """A picture to be asked about by all tasks."""

    picture: TestPicture
    model: Path
    tasks: tuple[str, ...]
    layers: int


class _Rows:
    """Rows of sets of pictures, measured when they are first asked for."""

    def __init__(self, data: Path, protocol: LabelsProtocol, codec: Tested, run: Run) -> None:
        assert codec.model is not None
        self._data, self._protocol, self._codec, self._run = data, protocol, codec, run
        bundle = find(codec.model)
        self.bundle = bundle
        self._layers = CODECS[bundle.codec].machine_layers
        self.tasks = {
            task["name"]: found
            for task in bundle.manifest["tasks"]
            if (found := Task.find(bundle.manifest["tasks"], task["name"])).kind == CLASSIFY
        }
        self._training, self._held_out = labelled(load_recipe(protocol.recipe).data, data)
        self._known: dict[str, list[Row]] = {}
        self.failures: list[Failure] = []

    def __getitem__(self, name: str) -> list[Row]:
        """`held out`, `test`, or a data set with what it holds of the labels: `NAME`, `NAME with`, `NAME without`."""
        if name not in self._known:
            self._known[name] = self._ask(self._pictures(name), name)
        return self._known[name]

    @property
    def training(self) -> list[Row]:
        """Rows of training pictures, for scores that measure distances."""
        labels = self._training.fine
        chosen = some_of(range(len(labels)), self._protocol.statistics)
        return self._ask(
            [self._stored("training", n, self._training.pictures[n], labels[n]) for n in chosen], "training"
        )

    def _pictures(self, name: str) -> list[TestPicture]:
        if name == _HELD_OUT:
            pictures, _, fine = (tensor.numpy() for tensor in self._held_out.tensors)
            return [self._stored(name, n, pictures[n], fine[n]) for n in range(len(fine))]
        if name == _TEST:
            data = open_dataset(self._data / self._protocol.test)
            columns = {task: space.column for task in self.tasks if (space := data.space_of(self.tasks[task].labels))}
            if set(columns) != set(self.tasks):
                raise ArgumentError(f"{data.folder}: its labels are not those of the model's tasks")
            return [
                TestPicture(p.name, p.image, {task: p.columns[column] for task, column in columns.items()})
                for p in those_with(data.pictures, self._protocol.only)
            ]
        folder, _, which = name.partition(" ")
        if which not in ("", "with", "without"):
            raise ArgumentError(f"{name!r} must be a data set, alone, with, or without (what it holds of the labels)")
        training = any(name in pair for pair in self._protocol.choose)
        part = "train" if training else "test"
        data = open_dataset(self._data / folder, part)
        return self._of(data, part, which)

    def _of(self, data: Dataset, part: str, which: str) -> list[TestPicture]:
        if not which:
            return [TestPicture(p.name, p.image) for p in data.pictures]
        spaces = open_dataset(self._data / self._protocol.test).spaces
        wnids = [str(entry.get("wnid")) for space in spaces.values() for entry in space.entries if "wnid" in entry]
        held = may_hold(data, part, self.tasks[self._protocol.task].labels, wnids)
        wanted = which == "with"
        return [TestPicture(p.name, p.image) for p, may in zip(data.pictures, held, strict=True) if may == wanted]

    def _stored(self, name: str, number: int, pixels: NDArray[np.uint8], fine: int) -> TestPicture:
        """A training picture, (3, S, S), as training sees it."""
        content = BytesIO()
        Image.fromarray(pixels.transpose(1, 2, 0)).save(content, "PNG", compress_level=1)
        columns = {"fine": int(fine), "coarse": int(self._training.parents[int(fine)])}
        return TestPicture(f"{name}-{number:05}", content.getvalue(), columns)

    def _ask(self, pictures: Sequence[TestPicture], what: str) -> list[Row]:
        codec, tasks = self._codec, tuple(self.tasks)
        assert codec.model is not None
        jobs = [
            Job(
                f"{what}, {picture.name}",
                _Work(picture, codec.model, tasks, self._layers),
                ["labels", codec.depends, picture.name, picture.digest, picture.columns, tasks],
            )
            for picture in some_of(pictures, self._run.limit)
        ]
        outcome = run_jobs(jobs, _measure, self._run.journal, processes=self._run.processes, title=what)
        self.failures += outcome.failures
        return list(outcome.rows)


def measure_labels(data: Path, protocol: LabelsProtocol, run: Run) -> Findings:
    """What temperatures and quantiles of a model are worth on test pictures.

    `data`: the folder above those of the data sets. Raises ArgumentError for missing data sets, for those of which
    nobody knows what they hold, and for a model without quantiles.
    """
    (codec,), _ = choose([protocol.model], {}, run.model)
    rows = _Rows(data, protocol, codec, run)
    if protocol.task not in rows.tasks or rows.tasks[protocol.task].evidence is None:
        raise ArgumentError(
            f"{rows.bundle.path}: task {protocol.task} is not calibrated; make the model with: semapix export --data"
        )
    calibrations = [_calibration(task, rows[_TEST]) for task in rows.tasks.values()]
    scores = _scores(rows, protocol)
    compared = [_compare(name, score, rows, protocol.choose) for name, score in scores.items()]
    best = max(compared, key=lambda row: row["mean"])["score"]
    reported = [_compare(name, score, rows, protocol.report, intervals=True) for name, score in scores.items()]
    accepted = _accepted(protocol, rows)
    return Findings(
        Record(
            "labels",
            run.command,
            [rows.bundle],
            settings={
                "protocol": asdict(protocol),
                "calibration": "of logits from files, with a temperature of 1 and with that of the model; ECE with 15 "
                "bins; NLL in nats; 95 % by bootstrap over test pictures",
                "scores": f"higher: more foreign; of logits of task {protocol.task} where no other is named; distances "
                f"on all machine features, with {protocol.statistics} training pictures behind them",
                "AUROC": "how often a foreign picture scores higher than a known one, 0.5 is chance; 95 % by bootstrap "
                "over pictures; with, without: of a category that may hold a label (matches.yaml), or none",
                "chosen": f"{best}, by the mean over pictures that are no test pictures",
                "foreign": f"share of pictures with none_of_these above {FOREIGN:g}; of those behind the "
                "quantiles it is 5 %",
            },
            results={"calibration": calibrations, "choice": compared, "report": reported, "foreign": accepted},
            tables={"foreign": Table(["pictures", "number", "foreign"], [list(row.values()) for row in accepted])},
        ),
        {
            "Calibration": _calibration_table(calibrations),
            f"Choice of the score (AUROC): {best}": _auroc_table(compared),
            "Test pictures (AUROC)": _auroc_table(reported),
            f"Called foreign, {protocol.task}": [
                ["pictures", "number", "called foreign %"],
                *([row["pictures"], str(row["number"]), f"{row['foreign']:.1f}"] for row in accepted),
            ],
        },
        failures=rows.failures,
    )


def _measure(work: _Work) -> list[Row]:
    """One picture: logits of all tasks from its file, and its features."""
    coder = opened(work.model)
    coded = coder.encode(load(work.picture.image).pixels)
    logits = {task: [round(float(x), 4) for x in coder.look(coded, task).scores] for task in work.tasks}
    features = [round(float(x), 4) for x in coder.features(coded, work.layers).ravel()]
    return [{**dict(work.picture.columns), "logits": logits, "features": features}]


def _logits(rows: Sequence[Row], task: str) -> NDArray[np.float32]:
    return np.array([row["logits"][task] for row in rows], np.float32)


def _features(rows: Sequence[Row]) -> Values:
    return np.array([row["features"] for row in rows], np.float64)


def _calibration(task: Task, tests: Sequence[Row]) -> dict[str, Any]:
    """ECE and NLL of a task on test pictures, without and with its temperature."""
    logits, truth = _logits(tests, task.name), np.array([row[task.name] for row in tests], np.int64)
    figure: dict[str, Any] = {"task": task.name, "pictures": len(tests), "temperature": task.temperature}
    for name, temperature in (("before", 1.0), ("after", task.temperature)):
        figure[name] = _honesty(probabilities(logits, temperature), truth)
    figure["top1"] = 100 * float(np.mean(logits.argmax(1) == truth))
    return figure


def _honesty(shares: Values, truth: NDArray[np.int64]) -> dict[str, Any]:
    """ECE, percent, NLL and mean probability, percent, of the most probable label."""
    losses = -np.log(np.maximum(shares[np.arange(len(truth)), truth], 1e-300))

    def error(some: NDArray[np.intp]) -> float:
        return 100 * calibration_error(shares[some], truth[some])

    def loss(some: NDArray[np.intp]) -> float:
        return float(losses[some].mean())

    return {
        "ece": _listed(bootstrap(len(truth), error, _FOR_INTERVALS)),
        "nll": _listed(bootstrap(len(truth), loss, _FOR_INTERVALS)),
        "confidence": 100 * float(shares.max(1).mean()),
    }


def _scores(rows: _Rows, protocol: LabelsProtocol) -> Scores:
    """All scores by name; each takes rows and gives what is higher for foreign pictures."""
    task = protocol.task
    scores: Scores = {
        "energy": _energy(task),
        "max logit": lambda some: -_logits(some, task).max(1).astype(np.float64),
        "max probability": lambda some: -probabilities(_logits(some, task)).max(1),
        "entropy": lambda some: _entropy(_logits(some, task)),
    }
    others = {f"energy, {other}": _energy(other) for other in rows.tasks if other != task}
    return {**scores, **others, **_distances(rows.training, task, protocol.neighbours)}


def _energy(task: str) -> Callable[[Sequence[Row]], Values]:
    return lambda some: -evidence(_logits(some, task))


def _entropy(logits: NDArray[np.float32]) -> Values:
    shares = probabilities(logits)
    return -(shares * np.log(np.maximum(shares, 1e-300))).sum(1)


def _distances(known: Sequence[Row], task: str, neighbours: int) -> Scores:
    """Mahalanobis distance to the nearest class mean with one covariance for all (K. Lee and others, NeurIPS 2018), the
    same less that to the mean of all (J. Ren and others, 2021), and the distance to a near neighbour (Y. Sun and
    others, ICML 2022)."""
    features, labels = _features(known), np.array([row[task] for row in known])
    classes, numbers = np.unique(labels, return_inverse=True)
    means = np.stack([features[labels == label].mean(0) for label in classes])
    within, whole = _whitening(features - means[numbers]), _whitening(features - features.mean(0))
    scale = features.std(0) + 1e-9
    directions = _unit(features / scale)

    def nearest(some: Sequence[Row]) -> Values:
        return _squares(_features(some) @ within, means @ within).min(1)

    def relative(some: Sequence[Row]) -> Values:
        return nearest(some) - _squares(_features(some) @ whole, features.mean(0, keepdims=True) @ whole)[:, 0]

    def near(some: Sequence[Row]) -> Values:
        likeness = _unit(_features(some) / scale) @ directions.T
        count = min(neighbours, len(directions))
        return -np.partition(likeness, -count, axis=1)[:, -count]

    return {"Mahalanobis": nearest, "relative Mahalanobis": relative, "neighbours": near}


def _whitening(residuals: Values) -> Values:
    """A matrix (F, F) that makes the covariance of residuals (N, F) the identity."""
    covariance = residuals.T @ residuals / len(residuals)
    size = len(covariance)
    ridge = (_RIDGE * np.trace(covariance) / size + 1e-9) * np.eye(size)
    return np.linalg.cholesky(np.linalg.inv(covariance + ridge))


def _squares(values: Values, centres: Values) -> Values:
    """Squared distances (N, M) of values (N, F) to centres (M, F)."""
    both = (values**2).sum(1)[:, None] + (centres**2).sum(1)[None]
    return np.asarray(both - 2 * values @ centres.T)


def _unit(values: Values) -> Values:
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)


def _compare(
    name: str,
    score: Callable[[Sequence[Row]], Values],
    rows: _Rows,
    pairs: Sequence[Sequence[str]],
    *,
    intervals: bool = False,
) -> dict[str, Any]:
    """AUROC of a score for each pair of known and foreign pictures, and the mean."""
    values = {part: score(rows[part]) for pair in pairs for part in pair}
    found = {}
    for known, outside in pairs:
        both = np.concatenate([values[known], values[outside]])
        foreign = np.arange(len(both)) >= len(values[known])

        def area(some: NDArray[np.intp], both: Values = both, foreign: NDArray[np.bool_] = foreign) -> float:
            return auroc(both[some], foreign[some])

        found[f"{known} / {outside}"] = (
            _listed(bootstrap(len(both), area, _FOR_INTERVALS)) if intervals else [auroc(both, foreign)]
        )
    return {"score": name, "pairs": found, "mean": float(np.mean([value[0] for value in found.values()]))}


def _accepted(protocol: LabelsProtocol, rows: _Rows) -> list[dict[str, Any]]:
    """How many pictures of each reported set are called foreign, percent."""
    quantiles = rows.tasks[protocol.task].evidence
    assert quantiles is not None  # `measure_labels` has seen to it
    names = list(dict.fromkeys(name for pair in protocol.report for name in pair))
    return [
        {
            "pictures": name,
            "number": len(rows[name]),
            "foreign": 100
            * float(np.mean([none_of_these(x, quantiles) > FOREIGN for x in _logits(rows[name], protocol.task)])),
        }
        for name in names
    ]


def _listed(interval: Interval) -> list[float]:
    return [interval.value, interval.low, interval.high]


def _calibration_table(figures: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    table = [["task", "pictures", "top-1 %", "temperature", "", "mean probability %", "ECE %", "NLL"]]
    for figure in figures:
        for name in ("before", "after"):
            part = figure[name]
            cells = [figure["task"], str(figure["pictures"]), f"{figure['top1']:.1f}", f"{figure['temperature']:.3f}"]
            error = "{:.2f} ({:.2f} to {:.2f})".format(*part["ece"])
            loss = "{:.4f} ({:.4f} to {:.4f})".format(*part["nll"])
            table.append([*cells, name, f"{part['confidence']:.1f}", error, loss])
    return table


def _auroc_table(rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    table = [["score", *rows[0]["pairs"], "mean"]]
    for row in rows:
        cells = [
            f"{value[0]:.3f} ({value[1]:.3f} to {value[2]:.3f})" if len(value) == 3 else f"{value[0]:.3f}"
            for value in row["pairs"].values()
        ]
        table.append([row["score"], *cells, f"{row['mean']:.3f}"])
    return table
