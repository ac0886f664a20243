"""What an outside network sees in decoded pictures (protocols/judge.yaml)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from semapix.errors import ArgumentError
from semapix.evaluation.bjontegaard import Curve, bd_quality
from semapix.evaluation.bootstrap import bootstrap
from semapix.evaluation.datasets import TestPicture, open_dataset, some_of
from semapix.evaluation.experiments._run import Run, bundles_of, complete, merged
from semapix.evaluation.findings import Findings
from semapix.evaluation.judges import Classifier, Segmenter
from semapix.evaluation.machine import rank_of
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


@dataclass(frozen=True)
class _Work:
    """A picture. `codec`: None for the original."""

    picture: TestPicture
    network: Path
    codec: Tested | None
    setting: float
    label: str


def measure_judge(dataset: Path, network: Path, protocol: JudgeProtocol, run: Run) -> Findings:
    """Decode every picture from every codec at every setting, and ask the network; its answer to the originals beside.

    Pictures with masks are segmented, others are classified. Raises ArgumentError when a picture has neither a mask nor
    a label in the protocol's column, or the network is not of the kind that is needed.
    """
    data = open_dataset(dataset)
    masked = [picture for picture in data.pictures if _MASK in picture.columns]
    pictures = some_of(masked or data.pictures, run.limit)
    if not masked and any(protocol.label not in picture.columns for picture in pictures):
        raise ArgumentError(f"{dataset}: has neither masks nor a column {protocol.label!r}; a judge needs the truth")
    _open(network, bool(masked))  # a wrong file is an error now, not one for each picture
    codecs, missing = choose(protocol.codecs, protocol.settings, run.model)
    digest = TestPicture("", network).digest
    jobs = []
    for codec, setting in [(None, 0.0), *((c, setting) for c in codecs for setting in c.settings)]:
        for picture in pictures:
            mask = picture.columns.get(_MASK)
            truth = TestPicture("", mask).digest if mask else picture.columns[protocol.label]
            of = codec and codec.depends
            depends = ["judge", digest, of, setting, picture.name, picture.digest, truth]
            name = f"{picture.name}, {f'{codec.name} at {setting:g}' if codec else 'original'}"
            jobs.append(Job(name, _Work(picture, network, codec, setting, protocol.label), depends))
    outcome = run_jobs(jobs, _measure, run.journal, processes=run.processes, title=f"judge, {data.name}")
    names = {_ORIGINAL: _ORIGINAL, **{codec.name: codec.label for codec in codecs}}
    rows, uneven = complete(outcome.rows, list(names))
    figures = ["miou"] if masked else ["top1", "top5"]
    points = _points(rows, names, masked=bool(masked))
    columns = ["codec", "setting", "picture", "pixels", "bytes", "payload", "rank", "right"]
    return Findings(
        Record(
            f"judge on {data.name}",
            run.command,
            bundles_of(codecs),
            settings={
                "protocol": asdict(protocol),
                **{codec.name: codec.what for codec in codecs},
                "judge": f"{network.name} ({digest})",
                "bpp": "bits of the file, headers included, per pixel; mean over pictures",
                "intervals": f"bootstrap over pictures, paired, {_ROUNDS} rounds",
                "miou": f"of {_CLASSES} classes over all pixels of all pictures; class {IGNORED} of masks is ignored",
            },
            results={"points": points},
            tables={}
            if masked
            else {"pictures": Table(columns, [[row[column] for column in columns] for row in outcome.rows])},
        ),
        {"Points": _table(points, figures), **_bd_tables(rows, codecs, protocol.against, figures[0])},
        {"curves.png": lambda: _plot(points, figures, data.name)} if points else {},
        [*missing, *uneven, *merged(outcome.failures)],
    )


@lru_cache(maxsize=1)
def _open(network: Path, segment: bool) -> Classifier | Segmenter:
    """Each process opens the network once."""
    return Segmenter(network) if segment else Classifier(network)


def _measure(task: _Work) -> list[Row]:
    """What the network says of one picture."""
    picture = task.picture
    judge = _open(task.network, _MASK in picture.columns)
    pixels = load(picture.image).pixels
    size = payload = 0
    if task.codec:
        coded = code(task.codec, task.setting, pixels)
        size, payload, pixels = coded.size, coded.payload, coded.pixels
    row: Row = {
        "codec": task.codec.name if task.codec else _ORIGINAL,
        "setting": task.setting,
        "picture": picture.name,
        "pixels": pixels.shape[0] * pixels.shape[1],
        "bytes": size,
        "payload": payload,
        "rank": None,
        "right": None,
    }
    if isinstance(judge, Classifier):
        return [row | {"rank": rank_of(picture.columns[task.label], judge.scores(pixels))}]
    with Image.open(picture.columns[_MASK]) as image:
        truth = np.asarray(image)
    counts = confusion(judge.mask(pixels), truth, _CLASSES)
    return [row | {"confusion": counts.tolist(), "right": float(np.trace(counts) / counts.sum())}]


def _points(rows: Sequence[Row], names: Mapping[str, str], *, masked: bool) -> list[dict[str, Any]]:
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
        points.append(point)
    return points


def _table(points: Sequence[Mapping[str, Any]], figures: Sequence[str]) -> list[list[str]]:
    table = [["codec", "setting", "pictures", "bpp", *(f"{figure} %" for figure in figures)]]
    for point in points:
        setting = f"{point['setting']:g}" if point["of"] != _ORIGINAL else ""
        bpp = f"{point['bpp']:.3f}" if point["of"] != _ORIGINAL else ""
        table.append([point["of"], setting, str(point["pictures"]), bpp, *(f"{point[key]:.1f}" for key in figures)])
    return table


def _bd_tables(
    rows: Sequence[Row], codecs: Sequence[Tested], against: Sequence[str], figure: str
) -> dict[str, list[list[str]]]:
    """Mean differences in accuracy at the same rate, with 95 % intervals over pictures."""
    measured = {codec.label: _Pictures.of([row for row in rows if row["codec"] == codec.name]) for codec in codecs}
    tables = {}
    for reference in (codec.label for codec in codecs if codec.name in against and measured[codec.label].count):
        table = [["codec", f"BD-{figure}, points", "95 % over pictures", "overlap, bpp"]]
        for codec, pictures in measured.items():
            if codec == reference or not pictures.count:
                continue
            try:
                low, high = bd_quality(pictures.curve(), measured[reference].curve()).rates
                interval = bootstrap(pictures.count, partial(_difference, pictures, measured[reference]), _ROUNDS)
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

    `rates`: bits per pixel (S, N). `answers`: whether the first answer was right (S, N), or counts (S, N, 21, 21).
    """

    rates: NDArray[np.float64]
    answers: NDArray[np.float64]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> _Pictures:
        by_setting: dict[float, list[Row]] = {}
        for row in sorted(rows, key=lambda row: str(row["picture"])):
            by_setting.setdefault(row["setting"], []).append(row)
        lists = list(by_setting.values())
        return cls(
            np.array([[8 * row["bytes"] / row["pixels"] for row in same] for same in lists], np.float64),
            np.array([[row.get("confusion", row["rank"] == 0) for row in same] for same in lists], np.float64),
        )

    @property
    def count(self) -> int:
        """Number of pictures."""
        return self.rates.shape[1] if self.rates.size else 0

    def curve(self, chosen: NDArray[np.intp] | None = None) -> Curve:
        """Accuracy in percent over rate, of the chosen pictures."""
        numbers = np.arange(self.count) if chosen is None else chosen
        answers = self.answers[:, numbers]
        shares = [mean_iou(a.sum(axis=0)) if a.ndim == 3 else float(a.mean()) for a in answers]
        return Curve(self.rates[:, numbers].mean(axis=1).tolist(), [100 * share for share in shares])


def _difference(test: _Pictures, reference: _Pictures, chosen: NDArray[np.intp]) -> float:
    return bd_quality(test.curve(chosen), reference.curve(chosen)).difference


def _plot(points: Sequence[Mapping[str, Any]], figures: Sequence[str], name: str) -> Figure:
    panels = []
    for figure in figures:
        series: dict[str, list[tuple[float, float]]] = {}
        for point in points:
            if point["of"] != _ORIGINAL:
                series.setdefault(point["of"], []).append((point["bpp"], point[figure]))
        levels = {point["of"]: point[figure] for point in points if point["of"] == _ORIGINAL}
        panels.append(Panel("rate (bits per pixel, headers included)", f"{figure} (%)", series, levels=levels))
    return draw(panels, f"{name}: what an outside network sees in decoded pictures")
