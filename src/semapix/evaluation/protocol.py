"""Protocols: the choices of an experiment, as YAML. Each has a dataclass with exactly the keys of its file."""

from __future__ import annotations

import dataclasses
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import yaml

from semapix.errors import ArgumentError

__all__ = ["load_protocol"]

P = TypeVar("P")

_KINDS: dict[str, type | tuple[type, ...]] = {
    "Sequence": (list, tuple),
    "Mapping": dict,
    "int": int,
    "float": (int, float),
    "str": str,
}


def load_protocol(kind: type[P], name: str, path: Path | None = None, **chosen: Any) -> P:
    """The protocol of the experiment `name`: the one that ships, or that in the file `path`.

    `kind`: its dataclass. `chosen`: values that take the place of the file's, unless they are None.
    Raises ArgumentError for a file that is missing or no YAML, for unknown or missing keys, and for values of another
    type, naming them.
    """
    if path is not None and not path.is_file():
        raise ArgumentError(f"{path}: there is no such protocol")
    source = path or resources.files(__package__) / "protocols" / f"{name}.yaml"
    try:
        values = yaml.safe_load(source.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ArgumentError(f"{path}: is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ArgumentError(f"{path}: must be a mapping, not {values!r}")
    values |= {key: value for key, value in chosen.items() if value is not None}
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]
    needed = {field.name for field in fields if field.default is dataclasses.MISSING}
    unknown, missing = sorted(set(values) - {field.name for field in fields}), sorted(needed - set(values))
    if unknown or missing:
        raise ArgumentError(f"{path or name}: unknown keys {unknown}, missing keys {missing}")
    for field in fields:
        if field.name in values and not isinstance(
            values[field.name], _KINDS.get(str(field.type).split("[")[0], object)
        ):
            raise ArgumentError(f"{path or name}: {field.name} (={values[field.name]!r}) must be {field.type}")
    return kind(**values)
