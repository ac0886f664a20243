"""Where the bits of a picture go (protocols/maps.yaml; HEVRC paper, figures of bit allocation)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

import semapix
from semapix._watch import watched_codings
from semapix.bundle import Bundle
from semapix.codecs import Steering, open_codec
from semapix.codecs._quality_map import quality_map
from semapix.codecs.adaptive import Adaptive
from semapix.coding import HYPER_STRIDE, anchors, counted_information
from semapix.evaluation.datasets import TestPicture, open_dataset, some_of
from semapix.evaluation.experiments._run import Run
from semapix.evaluation.findings import Findings
from semapix.evaluation.metrics import METRICS
from semapix.evaluation.records import Record, Table
from semapix.evaluation.sheet import Cell, contact_sheet
from semapix.evaluation.tested import choose
from semapix.imaging import load

__all__ = ["MapsProtocol", "bits_of_blocks", "measure_maps"]

Map = NDArray[np.float32]

_COLUMNS = ["picture", "strategy", "bytes", "bpp", "mean quality", "PSNR, dB", "bits where it is meaningful, %"]
_MEANINGFUL = 0.25  # share of the blocks


@dataclass(frozen=True)
class MapsProtocol:
    """The keys of protocols/maps.yaml, which says what each is."""

    strategies: Sequence[str]
    rate: float
    pictures: int


@dataclass(frozen=True)
class _Shown:
    """A picture with one strategy. Maps have a value for each block of 16x16 pixels."""

    row: list[str | float]
    importance: Map
    quality: Map
    bits: Map
    decoded: NDArray[np.uint8]


def measure_maps(dataset: Path, protocol: MapsProtocol, run: Run) -> Findings:
    """Code some pictures with each strategy at one rate, and draw where their bits are.

    Raises ArgumentError for unknown strategies, a model of a codec that has none, and a rate that a picture cannot be
    coded at.
    """
    data = open_dataset(dataset)
    codecs, _ = choose([f"adaptive:{strategy}" for strategy in protocol.strategies], {}, run.model)
    bundle = codecs[0].bundle
    assert bundle is not None
    pictures = some_of(data.pictures, run.limit or protocol.pictures)
    shown = [[_show(picture, bundle, name, protocol.rate) for name in protocol.strategies] for picture in pictures]
    rows = [entry.row for line in shown for entry in line]
    return Findings(
        Record(
            f"maps on {data.name}",
            run.command,
            [bundle],
            settings={
                "protocol": asdict(protocol),
                "bits where it is meaningful": f"share of bits in the {_MEANINGFUL:.0%} of the blocks that strategy "
                "semantic finds most important; bits are what the model's tables give to the symbols of a block, those "
                "of the hyper-latent spread evenly over the blocks that they stand for",
            },
            results={"rows": [dict(zip(_COLUMNS, row, strict=True)) for row in rows]},
            tables={"pictures": Table(_COLUMNS, rows)},
        ),
        {"Maps": [_COLUMNS, *([str(row[0]), str(row[1]), *map(_number, row[2:])] for row in rows)]},
        {"maps.jpg": lambda: _sheet(pictures, shown, f"{data.name}: where bits go at {protocol.rate:g} bpp")},
    )


def bits_of_blocks(parts: Sequence[NDArray[np.float32]], rows: int, columns: int) -> Map:
    """Bits of each block (rows, columns) of a latent.

    `parts`: those of all symbols in the order of decoding (`Information.each`): the hyper-latent, then of each group
    the anchors and the other positions.
    """
    tall, wide = -(-rows // HYPER_STRIDE), -(-columns // HYPER_STRIDE)
    hyper = parts[0].reshape(-1, tall, wide).sum(axis=0)
    spread = np.kron(hyper, np.ones((HYPER_STRIDE, HYPER_STRIDE), np.float32))[:rows, :columns]
    there = np.kron(np.ones_like(hyper), np.ones((HYPER_STRIDE, HYPER_STRIDE)))
    there[rows:], there[:, columns:] = 0, 0
    blocks = there.reshape(tall, HYPER_STRIDE, wide, HYPER_STRIDE).sum(axis=(1, 3))
    shares = np.kron(blocks, np.ones((HYPER_STRIDE, HYPER_STRIDE)))[:rows, :columns]
    bits = (spread / shares).astype(np.float32)
    first = anchors(rows, columns)
    for number, part in enumerate(parts[1:]):
        mask = ~first if number % 2 else first
        if mask.any():
            bits[mask] += part.reshape(-1, int(mask.sum())).sum(axis=0)
    return bits


def _show(picture: TestPicture, bundle: Bundle, strategy: str, rate: float) -> _Shown:
    pixels = load(picture.image).pixels
    area = pixels.shape[0] * pixels.shape[1]
    codec = open_codec(bundle)
    assert isinstance(codec, Adaptive)
    with watched_codings() as codings:
        stream = semapix.encode(pixels, model=bundle, bpp=rate, variant="full", strategy=strategy)
    budget = np.log(int(rate * area / 8))
    mean = max((one for one in codings if one.log_size <= budget), key=lambda one: one.log_size).mean
    with counted_information(each=True) as information:
        decoded = np.asarray(stream.image())
    importance = codec.importance(pixels, Steering(strategy))
    bits = bits_of_blocks(information.each or [], *importance.shape)
    meaning = codec.importance(pixels, Steering("semantic")).ravel()
    most = np.argsort(-meaning, kind="stable")[: max(1, round(_MEANINGFUL * meaning.size))]
    share = 100 * float(bits.ravel()[most].sum() / bits.sum())
    size = stream.bytes_total
    psnr = METRICS["psnr"].measure(decoded, pixels)
    row: list[str | float] = [picture.name, strategy, size, 8 * size / area, mean, psnr, share]
    return _Shown(row, importance, quality_map(importance, mean), bits, decoded)


def _number(value: str | float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}" if float(value) < 1 else f"{value:.1f}"


def _sheet(pictures: Sequence[TestPicture], shown: Sequence[Sequence[_Shown]], title: str) -> Figure:
    """A row for each strategy of each picture."""
    rows = []
    for picture, line in zip(pictures, shown, strict=True):
        pixels = load(picture.image).pixels
        most = max(float(entry.bits.max()) for entry in line)
        for entry in line:
            _, strategy, size, _, mean, psnr, share = entry.row
            rows.append(
                [
                    Cell(pixels, f"{picture.name}\n{strategy}"),
                    Cell(_coloured(entry.importance, 1.0, pixels), "importance"),
                    Cell(_coloured(entry.quality, 1.0, pixels), f"quality, mean {mean:.2f}"),
                    Cell(
                        _coloured(entry.bits, most, pixels),
                        f"bits of blocks, 0 to {most:.0f}\n{share:.0f} % meaningful",
                    ),
                    Cell(entry.decoded, f"{size:,} B, {psnr:.1f} dB"),
                ]
            )
    return contact_sheet(rows, title)


def _coloured(values: Map, most: float, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A map of blocks in colours, dark to bright, at the size of the picture."""
    colours = matplotlib.colormaps["viridis"](values / most, bytes=True)[:, :, :3]
    height, width = pixels.shape[:2]
    large: NDArray[np.uint8] = np.repeat(np.repeat(colours, 16, axis=0), 16, axis=1)[:height, :width]
    return large
