"""The bit-plane coder of DeepSIC: its speed, its bytes, what its contexts are worth (protocols/planes.yaml)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from semapix.codecs import open_codec
from semapix.codecs.deepsic import Deepsic
from semapix.coding import PLANES, BitPlaneModel, counted_information
from semapix.errors import ArgumentError
from semapix.evaluation.datasets import open_dataset, some_of
from semapix.evaluation.experiments._run import Run, bundles_of
from semapix.evaluation.findings import Findings
from semapix.evaluation.records import Record, Table
from semapix.evaluation.tested import choose
from semapix.imaging import load

__all__ = ["PlanesProtocol", "measure_planes"]

T = TypeVar("T")

_COLUMNS = [
    *("model", "picture", "quality", "pixels", "features", "bits", "encode_seconds", "decode_seconds", "bytes"),
    *("information", "static"),
]


@dataclass(frozen=True)
class PlanesProtocol:
    """The keys of protocols/planes.yaml, which says what each is."""

    codecs: Sequence[str]
    qualities: Sequence[int]
    repeats: int


@dataclass
class _StillTables:
    """A coder that writes nothing, and counts the bits that pass and what they cost under a channel's own tables.

    `shares`: of ones at each node of each channel, as training has found them, in units of 2^-16.
    """

    shares: NDArray[np.uint16]
    bits: int = 0
    cost: float = 0.0

    def code(self, tables: NDArray[np.uint8], bits: NDArray[np.uint8]) -> NDArray[np.uint8]:
        self.bits += len(bits)
        return bits

    def observe(self, plane: int, phase: int, contexts: Sequence[Any], odds: object, bits: NDArray[np.uint8]) -> None:
        ones = self.shares.ravel()[contexts[0]] / 2.0**16
        self.cost -= float(np.log2(np.where(bits == 1, ones, 1.0 - ones)).sum())


def measure_planes(dataset: Path, protocol: PlanesProtocol, run: Run) -> Findings:
    """Code the features of every picture as one sub-layer, and decode them again.

    Raises ArgumentError for a codec that has no bit-plane coder.
    """
    data = open_dataset(dataset)
    codecs, failures = choose(protocol.codecs, {}, run.model)
    rows: list[list[Any]] = []
    for tested in codecs:
        codec = None if tested.bundle is None else open_codec(tested.bundle)
        if not isinstance(codec, Deepsic):
            raise ArgumentError(f"{tested.name} has no bit-plane coder; this experiment is about deepsic")
        for picture in some_of(data.pictures, run.limit):
            pixels = load(picture.image).pixels
            for quality in protocol.qualities:
                values = codec.plane_values(pixels, quality)
                figures = _measure(codec.planes, values, quality - 1, protocol.repeats)
                size = pixels.shape[0] * pixels.shape[1]
                rows.append([tested.name, picture.name, quality, size, values.size, *figures])
    figures = _figures(rows)
    return Findings(
        Record(
            f"planes on {data.name}",
            run.command,
            bundles_of(codecs),
            settings={
                "protocol": asdict(protocol),
                "bits": "that are coded: those that a channel's range leaves open",
                "seconds": "of the coder alone, one thread, medians",
                "information": "bits that the coder's tables give to what it codes",
                "static": "bits under a table for each channel and node, of training, that neither adapts nor sees "
                "neighbours",
            },
            results={"figures": figures},
            tables={"pictures": Table(_COLUMNS, rows)},
        ),
        {"Bit planes": _table(figures)} if figures else {},
        failures=failures,
    )


def _measure(model: BitPlaneModel, values: NDArray[np.uint8], level: int, repeats: int) -> list[Any]:
    """Bits coded, seconds to encode and to decode, bytes, information, bits under tables that stand still."""
    values = model.within_range(values, level)
    still = _StillTables(model.contexts.channel_share[level])
    model.walk(values.shape, level, [still] * PLANES, values, still.observe)
    (data,), encode = _timed(lambda: model.encode(values, level, 1), repeats)
    shape = (values.shape[0], values.shape[1], values.shape[2])
    (decoded, _), decode = _timed(lambda: model.decode([data], 1, shape, level), repeats)
    if not np.array_equal(decoded, values):
        raise AssertionError("the bit-plane coder did not decode what it had coded")
    with counted_information() as information:
        model.decode([data], 1, shape, level)
    return [still.bits, encode, decode, len(data), information.bits, still.cost]


def _timed(work: Callable[[], T], repeats: int) -> tuple[T, float]:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return result, median(seconds)


def _figures(rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    figures = []
    for model, quality in dict.fromkeys((row[0], row[2]) for row in rows):
        same = [dict(zip(_COLUMNS, row, strict=True)) for row in rows if (row[0], row[2]) == (model, quality)]
        total = {key: float(sum(row[key] for row in same)) for key in _COLUMNS[3:]}
        figures.append(
            {
                "model": model,
                "quality": quality,
                "pictures": len(same),
                "bpp": 8 * total["bytes"] / total["pixels"],
                "bits_per_feature": total["bits"] / total["features"],
                "encode_mbit": total["bits"] / total["encode_seconds"] / 1e6,
                "decode_mbit": total["bits"] / total["decode_seconds"] / 1e6,
                "over_information": 8 * total["bytes"] / total["information"] - 1,
                "under_static": 1 - 8 * total["bytes"] / total["static"],
            }
        )
    return figures


def _table(figures: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    heads = ["model", "quality", "pictures", "bpp", "bits coded a feature", "Mbit/s encoding", "Mbit/s decoding"]
    table = [[*heads, "over information", "under still tables"]]
    for row in figures:
        speeds = [f"{row[key]:.1f}" for key in ("encode_mbit", "decode_mbit")]
        shares = [f"{100 * row['over_information']:+.2f} %", f"{100 * row['under_static']:.1f} %"]
        names = [row["model"], str(row["quality"]), str(row["pictures"])]
        table.append([*names, f"{row['bpp']:.3f}", f"{row['bits_per_feature']:.2f}", *speeds, *shares])
    return table
