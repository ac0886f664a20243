"""Labels that a model is taught from a few pictures (protocols/teach.yaml)."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import semapix
from semapix.bundle import Bundle, find
from semapix.codecs import CODECS
from semapix.errors import ArgumentError
from semapix.evaluation.bootstrap import Interval, bootstrap, mean_of
from semapix.evaluation.datasets import Dataset, TestPicture, open_dataset
from semapix.evaluation.experiments._run import Run
from semapix.evaluation.findings import Findings
from semapix.evaluation.machine import opened
from semapix.evaluation.records import Criterion, Record, Table
from semapix.evaluation.runner import Job, Outcome, Row, run_jobs
from semapix.evaluation.tested import Tested, choose
from semapix.imaging import load
from semapix.tasks import Head, teach_task

__all__ = ["TeachProtocol", "measure_teach"]

_KINDS = ("decoded", "uncoded")
_SECONDS, _SHARE = 180.0, 0.9


@dataclass(frozen=True)
class TeachProtocol:
    """The keys of protocols/teach.yaml, which says what each is."""

    dataset: str
    column: str
    classes: int
    pictures: Sequence[int]
    draws: int


@dataclass(frozen=True)
class _Work:
    """A picture whose features are wanted."""

    picture: TestPicture
    model: Path
    layers: int


@dataclass(frozen=True)
class _Taught:
    """One head. `right`: of each test picture, whether it was; `estimate`: what cross-validation said before."""

    right: NDArray[np.bool_]
    estimate: float


def measure_teach(data: Path, protocol: TeachProtocol, run: Run) -> Findings:
    """Teach heads from several draws of a few pictures of each class, and ask them about the test pictures.

    `data`: the folder above that of the labelled pictures. Raises ArgumentError when the data set has not the classes
    that the protocol wants.
    """
    (codec,), _ = choose(["scalable"], {}, run.model)
    assert codec.model is not None
    bundle = find(codec.model)
    train, test = (open_dataset(data / protocol.dataset, part) for part in ("train", "test"))
    names, chosen = _choose(train, test, protocol)
    learned, asked = ([p for p in part.pictures if p.columns[protocol.column] in chosen] for part in (train, test))
    features = _ask(learned, "training pictures", codec, bundle, run)
    tests = _ask(asked, "test pictures", codec, bundle, run)
    failures = [*features.failures, *tests.failures]

    numbers = {label: number for number, label in enumerate(chosen)}
    pools = {label: [row for row in features.rows if row["columns"][protocol.column] == label] for label in chosen}
    truth = np.array([numbers[row["columns"][protocol.column]] for row in tests.rows], np.int64)
    figures, rows = [], []
    for pictures in sorted(protocol.pictures):
        heads = {
            kind: [_teach(pools, pictures, draw, kind, tests.rows, truth) for draw in range(protocol.draws)]
            for kind in _KINDS
        }
        figures.append({"pictures": pictures, **_figure(heads)})
        rows += [
            [pictures, draw, kind, head.estimate, float(head.right.mean())]
            for kind in _KINDS
            for draw, head in enumerate(heads[kind])
        ]
    examples = _examples(
        pools, max(protocol.pictures), {p.name: p for p in learned}, dict(zip(chosen, names, strict=True))
    )
    whole = _through_files(examples, bundle, tests.rows, [names[number] for number in truth])
    best = figures[-1]
    return Findings(
        Record(
            f"teach on {test.name}",
            run.command,
            [bundle],
            settings={
                "protocol": asdict(protocol),
                "classes": f"the {len(names)} of {test.name} with the most test pictures, of those with "
                f"{max(protocol.pictures)} to learn from: {', '.join(names)}",
                "uncoded": "the same head, taught alike, asked about and trained on features that were not coded",
                "intervals": "95 % by bootstrap over test pictures of the mean over draws; paired for the share",
                "draws": "lowest and highest of them; smaller draws are parts of the larger ones",
                "held out": "the estimate that `semapix teach` prints: five-fold cross-validation, mean over draws",
                "from files": f"one head taught by semapix.teach with {max(protocol.pictures)} pictures of each, saved "
                "and loaded, asked about .spix files; seconds with reading and coding of the pictures",
            },
            results={"figures": figures, "from files": whole},
            criteria=[
                Criterion("accuracy as a share of that on uncoded features", best["share"][0], ">=", _SHARE, ""),
                Criterion("seconds to teach", whole["seconds"], "<=", _SECONDS, "s"),
            ],
            tables={"heads": Table(["pictures", "draw", "features", "held out", "accuracy"], rows)},
        ),
        {"Accuracy of taught labels": _table(figures), "Through files": _file_table(whole)},
        failures=failures,
    )


def _choose(train: Dataset, test: Dataset, protocol: TeachProtocol) -> tuple[list[str], list[int]]:
    """Names and numbers of the classes: those with the most test pictures, of equal ones the first."""
    space = test.spaces.get(protocol.column)
    if space is None:
        raise ArgumentError(f"{test.folder}: has no labels in a column {protocol.column!r}")
    counts = [
        np.bincount([p.columns[protocol.column] for p in part.pictures], minlength=len(space.names))
        for part in (train, test)
    ]
    wanted = max(protocol.pictures)
    able = [label for label in range(len(space.names)) if counts[0][label] >= wanted and counts[1][label] > 0]
    if len(able) < protocol.classes:
        raise ArgumentError(
            f"{test.folder}: {len(able)} classes have {wanted} training pictures and a test picture, the protocol "
            f"wants {protocol.classes}"
        )
    chosen = sorted(able, key=lambda label: -counts[1][label])[: protocol.classes]
    return [space.names[label] for label in chosen], chosen


def _ask(pictures: Sequence[TestPicture], what: str, codec: Tested, bundle: Bundle, run: Run) -> Outcome:
    assert codec.model is not None
    layers = CODECS[bundle.codec].machine_layers
    jobs = [
        Job(
            picture.name,
            _Work(picture, codec.model, layers),
            ["teach", codec.depends, picture.name, picture.digest, picture.columns, layers],
        )
        for picture in pictures
    ]
    return run_jobs(jobs, _measure, run.journal, processes=run.processes, title=what)


def _measure(task: _Work) -> list[Row]:
    """One picture: its features after coding and before, and its file."""
    coder, pixels = opened(task.model), load(task.picture.image).pixels
    coded = coder.encode(pixels)
    decoded, uncoded = coder.features(coded, task.layers), coder.uncoded_features(pixels)
    columns = {key: value for key, value in task.picture.columns.items() if isinstance(value, (int, str))}
    return [
        {
            "picture": task.picture.name,
            "columns": columns,
            "file": coded.hex(),
            "shape": list(decoded.shape),
            "decoded": [round(float(x), 4) for x in decoded.ravel()],
            "uncoded": [round(float(x), 4) for x in uncoded.ravel()],
        }
    ]


def _drawn(rows: Sequence[Row], pictures: int, draw: int) -> list[Row]:
    """The examples of a class in a draw."""
    order = np.random.default_rng([draw, len(rows)]).permutation(len(rows))
    return [rows[number] for number in order[:pictures]]


def _array(rows: Sequence[Row], kind: str) -> NDArray[np.float32]:
    """Features (N, C, h, w)."""
    return np.array([row[kind] for row in rows], np.float32).reshape(len(rows), *rows[0]["shape"])


def _teach(
    pools: Mapping[int, Sequence[Row]],
    pictures: int,
    draw: int,
    kind: str,
    tests: Sequence[Row],
    truth: NDArray[np.int64],
) -> _Taught:
    """Teach a head from a draw, and ask it about all test pictures."""
    examples = [_drawn(rows, pictures, draw) for rows in pools.values()]
    features = _array([row for rows in examples for row in rows], kind)
    labels = np.repeat(np.arange(len(examples)), [len(rows) for rows in examples])
    taught = teach_task("fine", [str(label) for label in pools], 2, features, labels)
    scores = taught.classifier.scores(_array(tests, kind).reshape(len(tests), -1))
    return _Taught(scores.argmax(1) == truth, taught.accuracy)


def _figure(heads: Mapping[str, Sequence[_Taught]]) -> dict[str, Any]:
    """Accuracies, percent, and the share of the uncoded one that is left after coding."""
    right = {kind: np.mean([head.right for head in heads[kind]], axis=0) for kind in _KINDS}
    count = len(right["decoded"])
    figure: dict[str, Any] = {"test_pictures": count}
    for kind in _KINDS:
        figure[kind] = _listed(mean_of(100 * right[kind]))
    figure["share"] = _listed(bootstrap(count, lambda some: _share(right["decoded"][some], right["uncoded"][some])))
    draws = [100 * float(head.right.mean()) for head in heads["decoded"]]
    figure["draws"] = [min(draws), max(draws)]
    figure["held_out"] = 100 * float(np.mean([head.estimate for head in heads["decoded"]]))
    return figure


def _share(decoded: NDArray[np.float64], uncoded: NDArray[np.float64]) -> float:
    if not uncoded.any():
        raise ArgumentError("no test picture is right on uncoded features; there is nothing to be a share of")
    return float(decoded.mean() / uncoded.mean())


def _listed(interval: Interval) -> list[float]:
    return [interval.value, interval.low, interval.high]


def _examples(
    pools: Mapping[int, Sequence[Row]], pictures: int, known: Mapping[str, TestPicture], names: Mapping[int, str]
) -> dict[str, list[bytes | Path]]:
    """The pictures of the first draw as a user would give them."""
    return {
        names[label]: [known[row["picture"]].image for row in _drawn(rows, pictures, 0)]
        for label, rows in pools.items()
    }


def _through_files(
    examples: Mapping[str, Sequence[bytes | Path]], bundle: Bundle, tests: Sequence[Row], truth: Sequence[str]
) -> dict[str, Any]:
    """All that a user does: teach, save, load, look at files."""
    start, busy = time.monotonic(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "own.spxh"
        semapix.teach(examples, bundle).save(path)
        seconds, processor, size = time.monotonic() - start, time.process_time() - busy, path.stat().st_size
        head = Head.load(path)
    streams = [semapix.open(bytes.fromhex(row["file"]), bundle) for row in tests]
    best = [stream.look(head=head, top=1)[0].name for stream in streams]
    return {
        "pictures": sum(len(rows) for rows in examples.values()),
        "seconds": seconds,
        "processor_seconds": processor,
        "head_bytes": size,
        "held_out": 100 * head.tasks["fine"].accuracy,
        "accuracy": 100 * float(np.mean([a == b for a, b in zip(best, truth, strict=True)])),
        "bytes_read": float(np.mean([stream.bytes_read for stream in streams])),
    }


def _table(figures: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    head = ["pictures of each", "test pictures", "top-1 % (95 %)", "draws", "uncoded %", "share (95 %)", "held out %"]
    table = [head]
    for row in figures:
        value, low, high = row["decoded"]
        share = "{:.3f} ({:.3f} to {:.3f})".format(*row["share"])
        table.append(
            [
                str(row["pictures"]),
                str(row["test_pictures"]),
                f"{value:.1f} ({low:.1f} to {high:.1f})",
                "{:.1f} to {:.1f}".format(*row["draws"]),
                f"{row['uncoded'][0]:.1f}",
                share,
                f"{row['held_out']:.1f}",
            ]
        )
    return table


def _file_table(whole: Mapping[str, Any]) -> list[list[str]]:
    head = ["pictures", "seconds", "of the processor", "bytes of the head", "held out %", "top-1 %", "bytes read"]
    cells = [f"{whole['pictures']}", f"{whole['seconds']:.1f}", f"{whole['processor_seconds']:.1f}"]
    cells += [f"{whole['head_bytes']:,}", f"{whole['held_out']:.1f}", f"{whole['accuracy']:.1f}"]
    return [head, [*cells, f"{whole['bytes_read']:.1f}"]]
