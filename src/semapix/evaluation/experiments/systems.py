"""All systems side by side on the same pictures: bytes, labels, signal quality, time (protocols/systems.yaml)."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import semapix
from semapix.bundle import installed
from semapix.codecs import CODECS, open_codec
from semapix.errors import ArgumentError
from semapix.evaluation.bootstrap import Interval, mean_of
from semapix.evaluation.datasets import Dataset, TestPicture, open_dataset, some_of
from semapix.evaluation.experiments._run import Run, bundles_of, complete, merged, those_with
from semapix.evaluation.experiments._timing import Command, Timed, code_once, run_command, timing_tables, warm
from semapix.evaluation.findings import Findings
from semapix.evaluation.machine import look_at, rank_of
from semapix.evaluation.metrics import find_metrics
from semapix.evaluation.records import Record, Table
from semapix.evaluation.runner import Failure, Job, Row, run_jobs
from semapix.evaluation.tested import Tested, asked_tasks, choose, encode_own, measured_bundle
from semapix.imaging import load
from semapix.tasks import Task

__all__ = ["SystemsProtocol", "measure_systems"]

_COLUMNS = ["codec", "picture", "pixels", "bytes", "bytes_read", "ranks", "metrics"]
_NONE = "-"


@dataclass(frozen=True)
class SystemsProtocol:
    """The keys of protocols/systems.yaml, which says what each is."""

    codecs: Sequence[str]
    quality: int
    labelled: str
    only: Mapping[str, Any]
    tasks: Sequence[str]
    photos: str
    metrics: Sequence[str]
    rounds: int


@dataclass(frozen=True)
class _Work:
    """A picture with a codec.

    `tasks`: what its file is asked. `labels`: the true label of each, of labelled pictures. `metrics`: what is measured
    of the decoded picture.
    """

    picture: TestPicture
    codec: Tested
    tasks: Sequence[str]
    labels: Mapping[str, int]
    metrics: Sequence[str]


def measure_systems(data: Path, protocol: SystemsProtocol, run: Run) -> Findings:
    """Code labelled pictures and photos with every system at one quality, ask and decode the files, take the time.

    `data`: the folder above those of the two data sets. Raises ArgumentError for codecs that are not Semapix's own, or
    whose settings are rates, for data without the pictures that the protocol wants, or whose labels a model does not
    know; SemapixError when a command fails.
    """
    find_metrics(protocol.metrics)
    if protocol.rounds < 1:
        raise ArgumentError(f"rounds (={protocol.rounds}) must be 1 or more")
    codecs, missing = _systems(protocol)
    things, photos = open_dataset(data / protocol.labelled), open_dataset(data / protocol.photos)
    pictures = some_of(those_with(things.pictures, protocol.only), run.limit)
    if not pictures:
        raise ArgumentError(f"{things.folder}: has no picture with the values of only (={protocol.only}); change these")
    asked = [(codec, asked_tasks(codec, things, protocol.tasks)) for codec in codecs]
    labelled, unlabelled = _rows(
        [
            _Work(picture, codec, [*tasks], {task: picture.columns[column] for task, column in tasks.items()}, ())
            for codec, tasks in asked
            for picture in pictures
        ],
        things,
        run,
    )
    seen, unseen = _rows(
        [
            _Work(picture, codec, [*tasks], {}, protocol.metrics)
            for codec, tasks in asked
            for picture in some_of(photos.pictures, run.limit)
        ],
        photos,
        run,
    )
    timed, commands, size = _times(codecs, seen, photos, protocol.rounds)
    figures = [_figure(codec, labelled, seen, timed, commands) for codec in codecs]
    counts = {data.name: len({row["picture"] for row in rows}) for data, rows in ((things, labelled), (photos, seen))}
    title = f"{counts[things.name]} pictures of {things.name}, {counts[photos.name]} of {photos.name}"
    title += f"; times of {size}" if timed else ""
    return Findings(
        Record(
            f"systems on {things.name} and {photos.name}",
            run.command,
            bundles_of(codecs),
            settings={
                "protocol": asdict(protocol),
                **{codec.name: codec.what for codec in codecs},
                "pictures": f"{things.name}, part test, as stored; {photos.name}",
                "quality": "the same number, not the same rate: compare what people see with bpp in sight",
                "top-1": "of the label that the file gives; 95 % by bootstrap over pictures",
                "bytes read": "of the whole file, for the task's answer, front header included; mean over pictures",
                "bytes of a file": "on disk, headers included; mean over pictures. bpp: its bits per pixel",
                "first label": "bytes read for the task that reads the fewest",
                **(_timed_how(size, protocol.rounds) if timed else {}),
            },
            results={"pictures": counts, "systems": figures},
            tables={"labelled": _table_of(labelled), "photos": _table_of(seen), **timing_tables(timed, commands)},
        ),
        {f"Quality {protocol.quality}: {title}": _table(figures, things, photos, protocol)},
        failures=[*missing, *merged([*unlabelled, *unseen])],
    )


def _timed_how(size: str, rounds: int) -> dict[str, str]:
    return {
        "seconds": f"of a photo of {size} pixels, warm, in one process, all systems in turn and in random order, "
        f"medians of {rounds}; look: from the name of a file to labels of the finest task",
        "peak memory": "largest resident set of the commands encode, look and decode with that photo",
    }


def _systems(protocol: SystemsProtocol) -> tuple[list[Tested], list[Failure]]:
    """The codecs of the protocol, or one for each system that has an installed model, at the protocol's quality."""
    shipped = {bundle.codec for bundle in installed() if bundle.name == bundle.codec}
    names = protocol.codecs or [name for name in CODECS if name in shipped]
    for name in names:
        if name in CODECS and name not in shipped:
            raise ArgumentError(f"no model for codec {name} is installed; name the path of its bundle (.spxm) instead")
    codecs, missing = choose(names, {name: [protocol.quality] for name in names})
    for codec in codecs:
        if codec.options.rate:
            raise ArgumentError(
                f"{codec.name} is coded to a rate, the others at quality {protocol.quality}; drop `rate`"
            )
    return codecs, missing


def _rows(works: Sequence[_Work], data: Dataset, run: Run) -> tuple[list[Row], list[Failure]]:
    """Rows of the pictures of a data set that all systems have coded, and what failed."""
    jobs = [
        Job(
            f"{work.picture.name}, {work.codec.name}",
            work,
            [
                "systems",
                *(work.codec.depends, work.codec.settings, work.picture.name, work.picture.digest),
                *(work.tasks, work.labels, list(work.metrics)),
            ],
        )
        for work in works
    ]
    outcome = run_jobs(jobs, _measure, run.journal, processes=run.processes, title=f"systems, {data.name}")
    rows, uneven = complete(outcome.rows, list(dict.fromkeys(work.codec.name for work in works)))
    return rows, [*uneven, *outcome.failures]


def _measure(work: _Work) -> list[Row]:
    """One picture through a real file."""
    tested, pixels = work.codec, load(work.picture.image).pixels
    assert tested.model is not None
    bundle, (setting,) = measured_bundle(tested), tested.settings
    codec, measured = open_codec(bundle), {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "picture.spix"
        encode_own(tested, setting, pixels).save(file)
        size = file.stat().st_size
        looks = {task: look_at(file, codec, task) for task in work.tasks}
        if work.metrics and codec.pixels:
            decoded = np.asarray(semapix.open(file, bundle).image(decoder=tested.options.decoder))
            for metric in find_metrics(work.metrics):
                if min(pixels.shape[:2]) >= metric.smallest_side:
                    measured[metric.name] = metric.measure(decoded, pixels)
    return [
        {
            "codec": tested.name,
            "setting": setting,
            "picture": work.picture.name,
            "pixels": pixels.shape[0] * pixels.shape[1],
            "bytes": size,
            "bytes_read": {task: look.bytes_read for task, look in looks.items()},
            "ranks": {task: rank_of(label, looks[task].scores) for task, label in work.labels.items()},
            "metrics": measured,
        }
    ]


def _times(
    codecs: Sequence[Tested], rows: Sequence[Row], photos: Dataset, rounds: int
) -> tuple[list[Timed], list[Command], str]:
    """Warm times and cold commands of the codecs that coded the photos, with the first of these, and its size."""
    coded, measured = {row["codec"] for row in rows}, {row["picture"] for row in rows}
    able = [codec for codec in codecs if codec.name in coded]
    if not able:
        return [], [], ""
    pixels = load(next(photo for photo in photos.pictures if photo.name in measured).image).pixels
    with tempfile.TemporaryDirectory() as folder:
        timed = warm(pixels, able, rounds, Path(folder))
    commands = [command for codec in able for command in _commands(codec, pixels)]
    return timed, commands, f"{pixels.shape[1]}x{pixels.shape[0]}"


def _commands(codec: Tested, pixels: NDArray[np.uint8]) -> list[Command]:
    """Encode, decode where files hold pictures, and look, each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "photo.png"
        Image.fromarray(pixels).save(photo)
        found = code_once(codec, photo, codec.label)
        looked = run_command("look", codec.label, photo.with_suffix(".spix"), "--model", str(codec.model))
        return [*found, looked]


def _figure(
    codec: Tested, labelled: Sequence[Row], photos: Sequence[Row], timed: Sequence[Timed], commands: Sequence[Command]
) -> dict[str, Any]:
    """The figures of one system; what could not be measured, or what it has not, is not there."""
    assert codec.bundle is not None
    named = [row for row in labelled if row["codec"] == codec.name]
    seen = [row for row in photos if row["codec"] == codec.name]
    finest = f"look, {Task.find(codec.bundle.manifest['tasks']).name}"
    figure: dict[str, Any] = {"system": codec.label}
    if named:
        tasks = {task: _labels(named, task) for task in named[0]["ranks"]}
        figure |= {"tasks": tasks, "bytes": float(np.mean([row["bytes"] for row in named]))}
    if seen:
        figure["bpp"] = float(np.mean([8 * row["bytes"] / row["pixels"] for row in seen]))
        figure["first_label"] = float(np.mean([min(row["bytes_read"].values()) for row in seen]))
        # A photo that is too small for a metric has none, and then the mean has not either.
        known = [name for name in seen[0]["metrics"] if all(name in row["metrics"] for row in seen)]
        figure["metrics"] = {name: float(np.mean([row["metrics"][name] for row in seen])) for name in known}
        times = {entry.what: entry.median for entry in timed if entry.codec == codec.label}
        figure["seconds"] = {"encode": times["encode"], "look": times[finest]}
        figure["seconds"] |= {"decode": times["decode"]} if "decode" in times else {}
        figure["peak_megabytes"] = max(entry.megabytes for entry in commands if entry.what == codec.label)
    return figure


def _labels(rows: Sequence[Row], task: str) -> dict[str, Any]:
    """How often a task is right, and how many bytes it reads for that."""
    right = [100.0 * (row["ranks"][task] < 1) for row in rows]
    top1 = mean_of(right) if len(right) > 1 else Interval(right[0], float("nan"), float("nan"))
    read = float(np.mean([row["bytes_read"][task] for row in rows]))
    return {"top1": top1.value, "top1_95": [top1.low, top1.high], "bytes_read": read}


def _table(
    figures: Sequence[Mapping[str, Any]], things: Dataset, photos: Dataset, protocol: SystemsProtocol
) -> list[list[str]]:
    """One row a system."""
    metrics = find_metrics(protocol.metrics)
    head = ["system"]
    for task in protocol.tasks:
        head += [f"{things.name}: {task}, top-1 % (95 %)", "bytes read"]
    head += [f"{things.name}: bytes of a file", f"{photos.name}: bpp", *(metric.label for metric in metrics)]
    table = [[*head, "first label, bytes", "encode, ms", "look, ms", "decode, ms", "peak memory, MB"]]
    for figure in figures:
        row = [figure["system"]]
        for task in protocol.tasks:
            row += _label_cells(figure.get("tasks", {}).get(task))
        row += [_cell(figure.get("bytes"), 1), _cell(figure.get("bpp"), 3)]
        row += [_cell(figure.get("metrics", {}).get(metric.name), metric.decimals) for metric in metrics]
        row.append(_cell(figure.get("first_label"), 1))
        seconds = figure.get("seconds", {})
        row += [_cell(1000 * seconds[what] if what in seconds else None, 1) for what in ("encode", "look", "decode")]
        table.append([*row, _cell(figure.get("peak_megabytes"), 0)])
    return table


def _label_cells(labels: Mapping[str, Any] | None) -> list[str]:
    if labels is None:
        return [_NONE, _NONE]
    low, high = labels["top1_95"]
    interval = "" if isnan(low) else f" ({low:.1f} to {high:.1f})"
    return [f"{labels['top1']:.1f}{interval}", _cell(labels["bytes_read"], 1)]


def _cell(value: float | None, decimals: int) -> str:
    return _NONE if value is None else f"{value:.{decimals}f}"


def _table_of(rows: Sequence[Row]) -> Table:
    return Table(_COLUMNS, [[row[column] for column in _COLUMNS] for row in rows])
