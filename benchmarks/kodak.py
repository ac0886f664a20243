"""Rate and distortion on the Kodak pictures through real files, against JPEG and JPEG 2000.

    python benchmarks/kodak.py --model BUNDLE --data DATA -o results/kodak.json

Writes the curves as a plot beside the record (results/kodak.png). Rates are bytes of files, headers included. Points of
a curve are means over the pictures at one setting; BD-rates are of these mean curves.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from _common import finish, parser, run, some_of, with_progress
from matplotlib.figure import Figure
from numpy.typing import NDArray

import semapix
from semapix.bundle import Bundle, find
from semapix.errors import ArgumentError
from semapix.evaluation.bd_rate import BdRate, Curve, bd_rate
from semapix.evaluation.datasets import kodak
from semapix.evaluation.metrics import decibel, ms_ssim, psnr
from semapix.evaluation.records import Criterion, Table
from semapix.evaluation.reference import JPEG_2000_SETTINGS, JPEG_SETTINGS, decode, jpeg, jpeg_2000
from semapix.imaging import load

QUALITIES = (1, 3, 5, 7, 9)
JPEG_QUALITIES = (1, 5, 8, 12, 18, 25, 35, 50, 65, 75, 82, 88)  # 0.09 to 2.1 bits per pixel
JPEG_2000_RATES = (0.1, 0.15, 0.2, 0.3, 0.4, 0.55, 0.7, 0.85, 1.0, 1.25, 1.6, 2.0)
REFERENCES = ("JPEG", "JPEG 2000")

Pixels = NDArray[np.uint8]


class Row(NamedTuple):
    """One picture coded once."""

    picture: str
    codec: str
    setting: float
    bytes: int
    machine_bytes: int
    bpp: float
    psnr: float
    ms_ssim: float


class Point(NamedTuple):
    """One setting of a codec: means over the pictures."""

    codec: str
    setting: float
    bpp: float
    psnr: float
    ms_ssim: float
    machine_share: float


def through_file(path: Path, quality: int, bundle: Bundle, folder: Path) -> tuple[int, int, Pixels]:
    """Encode a picture to a file and decode the file: its bytes, those of machine layers, the picture."""
    file = folder / "picture.spix"
    semapix.encode(path, quality=quality, model=bundle).save(file, force=True)
    stream = semapix.open(file, bundle)
    machine = sum(layer.length for layer in stream.layers if layer.kind == "machine")
    return file.stat().st_size, machine, np.asarray(stream.image())


def measure(path: Path, bundle: Bundle, qualities: Sequence[int], folder: Path) -> Iterator[Row]:
    """Code one picture with every codec at every setting."""
    original = load(path).pixels

    def row(codec: str, setting: float, size: int, machine: int, decoded: Pixels) -> Row:
        bpp = 8 * size / (original.shape[0] * original.shape[1])
        return Row(path.stem, codec, setting, size, machine, bpp, psnr(decoded, original), ms_ssim(decoded, original))

    for quality in qualities:
        yield row(bundle.codec, quality, *through_file(path, quality, bundle, folder))
    references: list[tuple[str, Sequence[float], Callable[[Pixels, Any], bytes]]] = [
        ("JPEG", JPEG_QUALITIES, jpeg),
        ("JPEG 2000", JPEG_2000_RATES, jpeg_2000),
    ]
    for codec, settings, encode in references:
        for setting in settings:
            file = encode(original, setting)
            yield row(codec, setting, len(file), 0, decode(file))


def points(rows: Sequence[Row], codec: str) -> list[Point]:
    """The curve of a codec, by setting."""
    result = []
    for setting in dict.fromkeys(row.setting for row in rows if row.codec == codec):
        same = [row for row in rows if row.codec == codec and row.setting == setting]
        bpp, quality, similarity = (
            float(np.mean([getattr(row, name) for row in same])) for name in ("bpp", "psnr", "ms_ssim")
        )
        share = sum(row.machine_bytes for row in same) / sum(row.bytes for row in same)
        result.append(Point(codec, setting, bpp, quality, similarity, share))
    return result


METRICS: dict[str, Callable[[Point], float]] = {
    "PSNR": lambda point: point.psnr,
    "MS-SSIM": lambda point: decibel(point.ms_ssim),
}


def compare(test: Sequence[Point], reference: Sequence[Point], metric: str) -> BdRate:
    """BD-rate between two curves; raises ArgumentError, saying why, when there is none."""
    curves = (
        Curve([point.bpp for point in curve], [METRICS[metric](point) for point in curve])
        for curve in (test, reference)
    )
    return bd_rate(*curves)


def comparisons(curves: dict[str, list[Point]], own: str) -> tuple[dict[str, dict[str, Any]], list[list[str]]]:
    """All BD-rates of the codec `own`, for the record and as a table."""
    results: dict[str, dict[str, Any]] = {}
    table = [["BD-rate against", "metric", "%", "overlap, dB", f"bpp of {own}", "bpp of the other"]]
    for reference in REFERENCES:
        for metric in METRICS:
            name = f"{reference}, {metric}"
            try:
                found = compare(curves[own], curves[reference], metric)
            except ArgumentError as error:
                results[name] = {"why_none": str(error)}
                table.append([reference, metric, "none", "", "", ""])
                continue
            results[name] = asdict(found)
            ends = (found.qualities, found.rates, found.reference_rates)
            table.append(
                [reference, metric, f"{found.percent:+.1f}", *(f"{low:.2f} to {high:.2f}" for low, high in ends)]
            )
    return results, table


def plot(curves: dict[str, list[Point]], path: Path) -> None:
    """Draw both metrics over the rate."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    for axes, (metric, value) in zip(figure.subplots(1, 2), METRICS.items(), strict=True):
        for name, curve in curves.items():
            axes.plot([p.bpp for p in curve], [value(p) for p in curve], marker="o", markersize=4, label=name)
        axes.set_xlabel("rate (bits per pixel, headers included)")
        axes.set_ylabel("PSNR, RGB (dB)" if metric == "PSNR" else "MS-SSIM, RGB (dB: -10 log10(1 - MS-SSIM))")
        axes.grid(alpha=0.3)
        axes.legend()
    figure.suptitle("Kodak: means over the pictures at each setting")
    figure.savefig(path, dpi=150)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--qualities", type=int, nargs="+", default=QUALITIES, help="default: 1 3 5 7 9")
    arguments.add_argument("--all", action="store_true", help="all nine qualities")
    options = arguments.parse_args()
    torch.set_num_threads(1)  # on a busy machine the threads of MS-SSIM's small convolutions wait for each other
    bundle = find(options.model)
    qualities = range(1, 10) if options.all else options.qualities
    pictures = some_of(kodak(options.data), options.limit)
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            row
            for path in with_progress(pictures, len(pictures), "kodak")
            for row in measure(path, bundle, qualities, Path(folder))
        ]

    own = bundle.codec
    curves = {name: points(rows, name) for name in (own, *REFERENCES)}
    differences, against = comparisons(curves, own)
    table = [["setting", "bpp", "PSNR dB", "MS-SSIM", "MS-SSIM dB", "machine layers"]]
    for name, curve in curves.items():
        for p in curve:
            cells = [f"{p.bpp:.4f}", f"{p.psnr:.2f}", f"{p.ms_ssim:.4f}", f"{decibel(p.ms_ssim):.2f}"]
            share = f"{p.machine_share:.1%}" if p.machine_share else ""
            table.append([f"{name} {p.setting:g}", *cells, share])

    jpeg_psnr = differences["JPEG, PSNR"]
    first, last = jpeg_psnr.get("rates", (None, None))
    finish(
        options,
        "kodak",
        table,
        against,
        settings={
            "JPEG": f"{JPEG_SETTINGS}; quality as given",
            "JPEG 2000": f"{JPEG_2000_SETTINGS}; asked for the bpp given",
            "bpp": "bits of the file, headers included, per pixel of the picture; mean over pictures",
            "psnr": "RGB, mean over pictures of the PSNR of each",
            "ms_ssim": "RGB, pytorch-msssim, mean over pictures; in dB it is -10 log10(1 - mean)",
            "bd_rate": "of mean curves, PCHIP of log rate over quality; rates are those at the ends of the overlap",
            "machine_share": "machine layers of all bytes",
        },
        results={
            "pictures": len(pictures),
            "curves": {name: [p._asdict() for p in curve] for name, curve in curves.items()},
            "bd_rate": differences,
        },
        criteria=[
            Criterion("BD-rate of PSNR against JPEG", jpeg_psnr.get("percent"), "<", 0, "%"),
            Criterion("overlap with JPEG begins, own rate", first, "<=", 0.2, "bpp"),
            Criterion("overlap with JPEG ends, own rate", last, ">=", 0.8, "bpp"),
            Criterion("rate at the highest quality", curves[own][-1].bpp, ">=", 1.2, "bpp"),
            *(
                Criterion(f"smallest step of {what} from quality to quality", min(steps, default=None), ">=", 0, unit)
                for what, unit, steps in (
                    ("rate", "bpp", [b.bpp - a.bpp for a, b in pairwise(curves[own])]),
                    ("PSNR", "dB", [b.psnr - a.psnr for a, b in pairwise(curves[own])]),
                )
            ),
        ],
        tables={"pictures": Table(Row._fields, rows)},
    )
    plot(curves, options.output.with_suffix(".png"))


if __name__ == "__main__":
    run(main)
