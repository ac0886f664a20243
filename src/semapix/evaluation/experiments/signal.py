"""Rate and distortion: every codec at every setting on every picture, through real files (protocols/signal.yaml)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

import semapix
from semapix.bundle import Bundle
from semapix.errors import ArgumentError
from semapix.evaluation.bjontegaard import BdRate, Curve, bd_rate
from semapix.evaluation.bootstrap import Interval, bootstrap
from semapix.evaluation.datasets import Dataset, TestPicture, open_dataset, some_of
from semapix.evaluation.experiments._run import Run, bundles_of, complete, merged
from semapix.evaluation.findings import Findings
from semapix.evaluation.metrics import Metric, find_metrics
from semapix.evaluation.plots import Panel, draw
from semapix.evaluation.published import published_curves
from semapix.evaluation.records import Record, Table
from semapix.evaluation.runner import Job, Row, run_jobs
from semapix.evaluation.sheet import Cell, contact_sheet, middle
from semapix.evaluation.tested import Tested, choose, code
from semapix.imaging import load

__all__ = ["SignalProtocol", "measure_signal"]

_ROUNDS = 400  # of the bootstrap of a BD-rate


@dataclass(frozen=True)
class SignalProtocol:
    """The keys of protocols/signal.yaml, which says what each is. `lpips`: the network of LPIPS, a file."""

    codecs: Sequence[str]
    settings: Mapping[str, Sequence[float]]
    metrics: Sequence[str]
    against: Sequence[str]
    bd_metrics: Sequence[str]
    published: Sequence[str]
    sheet_bpp: float
    sheet_pictures: int
    sheet_side: int
    lpips: str | None = None


@dataclass(frozen=True)
class _Work:
    picture: TestPicture
    codec: Tested
    setting: float
    metrics: tuple[str, ...]
    lpips: str | None


@dataclass(frozen=True)
class _Difference:
    """A BD-rate of curves of means with its interval over pictures, and the percent of each picture's `own` curves.

    `own` leaves out pictures whose curves do not overlap, or do not rise.
    """

    of_means: BdRate
    interval: Interval
    own: Mapping[str, float]

    @property
    def own_mean(self) -> str:
        """The mean of `own` with its sign, and of how many pictures it is."""
        return f"{np.mean(list(self.own.values())):+.1f} of {len(self.own)}" if self.own else "none"


@dataclass(frozen=True)
class _Point:
    """Means over the pictures at one setting."""

    setting: float
    bpp: float
    payload_bpp: float
    values: Mapping[str, float]
    overhead: float | None


def measure_signal(dataset: Path, protocol: SignalProtocol, run: Run) -> Findings:
    """Code every picture of a data set with every codec at every setting.

    Raises ArgumentError for a folder without pictures, and unknown codecs and metrics, before anything is measured.
    """
    metrics = find_metrics(protocol.metrics, protocol.lpips)
    _check(protocol)
    codecs, missing = choose(protocol.codecs, protocol.settings, run.model)
    data = open_dataset(dataset)
    pictures = some_of(data.pictures, run.limit)
    network = protocol.lpips and TestPicture("", Path(protocol.lpips)).digest
    jobs = [
        Job(
            f"{picture.name}, {codec.name} at {setting:g}",
            _Work(picture, codec, setting, tuple(protocol.metrics), protocol.lpips),
            ["signal", codec.depends, setting, picture.name, picture.digest, list(protocol.metrics), network],
        )
        for codec in codecs
        for setting in codec.settings
        for picture in pictures
    ]
    outcome = run_jobs(jobs, _measure, run.journal, processes=run.processes, title=f"signal, {data.name}")
    rows, uneven = complete(outcome.rows, [codec.name for codec in codecs])
    names = {metric.name: metric for metric in metrics}
    curves = {codec.label: _points(rows, codec, names) for codec in codecs}
    curves = {label: points for label, points in curves.items() if points}
    labels = {codec.name: codec.label for codec in codecs}
    against = [labels[name] for name in protocol.against if name in labels]
    bd = _bd_rates(rows, codecs, against, [names[name] for name in protocol.bd_metrics])
    return Findings(
        _record(run, protocol, data, codecs, rows, curves, bd),
        {
            "Curves": _curve_table(curves, metrics),
            **_bd_tables(bd, against),
            **_published_tables(data, protocol, rows, curves, [names[name] for name in protocol.bd_metrics]),
        },
        _plots(data, protocol, codecs, rows, curves, names),
        [*missing, *uneven, *merged(outcome.failures)],
    )


def _check(protocol: SignalProtocol) -> None:
    unknown = sorted(set(protocol.bd_metrics) - set(protocol.metrics))
    if unknown:
        raise ArgumentError(f"bd_metrics {unknown} are not among the metrics: {', '.join(protocol.metrics)}")


def _measure(task: _Work) -> list[Row]:
    """One picture with one codec at one setting."""
    original = load(task.picture.image).pixels
    height, width = original.shape[:2]
    coded = code(task.codec, task.setting, original)
    return [
        {
            "picture": task.picture.name,
            "codec": task.codec.name,
            "setting": task.setting,
            "pixels": height * width,
            "bytes": coded.size,
            "payload": coded.payload,
            "layers": list(coded.layers),
            "information": coded.information,
            "overhead": coded.overhead,
            **{
                metric.name: metric.measure(coded.pixels, original)
                for metric in find_metrics(task.metrics, task.lpips)
                if min(height, width) >= metric.smallest_side
            },
        }
    ]


def _points(rows: Sequence[Row], codec: Tested, metrics: Mapping[str, Metric]) -> list[_Point]:
    points = []
    for setting in codec.settings:
        same = [row for row in rows if row["codec"] == codec.name and row["setting"] == setting]
        if same:
            overheads = [row["overhead"] for row in same if row["overhead"] is not None]
            points.append(
                _Point(
                    setting,
                    _mean_bpp(same, "bytes"),
                    _mean_bpp(same, "payload"),
                    {name: _mean(same, name) for name in metrics},
                    float(np.mean(overheads)) if overheads else None,
                )
            )
    return points


def _mean_bpp(rows: Sequence[Row], key: str) -> float:
    """Mean over pictures of bits per pixel."""
    return float(np.mean([8 * row[key] / row["pixels"] for row in rows]))


def _mean(rows: Sequence[Row], metric: str) -> float:
    """Mean over pictures; not a number when some picture is too small for the metric."""
    return float(np.mean([row.get(metric, np.nan) for row in rows]))


def _bd_rates(
    rows: Sequence[Row], codecs: Sequence[Tested], against: Sequence[str], metrics: Sequence[Metric]
) -> dict[tuple[str, str, str], _Difference | str]:
    """BD-rates by (metric, codec, reference); or why there is none."""
    found: dict[tuple[str, str, str], _Difference | str] = {}
    by_codec = {codec.label: _by_picture(rows, codec) for codec in codecs}
    for metric in metrics:
        for reference in against:
            for codec in by_codec:
                if codec == reference:
                    continue
                pair = by_codec[codec], by_codec[reference]
                try:
                    found[metric.name, codec, reference] = _bd_rate(*pair, metric)
                except ArgumentError as error:
                    found[metric.name, codec, reference] = str(error)
    return found


def _by_picture(rows: Sequence[Row], codec: Tested) -> list[list[Row]]:
    """Rows of a codec: one list a setting, pictures in the same order in each."""
    lists = [
        sorted(
            (row for row in rows if row["codec"] == codec.name and row["setting"] == setting),
            key=lambda row: str(row["picture"]),
        )
        for setting in codec.settings
    ]
    return [entry for entry in lists if entry]


def _bd_rate(test: list[list[Row]], reference: list[list[Row]], metric: Metric) -> _Difference:
    if not test or not reference:
        raise ArgumentError("not measured")
    arrays = [
        (
            np.array([[8 * row["bytes"] / row["pixels"] for row in same] for same in lists]),
            np.array([[row.get(metric.name, np.nan) for row in same] for same in lists]),
        )
        for lists in (test, reference)
    ]

    def of(chosen: NDArray[np.intp]) -> BdRate:
        curves = [
            Curve(rates[:, chosen].mean(1), [metric.scale(v) for v in values[:, chosen].mean(1)])
            for rates, values in arrays
        ]
        return bd_rate(*curves)

    count = arrays[0][0].shape[1]
    whole, own = of(np.arange(count)), {}
    for number, row in enumerate(test[0]):
        with suppress(ArgumentError):  # its curves do not overlap, or do not rise
            own[row["picture"]] = of(np.array([number])).percent
    try:
        interval = bootstrap(count, lambda chosen: of(chosen).percent, _ROUNDS)
    except ArgumentError:  # one picture, or curves that overlap by chance alone
        interval = Interval(whole.percent, float("nan"), float("nan"))
    return _Difference(whole, interval, own)


def _curve_table(curves: Mapping[str, Sequence[_Point]], metrics: Sequence[Metric]) -> list[list[str]]:
    table = [["codec", "setting", "bpp", "payload bpp", *(m.label for m in metrics), "over information"]]
    for label, points in curves.items():
        for point in points:
            values = [f"{point.values[metric.name]:.{metric.decimals}f}" for metric in metrics]
            over = "" if point.overhead is None else f"{100 * point.overhead:+.1f} %"
            table.append([label, f"{point.setting:g}", f"{point.bpp:.4f}", f"{point.payload_bpp:.4f}", *values, over])
    return table


def _bd_tables(
    found: Mapping[tuple[str, str, str], _Difference | str], against: Sequence[str]
) -> dict[str, list[list[str]]]:
    tables = {}
    for metric in dict.fromkeys(key[0] for key in found):
        for reference in against:
            overlap = ("overlap, bpp", "of the reference", "quality")
            rows = [["codec", "BD-rate, %", "95 % over pictures", "mean of pictures' own, %", *overlap]]
            for (name, codec, other), result in found.items():
                if (name, other) != (metric, reference):
                    continue
                if isinstance(result, str):
                    rows.append([codec, "none", result, "", "", "", ""])
                    continue
                bd, interval = result.of_means, result.interval
                ends = (bd.rates, bd.reference_rates, bd.qualities)
                rows.append(
                    [
                        codec,
                        f"{bd.percent:+.1f}",
                        f"{interval.low:+.1f} to {interval.high:+.1f}" if isfinite(interval.low) else "",
                        result.own_mean,
                        *(f"{low:.2f} to {high:.2f}" for low, high in ends),
                    ]
                )
            tables[f"BD-rate against {reference}, {metric}"] = rows
    return tables


def _published_tables(
    data: Dataset,
    protocol: SignalProtocol,
    rows: Sequence[Row],
    curves: Mapping[str, Sequence[_Point]],
    metrics: Sequence[Metric],
) -> dict[str, list[list[str]]]:
    """BD-rates of measured curves against published ones; none for data sets that have no published curves."""
    tables = {}
    for metric in metrics:
        known = published_curves(data.name, len({row["picture"] for row in rows}), metric.name).curves
        published = {
            name: Curve(known[name].rates, [metric.scale(value) for value in known[name].qualities])
            for name in protocol.published
            if name in known
        }
        if not published:
            continue
        table = [["measured", *(f"{name} (published)" for name in published)]]
        for label, points in curves.items():
            cells = []
            for curve in published.values():
                try:
                    measured = Curve([p.bpp for p in points], [metric.scale(p.values[metric.name]) for p in points])
                    cells.append(f"{bd_rate(measured, curve).percent:+.1f}")
                except ArgumentError:
                    cells.append("none")
            table.append([label, *cells])
        tables[f"BD-rate against published curves, %, {metric.name}"] = table
    return tables


def _record(
    run: Run,
    protocol: SignalProtocol,
    data: Dataset,
    codecs: Sequence[Tested],
    rows: Sequence[Row],
    curves: Mapping[str, Sequence[_Point]],
    bd: Mapping[tuple[str, str, str], _Difference | str],
) -> Record:
    columns = ["picture", "codec", "setting", "pixels", "bytes", "payload", "information", *protocol.metrics, "layers"]
    return Record(
        f"signal on {data.name}",
        run.command,
        bundles_of(codecs),
        settings={
            "protocol": asdict(protocol),
            **{codec.name: codec.what for codec in codecs},
            "information": "bits that the model's tables give to the symbols of a file: its estimated rate",
            "bpp": "bits of the file, headers included, per pixel; mean over pictures",
            "payload": "without what the container adds; everything for Semapix",
            "over information": "bytes that carry symbols over the bits that the model's tables give to these, less 1",
            "metrics": {metric.name: metric.label for metric in find_metrics(protocol.metrics, protocol.lpips)},
            "bd_rate": "of curves of means over pictures, PCHIP of log rate over quality (MS-SSIM in dB); intervals: "
            f"bootstrap over pictures, {_ROUNDS} rounds; own: of the curves of single pictures, which do not depend on "
            "whether a codec is set to the same rate or to the same quality for all",
        },
        results={
            "pictures": len({row["picture"] for row in rows}),
            "curves": {label: [asdict(point) for point in points] for label, points in curves.items()},
            "bd_rate": [
                {"metric": metric, "codec": codec, "against": reference}
                | (
                    {"why_none": result}
                    if isinstance(result, str)
                    else {
                        **asdict(result.of_means),
                        "interval": [result.interval.low, result.interval.high],
                        "own": result.own,
                    }
                )
                for (metric, codec, reference), result in bd.items()
            ],
        },
        tables={"pictures": Table(columns, [[row.get(column) for column in columns] for row in rows])},
    )


def _plots(
    data: Dataset,
    protocol: SignalProtocol,
    codecs: Sequence[Tested],
    rows: Sequence[Row],
    curves: Mapping[str, Sequence[_Point]],
    metrics: Mapping[str, Metric],
) -> dict[str, Callable[[], Figure]]:
    if not rows:
        return {}
    plots = {"curves.png": lambda: _curves(data, protocol, len({row["picture"] for row in rows}), curves, metrics)}
    if protocol.sheet_pictures:
        plots["crops.jpg"] = lambda: _sheet(data, protocol, codecs, rows)
    return plots


def _curves(
    data: Dataset,
    protocol: SignalProtocol,
    pictures: int,
    curves: Mapping[str, Sequence[_Point]],
    metrics: Mapping[str, Metric],
) -> Figure:
    widest = max(point.bpp for points in curves.values() for point in points)
    panels = []
    for metric in metrics.values():
        published = published_curves(data.name, pictures, metric.name).curves
        panels.append(
            Panel(
                "rate (bits per pixel, headers included)",
                metric.axis_label,
                {
                    label: [(point.bpp, metric.scale(point.values[metric.name])) for point in points]
                    for label, points in curves.items()
                },
                {
                    name: [(rate, metric.scale(quality)) for rate, quality in published[name].points]
                    for name in protocol.published
                    if name in published
                },
                x_range=(0.0, min(widest, 1.6)),
            )
        )
    return draw(panels, f"{data.name}: means over {pictures} pictures at each setting")


def _sheet(data: Dataset, protocol: SignalProtocol, codecs: Sequence[Tested], rows: Sequence[Row]) -> Figure:
    """Crops of some pictures, each codec at the setting whose rate is nearest to the sheet's.

    Labels are those that the first model says, of its own files from their first bytes, of others from their pictures.
    """
    measured = {row["picture"] for row in rows}
    pictures = some_of([p for p in data.pictures if p.name in measured], protocol.sheet_pictures)
    judge = next((bundle for codec in codecs if (bundle := codec.bundle)), None)
    sheet = []
    for picture in pictures:
        original = load(picture.image).pixels
        cells = [Cell(middle(original, protocol.sheet_side), f"{picture.name}\noriginal{_label(original, judge)}")]
        for codec in codecs:
            same = [row for row in rows if row["picture"] == picture.name and row["codec"] == codec.name]
            if not same:
                continue
            best = min(same, key=lambda row: abs(8 * row["bytes"] / row["pixels"] - protocol.sheet_bpp))
            coded = code(codec, best["setting"], original)
            quality = f", {best['psnr']:.1f} dB" if "psnr" in best else ""
            size = f"{coded.size:,} B, {8 * coded.size / best['pixels']:.2f} bpp{quality}"
            said = _label(original if codec.model else coded.pixels, judge)
            cells.append(Cell(middle(coded.pixels, protocol.sheet_side), f"{codec.label}\n{size}{said}"))
        sheet.append(cells)
    return contact_sheet(sheet, f"{data.name}: each codec at the setting nearest to {protocol.sheet_bpp} bpp")


def _label(pixels: NDArray[np.uint8], judge: Bundle | None) -> str:
    """What a model says of a picture when it is coded, as a line."""
    if judge is None:
        return ""
    best = semapix.encode(pixels, judge.codec, 1, judge).look(top=1)[0]
    return f"\n{best.name} {best.probability:.0%}"
