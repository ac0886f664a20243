"""Labels and objects at each rate, of streams of features and of decoded pictures (protocols/tasks.yaml)."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

import semapix
from semapix.bundle import Bundle
from semapix.codecs import Codec, DetectingCodec, open_codec
from semapix.errors import ArgumentError
from semapix.evaluation.bjontegaard import Curve, bd_quality, bd_rate
from semapix.evaluation.bootstrap import bootstrap
from semapix.evaluation.datasets import Dataset, TestPicture, open_dataset, some_of
from semapix.evaluation.detection import average_precision
from semapix.evaluation.experiments._run import Run, bundles_of, complete, merged, those_with
from semapix.evaluation.findings import Findings
from semapix.evaluation.machine import machine_layers, rank_of
from semapix.evaluation.matching import Matched, match, precision_of
from semapix.evaluation.plots import Panel, draw
from semapix.evaluation.records import Record
from semapix.evaluation.runner import Job, Row, run_jobs
from semapix.evaluation.tested import Tested, choose, code, opened_bundle
from semapix.imaging import load
from semapix.stream import Reader
from semapix.tasks import CLASSIFY, Detections, Task, read_annotations

__all__ = ["TasksProtocol", "measure_tasks"]

_ORIGINAL = "not coded"
_ROUNDS = 400  # of the bootstrap of a BD figure
_INSTANCES = "instances_test.json"
_SEGMENT = "segment"


@dataclass(frozen=True)
class TasksProtocol:
    """The keys of protocols/tasks.yaml, which says what each is."""

    model: str
    codecs: Sequence[str]
    settings: Mapping[str, Sequence[float]]
    only: Mapping[str, Any]
    least: float
    person: str
    against: Sequence[str]


@dataclass(frozen=True)
class _Work:
    """A picture. `reader`: the bundle whose networks answer; of streams of features their own. `codec`: None for the
    original. `column`: of its label; None for objects.
    """

    picture: TestPicture
    reader: Path
    task: str
    column: str | None
    least: float
    codec: Tested | None
    setting: float


@dataclass(frozen=True)
class _Truth:
    """Objects of test pictures that a task knows. `content`: COCO-style. `ids`: categories by the task's names."""

    content: Mapping[str, Any]
    ids: Mapping[str, int]


def measure_tasks(dataset: Path, task: str | None, protocol: TasksProtocol, run: Run) -> Findings:
    """Ask a task of the protocol's model about every picture at every rate of every codec, and about the originals.

    `task`: by default `detect` where the data set has objects, and the finest classification where it has labels. A
    codec whose streams hold no pixels is asked on its features, by its own networks; others on what they decode.
    `run.model` stands for the protocol's model. Raises ArgumentError when a model or the data set has not what the task
    needs.
    """
    data = open_dataset(dataset)
    objects = (dataset / _INSTANCES).is_file()
    model = run.model or protocol.model
    (reader,), _ = choose([model], {})
    bundle = reader.bundle
    assert bundle is not None
    wanted = Task.find(bundle.manifest["tasks"], task or ("detect" if objects else CLASSIFY))
    column = _column(data, wanted, dataset) if wanted.kind == CLASSIFY else None
    if column is None and not objects:
        raise ArgumentError(f"{dataset}: has no {_INSTANCES}, which task {wanted.name!r} is held to")
    settings = {model if name == protocol.model else name: values for name, values in protocol.settings.items()}
    codecs, missing = choose([model if name == protocol.model else name for name in protocol.codecs], settings)
    own = [codec for codec in codecs if _holds_features(codec, wanted)]
    jobs = []
    for codec, setting in [(None, 0.0), *((c, setting) for c in codecs for setting in c.settings)]:
        for picture in some_of(those_with(data.pictures, protocol.only), run.limit):
            label = picture.columns[column] if column else None
            asked = codec if codec is not None and codec in own else reader
            depends = ["tasks", asked.depends, wanted.name, protocol.least, codec and codec.depends, setting]
            depends += [picture.name, picture.digest, label]
            name = f"{picture.name}, {f'{codec.name} at {setting:g}' if codec else 'original'}"
            assert asked.model is not None
            work = _Work(picture, asked.model, wanted.name, column, protocol.least, codec, setting)
            jobs.append(Job(name, work, depends))
    outcome = run_jobs(jobs, _measure, run.journal, processes=run.processes, title=f"{wanted.name}, {data.name}")
    names = {_ORIGINAL: _ORIGINAL, **{codec.name: codec.label for codec in codecs}}
    rows, uneven = complete(outcome.rows, list(names))
    judged = (
        _labels(rows, names) if column else _objects(rows, names, _truth(dataset, bundle, wanted), wanted, protocol)
    )
    figure = "top1" if column else "ap50_any"
    points = [point for measured in judged.values() for point in measured.points]
    return Findings(
        Record(
            f"task {wanted.name} on {data.name}",
            run.command,
            [bundle, *(b for b in bundles_of(codecs) if b != bundle)],
            settings={
                "protocol": asdict(protocol),
                "task": wanted.name,
                **{codec.name: codec.what for codec in codecs},
                "bpp": "bits of the file, headers included, per pixel; mean over pictures",
                "payload": "the same without what the container adds; of our own files, all of it",
                "intervals": f"bootstrap over pictures, paired, {_ROUNDS} rounds",
                "BD-rate": "of the points of each curve that are better than all cheaper ones",
                "ap50_any": "average precision at overlap 0.5 whatever the class; ar100_any: mean highest recall",
            },
            results={"points": points},
        ),
        {"Points": _table(points), **_bd_tables(judged, codecs, protocol.against, figure)},
        {"curves.png": lambda: _plot(points, figure, f"{data.name}, task {wanted.name}")} if points else {},
        [*missing, *uneven, *merged(outcome.failures)],
    )


def _holds_features(codec: Tested, task: Task) -> bool:
    """Whether the streams of a codec hold no pixels. Raises ArgumentError when they then cannot answer the task."""
    if codec.bundle is None or open_codec(codec.bundle).pixels:
        return False
    if Task.find(codec.bundle.manifest["tasks"], task.name).labels != task.labels:
        raise ArgumentError(f"codec {codec.name} holds no pixels, and has other labels of {task.name!r}; leave it out")
    return True


def _column(data: Dataset, task: Task, dataset: Path) -> str:
    """The column of the labels of a task."""
    space = data.space_of(task.labels)
    if space is None:
        raise ArgumentError(f"{dataset}: has no label space of task {task.name!r}, with {len(task.labels)} labels")
    return space.column


def _measure(work: _Work) -> list[Row]:
    """What the networks say of one picture."""
    pixels = load(work.picture.image).pixels
    codec = open_codec(opened_bundle(work.reader))
    row: Row = {
        "codec": work.codec.name if work.codec else _ORIGINAL,
        "setting": work.setting,
        "picture": work.picture.name,
        "pixels": pixels.shape[0] * pixels.shape[1],
        "bytes": 0,
        "payload": 0,
    }
    if work.codec is not None and work.codec.model == work.reader and not codec.pixels:
        size, answer = _ask_stream(pixels, work, codec)
        return [row | {"bytes": size, "payload": size} | answer]
    if work.codec is not None:
        coded = code(work.codec, work.setting, pixels)
        pixels = coded.pixels
        row |= {"bytes": coded.size, "payload": coded.payload}
    if work.column is not None:
        return [row | _right(work, codec.uncoded_scores(pixels, work.task))]
    assert isinstance(codec, DetectingCodec)
    return [row | _found(work, codec.uncoded_detections(pixels, work.task, least=work.least, distinct=False))]


def _ask_stream(pixels: NDArray[np.uint8], work: _Work, codec: Codec) -> tuple[int, dict[str, Any]]:
    """Bytes of a stream of features, and what it answers, through a real file cut behind the layers that it reads."""
    bundle = opened_bundle(work.reader)
    layers = Task.find(bundle.manifest["tasks"], work.task).layers
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "picture.spix"
        semapix.encode(pixels, bundle.codec, int(work.setting), bundle).save(file, layers=layers)
        size = file.stat().st_size
        if work.column is None:
            return size, _found(work, semapix.open(file, bundle).detect(work.task, least=work.least, distinct=False))
        return size, _right(work, codec.scores(*machine_layers(Reader(file), layers), work.task))


def _right(work: _Work, scores: NDArray[np.float32]) -> dict[str, Any]:
    return {"rank": rank_of(work.picture.columns[str(work.column)], scores)}


def _found(work: _Work, found: Detections) -> dict[str, Any]:
    """Objects as COCO writes results, but for their class, which is a name."""
    entries = []
    for thing in found:
        x0, y0, x1, y1 = thing.box
        entry: dict[str, Any] = {"label": thing.name, "score": thing.score, "bbox": [x0, y0, x1 - x0, y1 - y0]}
        if thing.mask is not None:
            entry["segmentation"] = thing.mask.to_coco()
        entries.append({"image_id": work.picture.columns["image_id"], **entry})
    return {"objects": entries}


def _truth(dataset: Path, bundle: Bundle, task: Task) -> _Truth:
    """Objects of the classes that a task knows, under the names that the model has for them."""
    content, _ = read_annotations(dataset / _INSTANCES)
    aliases = bundle.manifest["recipe"]["data"]["aliases"]
    ids = {aliases.get(entry["name"], entry["name"]): entry["id"] for entry in content["categories"]}
    ids = {name: number for name, number in ids.items() if name in task.labels}
    kept = [thing for thing in content["annotations"] if thing["category_id"] in ids.values()]
    # What a data set calls difficult is treated as a crowd: neither missed nor wrong.
    kept = [{**thing, "iscrowd": int(bool(thing.get("iscrowd") or thing.get("ignore")))} for thing in kept]
    categories = [{"id": number, "name": name} for name, number in ids.items()]
    return _Truth({"images": content["images"], "annotations": kept, "categories": categories}, ids)


@dataclass(frozen=True)
class _Judged:
    """A codec. `points`: figures in percent at each setting. `rates`: payload bits per pixel (S, N).

    `figure`: the main one of a setting, over chosen pictures.
    """

    points: list[dict[str, Any]]
    rates: NDArray[np.float64]
    figure: Callable[[int, NDArray[np.intp]], float]

    def curve(self, chosen: NDArray[np.intp]) -> Curve:
        """The main figure over the rate, of chosen pictures."""
        figures = [100 * self.figure(setting, chosen) for setting in range(len(self.rates))]
        return Curve(self.rates[:, chosen].mean(axis=1).tolist(), figures)


def _settings(rows: Sequence[Row], codec: str) -> list[list[Row]]:
    """Rows of each setting of a codec, pictures in one order."""
    by_setting: dict[float, list[Row]] = {}
    for row in sorted((row for row in rows if row["codec"] == codec), key=lambda row: str(row["picture"])):
        by_setting.setdefault(row["setting"], []).append(row)
    return list(by_setting.values())


def _point(rows: Sequence[Row], label: str) -> dict[str, Any]:
    rates = {
        name: float(np.mean([8 * row[key] / row["pixels"] for row in rows]))
        for name, key in (("bpp", "bytes"), ("payload_bpp", "payload"))
    }
    return {"of": label, "setting": rows[0]["setting"], "pictures": len(rows), **rates}


def _rates(settings: Sequence[Sequence[Row]]) -> NDArray[np.float64]:
    return np.array([[8 * row["payload"] / row["pixels"] for row in same] for same in settings])


def _labels(rows: Sequence[Row], names: Mapping[str, str]) -> dict[str, _Judged]:
    judged = {}
    for codec, label in names.items():
        if not (settings := _settings(rows, codec)):
            continue
        ranks = np.array([[row["rank"] for row in same] for same in settings])
        points = [
            {**_point(same, label), **{f"top{top}": 100 * float((own < top).mean()) for top in (1, 5)}}
            for same, own in zip(settings, ranks, strict=True)
        ]
        judged[codec] = _Judged(points, _rates(settings), partial(_share_right, ranks))
    return judged


def _share_right(ranks: NDArray[np.int64], setting: int, chosen: NDArray[np.intp]) -> float:
    return float((ranks[setting, chosen] == 0).mean())


def _objects(
    rows: Sequence[Row], names: Mapping[str, str], truth: _Truth, task: Task, protocol: TasksProtocol
) -> dict[str, _Judged]:
    kind: Literal["box", "mask"] = "mask" if task.kind == _SEGMENT else "box"
    sizes = {entry["id"]: (entry["width"], entry["height"]) for entry in truth.content["images"]}
    numbers = {entry["file_name"]: entry["id"] for entry in truth.content["images"]}
    things: dict[int, list[Mapping[str, Any]]] = {}
    for thing in truth.content["annotations"]:
        things.setdefault(thing["image_id"], []).append(thing)
    person = truth.ids.get(protocol.person)
    judged = {}
    for codec, label in names.items():
        if not (settings := _settings(rows, codec)):
            continue
        points, matched = [], []
        for same in settings:
            images = [numbers[row["picture"]] for row in same]
            found = [entry for row in same for entry in row["objects"]]
            classed = [
                {**entry, "category_id": truth.ids[entry["label"]]} for entry in found if entry["label"] in truth.ids
            ]
            point = _point(same, label)
            any_class = average_precision(truth.content, found, kind, class_agnostic=True, images=images)
            by_class = average_precision(truth.content, classed, kind, images=images)
            point |= {"ap50_any": 100 * any_class.ap50, "ar100_any": 100 * any_class.ar}
            point |= {"ap50": 100 * by_class.ap50, "ap": 100 * by_class.ap}
            if person is not None:
                only = _of_class(truth.content, person)
                theirs = [entry for entry in classed if entry["category_id"] == person]
                point["person_ap50"] = 100 * average_precision(only, theirs, kind, images=images).ap50
            points.append(point)
            matched.append(
                [
                    match(things.get(image, []), row["objects"], sizes[image], kind)
                    for image, row in zip(images, same, strict=True)
                ]
            )
        judged[codec] = _Judged(points, _rates(settings), partial(_precision, matched))
    return judged


def _of_class(content: Mapping[str, Any], number: int) -> dict[str, Any]:
    """The objects of one class."""
    return {
        "images": content["images"],
        "annotations": [thing for thing in content["annotations"] if thing["category_id"] == number],
        "categories": [entry for entry in content["categories"] if entry["id"] == number],
    }


def _precision(matched: Sequence[Sequence[Matched]], setting: int, chosen: NDArray[np.intp]) -> float:
    return precision_of([matched[setting][i] for i in chosen])


def _table(points: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    if not points:
        return [["codec", "setting", "pictures", "bpp", "payload bpp"]]
    figures = [key for key in points[0] if key not in ("of", "setting", "pictures", "bpp", "payload_bpp")]
    table = [["codec", "setting", "pictures", "bpp", "payload bpp", *(f"{figure} %" for figure in figures)]]
    for point in points:
        coded = point["of"] != _ORIGINAL
        rates = [f"{point[key]:.4f}" if coded else "" for key in ("bpp", "payload_bpp")]
        setting = f"{point['setting']:g}" if coded else ""
        row = [point["of"], setting, str(point["pictures"]), *rates]
        table.append([*row, *(f"{point[figure]:.1f}" for figure in figures)])
    return table


def _bd_tables(
    judged: Mapping[str, _Judged], codecs: Sequence[Tested], against: Sequence[str], figure: str
) -> dict[str, list[list[str]]]:
    """Mean differences in the figure at the same rate, and in the rate at the same figure, with 95 % intervals."""
    tables = {}
    for reference in (codec for codec in codecs if codec.name in against and codec.name in judged):
        table = [["codec", f"BD-{figure}, points", "95 %", "overlap, bpp", "BD-rate", "95 %", f"overlap, {figure} %"]]
        base = judged[reference.name]
        for codec in codecs:
            if codec == reference or codec.name not in judged:
                continue
            own = judged[codec.name]
            better = _compared(own, base, _quality, "{:+.1f}", "{:.3f}")
            cheaper = _compared(own, base, _rate, "{:+.1f} %", "{:.1f}")
            table.append([codec.label, *better, *cheaper])
        tables[f"Against {reference.label}, at the rate of payloads"] = table
    return tables


def _quality(test: Curve, reference: Curve) -> tuple[float, tuple[float, float]]:
    found = bd_quality(test, reference)
    return found.difference, found.rates


def _rate(test: Curve, reference: Curve) -> tuple[float, tuple[float, float]]:
    found = bd_rate(test.rising, reference.rising)
    return found.percent, found.qualities


def _compared(
    test: _Judged,
    reference: _Judged,
    difference: Callable[[Curve, Curve], tuple[float, tuple[float, float]]],
    form: str,
    range_form: str,
) -> list[str]:
    """A difference, its interval, and the range that both curves reach, as cells; or why there is none."""
    count = test.rates.shape[1]

    def figure(chosen: NDArray[np.intp]) -> float:
        return difference(test.curve(chosen), reference.curve(chosen))[0]

    try:
        _, (low, high) = difference(test.curve(np.arange(count)), reference.curve(np.arange(count)))
        interval = bootstrap(count, figure, _ROUNDS)
    except ArgumentError as error:
        return ["none", "", str(error)]
    ends = " to ".join(form.format(end) for end in (interval.low, interval.high))
    return [form.format(interval.value), ends, " to ".join(range_form.format(end) for end in (low, high))]


def _plot(points: Sequence[Mapping[str, Any]], figure: str, title: str) -> Figure:
    series: dict[str, list[tuple[float, float]]] = {}
    for point in points:
        if point["of"] != _ORIGINAL:
            series.setdefault(point["of"], []).append((point["payload_bpp"], point[figure]))
    levels = {point["of"]: point[figure] for point in points if point["of"] == _ORIGINAL}
    panel = Panel("rate (payload bits per pixel)", f"{figure} (%)", series, levels=levels, logarithmic=True)
    return draw([panel], title)
