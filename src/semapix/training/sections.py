"""Recipes from plain values: each section of the file is a dataclass, and must have exactly its keys."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, TypeVar, get_args, get_type_hints

from semapix.errors import ArgumentError

__all__ = ["RecipeData", "build_recipe"]

T = TypeVar("T")

_PRECISIONS = ("32-true", "bf16-mixed")


@dataclass(frozen=True, kw_only=True)
class RecipeData:
    """Folders of the training data, relative to `--data`."""

    labelled: str
    """Folder with labels.json and Parquet files."""
    labelled_files: str
    """Pattern of the training files in it."""
    labelled_side: int
    """Training pictures are squeezed to squares of this side, at least the core's; views of them make cores."""
    photos: str
    """Folder with Parquet files of photos."""
    held_out: int
    """Every n-th training picture is held out for tuning."""
    held_out_photos: int
    """Every n-th photo is held out for tuning."""
    held_out_alike: bool = False
    """Held-out pictures are whole groups of look-alikes, so that none resembles one that trains (splits.py)."""


def build_recipe(kind: type[T], values: dict[str, Any], where: str) -> T:
    """A recipe of a kind; `where`: what messages call it. Raises ArgumentError for unknown or missing keys."""
    hints = get_type_hints(kind)
    sections = {key: part for key, hint in hints.items() if (part := _section(hint)) is not None}
    built = {
        key: value
        if key not in sections or (value is None and hints[key] != sections[key])
        else _build(sections[key], value, f"{where}, {key}")
        for key, value in values.items()
    }
    recipe: T = _build(kind, built, where)
    for key in sections:
        precision = getattr(built.get(key), "precision", _PRECISIONS[0])
        if precision not in _PRECISIONS:
            raise ArgumentError(f"{where}: precision (={precision!r}) must be one of: {', '.join(_PRECISIONS)}")
    return recipe


def _section(hint: Any) -> Any:
    """The dataclass of a field that is one, or may be one or None; else None."""
    return next((part for part in (hint, *get_args(hint)) if dataclasses.is_dataclass(part)), None)


def _build(kind: Any, values: Any, where: str) -> Any:
    """A dataclass from a mapping that must have exactly its keys; those with a default may be missing."""
    if not isinstance(values, dict):
        raise ArgumentError(f"{where} must be a mapping, not {values!r}")
    wanted = {field.name for field in dataclasses.fields(kind)}
    needed = {
        field.name
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    unknown, missing = sorted(set(values) - wanted), sorted(needed - set(values))
    if unknown or missing:
        raise ArgumentError(f"{where}: unknown keys {unknown}, missing keys {missing}")
    return kind(**values)
