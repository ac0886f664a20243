"""Label spaces made of others: every class of a data set is of one kind, and kinds are labels of their own.

A file of YAML states one: its `name`, and under `groups`, the coarser labels that it refines, the kinds with the names
of their classes. Those that ship lie in `label_spaces/`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from semapix.errors import ArgumentError
from semapix.evaluation.datasets import Dataset, LabelSpace

__all__ = ["with_derived"]


def with_derived(data: Dataset, files: Sequence[str]) -> Dataset:
    """The data set with those derived label spaces whose classes are the classes of one of its own label spaces.

    `files`: names of those that ship, or paths; those of other data sets are passed over. Raises ArgumentError for a
    file that is missing or states no label space, for a class of two kinds, and for a name that is taken.
    """
    for file in files:
        name, kinds = _read(file)
        of_class = {one: number for number, classes in enumerate(kinds.values()) for one in classes}
        origin = next((space for space in data.spaces.values() if sorted(space.names) == sorted(of_class)), None)
        if origin is None:
            continue
        if name in data.pictures[0].columns:
            raise ArgumentError(f"{file}: the data set has a column {name!r} already; choose another name")
        labels = [of_class[one] for one in origin.names]
        pictures = [replace(p, columns={**p.columns, name: labels[p.columns[origin.column]]}) for p in data.pictures]
        space = LabelSpace(name, [{"name": kind} for kind in kinds])
        data = replace(data, pictures=pictures, spaces={**data.spaces, name: space})
    return data


def _read(file: str) -> tuple[str, dict[str, list[str]]]:
    """The name of a derived label space, and its kinds with their classes."""
    shipped = resources.files(__package__) / "label_spaces" / f"{file}.yaml"
    source: Any = shipped if shipped.is_file() else Path(file)
    if not source.is_file():
        raise ArgumentError(f"{file}: there is no such label space; give the name of one that ships, or a path")
    try:
        stated = yaml.safe_load(source.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ArgumentError(f"{file}: is no YAML: {' '.join(str(error).split())}") from None
    groups = stated.get("groups") if isinstance(stated, dict) else None
    if not (isinstance(groups, dict) and groups and isinstance(stated.get("name"), str)) or not all(
        isinstance(kinds, dict) and kinds and all(isinstance(classes, list) and classes for classes in kinds.values())
        for kinds in groups.values()
    ):
        raise ArgumentError(f"{file}: needs a `name`, and `groups` of kinds, each with a list of classes")
    pairs = [(kind, one) for kinds in groups.values() for kind, classes in kinds.items() for one in classes]
    twice = [one for one, count in Counter(one for _, one in pairs).items() if count > 1]
    if twice:
        raise ArgumentError(f"{file}: {twice[0]!r} stands there twice; a class is of one kind")
    of_kind: dict[str, list[str]] = {}
    for kind, one in pairs:
        of_kind.setdefault(kind, []).append(one)
    return stated["name"], of_kind
