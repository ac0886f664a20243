"""Records of measurements: what was run, where, with which model, and every number, as JSON; tables as Markdown."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import numpy as np

import semapix
from semapix.bundle import Bundle

__all__ = ["Criterion", "Record", "Table", "environment", "markdown", "versions"]

_PACKAGES = (
    *("numpy", "Pillow", "onnxruntime", "constriction", "torch", "pytorch-msssim"),
    *("pillow-heif", "imagecodecs", "imageio-ffmpeg", "ai-edge-litert", "faster-coco-eval"),
)


@dataclass(frozen=True)
class Criterion:
    """A figure and what is wanted of it: `value` must be below, at most, or at least `limit`; None: not measured."""

    what: str
    value: float | None
    rule: Literal["<", "<=", ">="]
    limit: float
    unit: str

    @property
    def met(self) -> bool:
        """Whether the figure is as wanted."""
        if self.value is None or math.isnan(self.value):
            return False
        return {"<": self.value < self.limit, "<=": self.value <= self.limit, ">=": self.value >= self.limit}[self.rule]

    @property
    def row(self) -> list[str]:
        """Cells of a table: what, measured, wanted, met."""
        measured = "-" if self.value is None else f"{self.value:.4g} {self.unit}"
        return [self.what, measured, f"{self.rule} {self.limit:g} {self.unit}", "yes" if self.met else "NO"]


@dataclass(frozen=True)
class Table:
    """Single measurements: names of the columns, and rows of as many values."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Record:
    """One run of a benchmark.

    `name`: of the benchmark. `command`: how to run it again. `bundles`: the models. `settings`: choices that the
    numbers depend on. `results`: figures. `criteria`: figures with what is wanted of them. `tables`: single
    measurements.
    """

    name: str
    command: str
    bundles: Sequence[Bundle]
    settings: Mapping[str, Any]
    results: Mapping[str, Any]
    criteria: Sequence[Criterion] = ()
    tables: Mapping[str, Table] = field(default_factory=dict)

    def to_json(self) -> str:
        """The record as JSON; each row of a table is one line."""
        head = {
            "benchmark": self.name,
            "command": self.command,
            "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "environment": environment(),
            "models": [
                {
                    "name": bundle.name,
                    "codec": bundle.codec,
                    "fingerprint": bundle.fingerprint.hex(),
                    "bytes": bundle.path.stat().st_size,
                }
                for bundle in self.bundles
            ],
            "settings": self.settings,
            "results": self.results,
            "criteria": [
                {"what": c.what, "value": c.value, "rule": c.rule, "limit": c.limit, "unit": c.unit, "met": c.met}
                for c in self.criteria
            ],
        }
        text = json.dumps(_plain(head), indent=1, ensure_ascii=False, allow_nan=False)
        parts = [f" {json.dumps(name)}: {_lines(table)}" for name, table in self.tables.items()]
        return text[:-2] + ',\n "tables": {\n' + ",\n".join(parts) + "\n }\n}\n"


def _lines(table: Table) -> str:
    rows = ",\n".join(f"   {json.dumps(_plain(row), ensure_ascii=False, allow_nan=False)}" for row in table.rows)
    return f'{{\n   "columns": {json.dumps(list(table.columns))},\n   "rows": [\n{rows}\n  ]}}'


def _plain(value: Any) -> Any:
    """What JSON can hold: NumPy's numbers as Python's, and None for what is not finite."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(entry) for entry in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def environment() -> dict[str, Any]:
    """The machine and the versions that numbers were measured with."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "python": platform.python_version(),
        "semapix": semapix.__version__,
        **versions(_PACKAGES),
    }


def versions(packages: Sequence[str]) -> dict[str, str]:
    """The versions of those packages that are installed."""
    return {name: found for name in packages if (found := _version(name))}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table: the first row is the head, the first column stands left, all others right."""
    head, *body = rows
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)
