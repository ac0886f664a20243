"""What a network that is no part of a codec sees in decoded pictures (protocols/judge.yaml)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from semapix.errors import ArgumentError
from semapix.evaluation.bjontegaard import Curve, bd_quality
from semapix.evaluation.bootstrap import Interval, bootstrap
from semapix.evaluation.datasets import Dataset, TestPicture, open_dataset, some_of
from semapix.evaluation.experiments._run import Run, bundles_of, complete, merged, those_with
from semapix.evaluation.findings import Findings
from semapix.evaluation.judges import Classifier, OwnClassifier, Segmenter
from semapix.evaluation.machine import rank_of
from semapix.evaluation.metrics import METRICS, Metric, find_metrics
from semapix.evaluation.plots import Panel, draw
from semapix.evaluation.records import Record, Table
from semapix.evaluation.runner import Job, Row, run_jobs
from semapix.evaluation.segmentation import IGNORED, confusion, mean_iou
from semapix.evaluation.tested import Tested, choose, code
from semapix.imaging import load

__all__ = ["JudgeProtocol", "measure_judge"]

_MASK = "mask"
_CLASSES = 21  # of PASCAL VOC, with the background
_ORIGINAL = "not coded"
_ROUNDS = 400  # of the bootstrap of a BD-accuracy


@dataclass(frozen=True)
class JudgeProtocol:
    """The keys of protocols/judge.yaml, which says what each is."""

    codecs: Sequence[str]
    settings: Mapping[str, Sequence[float]]
    label: str
    against: Sequence[str]
    metrics: Sequence[str]
    pairs: Sequence[Sequence[str]]
    pair_rates: Sequence[float]
    only: Mapping[str, Any]


@dataclass(frozen=True)
class _Work:
    """A picture. `codec`: None for the original."""

    picture: TestPicture
    network: Path
    codec: Tested | None
    setting: float
    label: str
    metrics: tuple[str, ...]


def measure_judge(dataset: Path, network: Path, protocol: JudgeProtocol, run: Run) -> Findings:
    """Decode every picture from every codec at every setting, and ask the network; its answer to the originals beside.

    Pictures with masks are segmented, others are classified. `network`: a .tflite file, or the run folder of a
    classifier of ours. Raises ArgumentError when a picture has neither a mask nor a label in the protocol's column, or
    the network is not of the kind that is needed.
    """
    data = open_dataset(dataset)
    data = replace(data, pictures=those_with(data.pictures, protocol.only))
    masked = [picture for picture in data.pictures if _MASK in picture.columns]
    pictures = some_of(masked or data.pictures, run.limit)
    if not masked and any(protocol.label not in picture.columns for picture in pictures):
        raise ArgumentError(f"{dataset}: has neither masks nor a column {protocol.label!r}; a judge needs the truth")
    find_metrics(protocol.metrics)
    what = _checked(network, data, protocol.label, masked=bool(masked))
    codecs, missing = choose(protocol.codecs, protocol.settings, run.model)
    _check_pairs(protocol, [*(codec.name for codec in codecs), *(failure.name for failure in missing)])
    digest = TestPicture("", network / "classifier.ckpt" if network.is_dir() else network).digest
    jobs = []
    for codec, setting in [(None, 0.0), *((c, setting) for c in codecs for setting in c.settings)]:
        for picture in pictures:
            mask = picture.columns.get(_MASK)
            truth = TestPicture("", mask).digest if mask else picture.columns[protocol.label]
            of = codec and codec.depends
            depends = ["judge", digest, of, setting, picture.name, picture.digest, truth, list(protocol.metrics)]
            name = f"{picture.name}, {f'{codec.name} at {setting:g}' if codec else 'original'}"
            work = _Work(picture, network, codec, setting, protocol.label, tuple(protocol.metrics))
            jobs.append(Job(name, work, depends))
    outcome = run_jobs(jobs, _measure, run.journal, processes=run.processes, title=f"judge, {data.name}")
    names = {_ORIGINAL: _ORIGINAL, **{codec.name: codec.label for codec in codecs}}
    rows, uneven = complete(outcome.rows, list(names))
    figures = [*(["miou"] if masked else ["top1", "top5"]), *protocol.metrics]
    points = _points(rows, names, protocol.metrics, masked=bool(masked))
    columns = ["codec", "setting", "picture", "pixels", "bytes", "payload", "rank", "right", *protocol.metrics]
    pairs = _pairs(rows, codecs, protocol, figures)
    return Findings(
        Record(
            f"judge on {data.name}",
            run.command,
            bundles_of(codecs),
            settings={
                "protocol": asdict(protocol),
                **{codec.name: codec.what for codec in codecs},
                "judge": f"{what} ({digest})",
                "bpp": "bits of the file, headers included, per pixel; mean over pictures",
                "intervals": f"bootstrap over pictures, paired, {_ROUNDS} rounds",
                "miou": f"of {_CLASSES} classes over all pixels of all pictures; class {IGNORED} of masks is ignored",
            },
            results={"points": points, "pairs": pairs},
            tables={}
            if masked
            else {"pictures": Table(columns, [[row.get(column) for column in columns] for row in outcome.rows])},
        ),
        {
            "Points": _table(points, figures),
            **_bd_tables(rows, codecs, protocol.against, figures[0]),
            **({_pair_title(protocol): _pair_table(pairs)} if pairs else {}),
        },
        {"curves.png": lambda: _plot(points, figures, data.name)} if points else {},
        [*missing, *uneven, *merged(outcome.failures)],
    )


@lru_cache(maxsize=1)
def _open(network: Path, segment: bool) -> Classifier | OwnClassifier | Segmenter:
    """Each process opens the network once."""
    if segment:
        return Segmenter(network)
    return OwnClassifier(network) if network.is_dir() else Classifier(network)


def _checked(network: Path, data: Dataset, label: str, *, masked: bool) -> str:
    """What the judge is, a line. A wrong file, or labels that it does not know, are an error now, once."""
    judge = _open(network, masked)
    if not isinstance(judge, OwnClassifier):
        return network.name
    space = data.space_of(judge.labels)
    if space is None or space.column != label:
        raise ArgumentError(f"{data.folder}: column {label!r} has not the {len(judge.labels)} labels of {network.name}")
    return judge.what


def _check_pairs(protocol: JudgeProtocol, known: Sequence[str]) -> None:
    for pair in protocol.pairs:
        if len(pair) != 2 or not set(pair) <= set(known) or pair[0] == pair[1]:
            raise ArgumentError(f"a pair ({', '.join(map(str, pair))}) must be two of the codecs: {', '.join(known)}")
    if len(protocol.pair_rates) != 2 or not 0 < protocol.pair_rates[0] < protocol.pair_rates[1]:
        raise ArgumentError(f"pair_rates (={list(protocol.pair_rates)}) must be a lower and a higher rate")


def _measure(task: _Work) -> list[Row]:
    """What the network says of one picture."""
    picture = task.picture
    judge = _open(task.network, _MASK in picture.columns)
    original = pixels = load(picture.image).pixels
    size = payload = 0
    measured: Row = {}
    if task.codec:
        coded = code(task.codec, task.setting, pixels)
        size, payload, pixels = coded.size, coded.payload, coded.pixels
        measured = {
            metric.name: metric.measure(pixels, original)
            for metric in find_metrics(task.metrics)
            if min(original.shape[:2]) >= metric.smallest_side
        }
    row: Row = {
        "codec": task.codec.name if task.codec else _ORIGINAL,
        "setting": task.setting,
        "picture": picture.name,
        "pixels": pixels.shape[0] * pixels.shape[1],
        "bytes": size,
        "payload": payload,
        "rank": None,
        "right": None,
        **measured,
    }
    if not isinstance(judge, Segmenter):
        return [row | {"rank": rank_of(picture.columns[task.label], judge.scores(pixels))}]
    with Image.open(picture.columns[_MASK]) as image:
        truth = np.asarray(image)
    counts = confusion(judge.mask(pixels), truth, _CLASSES)
    return [row | {"confusion": counts.tolist(), "right": float(np.trace(counts) / counts.sum())}]


def _points(
    rows: Sequence[Row], names: Mapping[str, str], metrics: Sequence[str], *, masked: bool
) -> list[dict[str, Any]]:
    """Figures of each codec and setting."""
    points = []
    for codec, setting in dict.fromkeys((row["codec"], row["setting"]) for row in rows):
        same = [row for row in rows if (row["codec"], row["setting"]) == (codec, setting)]
        point = {"of": names[codec], "setting": setting, "pictures": len(same)}
        point["bpp"] = float(np.mean([8 * row["bytes"] / row["pixels"] for row in same]))
        if masked:
            point["miou"] = 100 * mean_iou(np.sum([row["confusion"] for row in same], axis=0))
        else:
            for top in (1, 5):
                point[f"top{top}"] = 100 * float(np.mean([row["rank"] < top for row in same]))
        for metric in metrics if codec != _ORIGINAL else ():
            point[metric] = float(np.mean([row.get(metric, np.nan) for row in same]))
        points.append(point)
    return points


def _title(figure: str) -> str:
    return METRICS[figure].label if figure in METRICS else f"{figure} %"


def _table(points: Sequence[Mapping[str, Any]], figures: Sequence[str]) -> list[list[str]]:
    table = [["codec", "setting", "pictures", "bpp", *map(_title, figures)]]
    for point in points:
        setting = f"{point['setting']:g}" if point["of"] != _ORIGINAL else ""
        bpp = f"{point['bpp']:.3f}" if point["of"] != _ORIGINAL else ""
        cells = [_cell(point[key], METRICS.get(key)) if key in point else "" for key in figures]
        table.append([point["of"], setting, str(point["pictures"]), bpp, *cells])
    return table


def _cell(value: float, metric: Metric | None) -> str:
    return f"{value:.{metric.decimals if metric else 1}f}"


def _pairs(
    rows: Sequence[Row], codecs: Sequence[Tested], protocol: JudgeProtocol, figures: Sequence[str]
) -> list[dict[str, Any]]:
    """Mean differences of each figure between the codecs of each pair, at the same rates, with intervals.

    Rates are those of files; where another codec's files have containers, those without them as well.
    """
    own = {codec.name: codec.model is not None for codec in codecs}
    within = float(protocol.pair_rates[0]), float(protocol.pair_rates[1])
    found = []
    for test, reference in protocol.pairs:
        mine = [[row for row in rows if row["codec"] == name] for name in (test, reference)]
        if not all(mine):
            continue  # not installed, or failed: it is named among what could not be measured
        for rate in ("bytes",) if own[test] and own[reference] else ("bytes", "payload"):
            for figure in figures:
                one, other = (_Pictures.of(same, figure, rate) for same in mine)
                entry: dict[str, Any] = {"codec": test, "over": reference, "rate": rate, "figure": figure}
                try:
                    entry["rates"] = list(bd_quality(one.curve(), other.curve(), within).rates)
                    interval = _interval(one, other, within)
                    entry |= {"difference": interval.value, "interval": [interval.low, interval.high]}
                except ArgumentError as error:
                    entry["why_none"] = str(error)
                found.append(entry)
    return found


def _pair_title(protocol: JudgeProtocol) -> str:
    low, high = protocol.pair_rates
    return f"Pairs, mean difference between {low:g} and {high:g} bpp"


def _pair_table(pairs: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    table = [["codec", "over", "rate of", "figure", "difference", "95 % over pictures", "overlap, bpp"]]
    for pair in pairs:
        kind = "files" if pair["rate"] == "bytes" else "payloads"
        names = [pair["codec"], pair["over"], kind, _title(pair["figure"])]
        if "why_none" in pair:
            table.append([*names, "none", "", pair["why_none"]])
            continue
        (low, high), (least, most) = pair["interval"], pair["rates"]
        digits = METRICS[pair["figure"]].decimals + 1 if pair["figure"] in METRICS else 1
        ends = f"{low:+.{digits}f} to {high:+.{digits}f}"
        table.append([*names, f"{pair['difference']:+.{digits}f}", ends, f"{least:.2f} to {most:.2f}"])
    return table


def _bd_tables(
    rows: Sequence[Row], codecs: Sequence[Tested], against: Sequence[str], figure: str
) -> dict[str, list[list[str]]]:
    """Mean differences in accuracy at the same rate, with 95 % intervals over pictures."""
    measured = {codec.label: _Pictures.of([r for r in rows if r["codec"] == codec.name], figure) for codec in codecs}
    tables = {}
    for reference in (codec.label for codec in codecs if codec.name in against and measured[codec.label].count):
        table = [["codec", f"BD-{figure}, points", "95 % over pictures", "overlap, bpp"]]
        for codec, pictures in measured.items():
            if codec == reference or not pictures.count:
                continue
            try:
                low, high = bd_quality(pictures.curve(), measured[reference].curve()).rates
                interval = _interval(pictures, measured[reference])
            except ArgumentError as error:
                table.append([codec, "none", "", str(error)])
                continue
            ends = f"{interval.low:+.1f} to {interval.high:+.1f}"
            table.append([codec, f"{interval.value:+.1f}", ends, f"{low:.2f} to {high:.2f}"])
        tables[f"Against {reference}"] = table
    return tables


@dataclass(frozen=True)
class _Pictures:
    """What was measured of one codec: settings in rows, pictures in columns.

    `rates`: bits per pixel (S, N). `answers`: a figure (S, N), or counts (S, N, 21, 21).
    """

    rates: NDArray[np.float64]
    answers: NDArray[np.float64]

    @classmethod
    def of(cls, rows: Sequence[Row], figure: str, rate: str = "bytes") -> _Pictures:
        by_setting: dict[float, list[Row]] = {}
        for row in sorted(rows, key=lambda row: str(row["picture"])):
            by_setting.setdefault(row["setting"], []).append(row)
        lists = list(by_setting.values())
        return cls(
            np.array([[8 * row[rate] / row["pixels"] for row in same] for same in lists], np.float64),
            np.array([[_answer(row, figure) for row in same] for same in lists], np.float64),
        )

    @property
    def count(self) -> int:
        """Number of pictures."""
        return self.rates.shape[1] if self.rates.size else 0

    def curve(self, chosen: NDArray[np.intp] | None = None) -> Curve:
        """The figure over the rate, of the chosen pictures."""
        numbers = np.arange(self.count) if chosen is None else chosen
        answers = self.answers[:, numbers]
        means = [100 * mean_iou(a.sum(axis=0)) if a.ndim == 3 else float(a.mean()) for a in answers]
        return Curve(self.rates[:, numbers].mean(axis=1).tolist(), means)


def _answer(row: Row, figure: str) -> Any:
    """What one picture adds to a figure: percent right, counts of classes, or its value of a metric."""
    if figure == "miou":
        return row["confusion"]
    tops = {"top1": 1, "top5": 5}
    return 100.0 * (row["rank"] < tops[figure]) if figure in tops else row.get(figure, np.nan)


def _interval(test: _Pictures, reference: _Pictures, within: tuple[float, float] | None = None) -> Interval:
    """The mean difference between two codecs' curves, with its 95 % interval over pictures, paired."""

    def difference(chosen: NDArray[np.intp]) -> float:
        return bd_quality(test.curve(chosen), reference.curve(chosen), within).difference

    return bootstrap(test.count, difference, _ROUNDS)


def _plot(points: Sequence[Mapping[str, Any]], figures: Sequence[str], name: str) -> Figure:
    panels = []
    for figure in figures:
        series: dict[str, list[tuple[float, float]]] = {}
        for point in points:
            if point["of"] != _ORIGINAL:
                series.setdefault(point["of"], []).append((point["bpp"], point[figure]))
        levels = {point["of"]: point[figure] for point in points if point["of"] == _ORIGINAL and figure in point}
        panels.append(Panel("rate (bits per pixel, headers included)", _title(figure), series, levels=levels))
    return draw(panels, f"{name}: what the judge sees in decoded pictures")
