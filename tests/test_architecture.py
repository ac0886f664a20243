"""The import rule of docs/architecture.md: a room imports only from rooms below it; the runtime needs no PyTorch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).parent.parent / "src" / "semapix"

FLOORS = [  # from below; rooms of one floor do not import each other
    ["errors"],
    ["files"],
    ["imaging", "stream", "coding", "archive"],
    ["bundle"],
    ["graphs"],
    ["tasks"],
    ["codecs"],
    ["public"],  # semapix/__init__.py and the files of PUBLIC beside it
    ["cli"],
    ["training"],
    ["evaluation"],
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
PUBLIC = {"__init__", "_bracket", "_budget", "_encode", "_rate", "_stream", "_teach", "_watch", "_within", "_write"}
RUNTIME = {room for room in FLOOR if room not in ("training", "evaluation")}

NEVER = {("codecs", "stream"), ("training", "cli"), ("evaluation", "cli")}  # importer, imported
LAZILY = {("cli", "training"), ("cli", "evaluation")}  # inside of functions only: the commands that need PyTorch

RUNTIME_LIBRARIES = {"PIL", "constriction", "fsspec", "numpy", "onnxruntime", "rich", "typer"}


class Import(NamedTuple):
    """One imported module, seen in one place."""

    file: str
    line: int
    importer: str
    module: str
    in_function: bool


def room_of(module: str) -> str:
    """The room that a module of the package (`semapix.stream._wire`) belongs to."""
    parts = module.split(".")
    if len(parts) == 1 or parts[1] in PUBLIC:
        return "public"
    return "cli" if parts[1] == "__main__" else parts[1]


def modules() -> dict[str, Path]:
    """Every module of the package, by its dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports_of(source: str, name: str, is_package: bool, file: str) -> Iterator[Import]:
    """All imports in a module, wherever they stand; `from semapix import errors` counts as one of semapix.errors."""
    importer = room_of(name)
    package = name.split(".") if is_package else name.split(".")[:-1]

    def visit(node: ast.AST, in_function: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(file, node.lineno, importer, alias.name, in_function)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                module = f"{base}.{alias.name}"
                yield Import(file, node.lineno, importer, module if module in MODULES else base, in_function)
        # What only type checkers see is not imported when the program runs.
        for_checkers = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        inside = in_function or for_checkers or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, inside)

    yield from visit(ast.parse(source), False)


def broken_rule(found: Import) -> str | None:
    """What is wrong with an import, or None."""
    top = found.module.split(".")[0]
    if top != "semapix":
        if found.importer in RUNTIME and top not in RUNTIME_LIBRARIES | sys.stdlib_module_names:
            return f"the runtime may not import {top}"
        return None
    imported = room_of(found.module)
    if imported == found.importer:
        return None
    if (found.importer, imported) in LAZILY:
        return None if found.in_function else f"{found.importer} may import {imported} inside of functions only"
    if (found.importer, imported) in NEVER or FLOOR[imported] >= FLOOR[found.importer]:
        return f"{found.importer} may not import {imported}"
    return None


def test_every_module_is_in_a_known_room() -> None:
    rooms = {room_of(name) for name in MODULES}
    assert rooms <= set(FLOOR), "give a new room its floor in this file and in docs/architecture.md"
    assert rooms == set(FLOOR)
    assert len(MODULES) >= 50


def test_rooms_import_only_from_below() -> None:
    looked_at = 0
    wrong = []
    for name, path in MODULES.items():
        file = str(path.relative_to(PACKAGE.parent))
        for found in imports_of(path.read_text(encoding="utf-8"), name, path.name == "__init__.py", file):
            looked_at += 1
            if rule := broken_rule(found):
                wrong.append(f"{found.file}:{found.line}: {rule}")
    assert not wrong, "\n".join(wrong)
    assert looked_at >= 300


@pytest.mark.parametrize(
    ("name", "source", "rule"),
    [
        ("semapix.stream._wire", "from semapix.imaging import load", "stream may not import imaging"),
        ("semapix.stream._wire", "from semapix import imaging", "stream may not import imaging"),
        ("semapix.stream._wire", "from .. import imaging", "stream may not import imaging"),
        ("semapix.stream._wire", "from ..imaging import load", "stream may not import imaging"),
        ("semapix.stream._wire", "import semapix.imaging", "stream may not import imaging"),
        ("semapix.stream._wire", "def f():\n  if f:\n    import semapix.codecs", "stream may not import codecs"),
        ("semapix.codecs.base", "from semapix.stream import Reader", "codecs may not import stream"),
        ("semapix.errors", "import semapix", "errors may not import public"),
        ("semapix.graphs", "import torch", "the runtime may not import torch"),
        ("semapix.coding._tables", "from scipy.special import erf", "the runtime may not import scipy"),
        ("semapix._stream", "def f(): import semapix.training", "public may not import training"),
        ("semapix.cli.train", "import semapix.training", "cli may import training inside of functions only"),
        ("semapix.cli.train", "def f(): import semapix.training.run", None),
        ("semapix.cli.train", "def f(): import torch", "the runtime may not import torch"),
        ("semapix.training.run", "from semapix.evaluation import psnr", "training may not import evaluation"),
        ("semapix.training.run", "import torch\nfrom semapix.codecs import base", None),
        ("semapix.evaluation.report", "import semapix", None),
        ("semapix.stream._wire", "from . import _header\nfrom semapix.errors import StreamError\nimport zlib", None),
    ],
)
def test_the_rule_itself(name: str, source: str, rule: str | None) -> None:
    rules = [broken_rule(found) for found in imports_of(source, name, False, "x.py")]
    assert rules
    assert next(filter(None, rules), None) == rule


def test_importing_semapix_loads_no_pytorch() -> None:
    code = "import semapix, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "semapix" in loaded
    assert len(loaded) > 50
    forbidden = ("torch", "lightning", "semapix.training", "semapix.evaluation")
    assert [name for name in loaded if name.startswith(forbidden)] == []
