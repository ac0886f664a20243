"""Objects of pictures as COCO writes them: JSON with images, annotations and categories."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from semapix.errors import ArgumentError

__all__ = ["check_entry", "read_annotations"]

_PARTS = ("images", "annotations", "categories")


def read_annotations(
    source: str | PathLike[str] | Mapping[str, Any], what: str = "the truth"
) -> tuple[Mapping[str, Any], str]:
    """COCO-style annotations, a JSON file or what it holds, and a name for messages.

    `what`: what the annotations are, for messages. Raises ArgumentError when the file cannot be read, or a part
    is missing.
    """
    if isinstance(source, Mapping):
        content, name = source, what
    else:
        path = Path(source)
        name = str(path)
        if not path.is_file():
            raise ArgumentError(f"{path} does not exist; {what} is a JSON file of COCO-style annotations")
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ArgumentError(f"{path} is no JSON ({error})") from None
    for part in _PARTS:
        if not isinstance(content, Mapping) or not isinstance(content.get(part), list):
            raise ArgumentError(f"{name}: has no list of {part}, so these are no COCO-style annotations")
    return content, name


def check_entry(entry: Mapping[str, Any], keys: Sequence[str], what: str) -> None:
    """Raises ArgumentError, naming `what`, unless an entry has all `keys`."""
    for key in keys:
        if key not in entry:
            raise ArgumentError(f"{what} has no {key}; it has {', '.join(entry)}")
