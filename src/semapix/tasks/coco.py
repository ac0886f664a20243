"""Objects of pictures as COCO writes them: JSON with images, annotations and categories."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from semapix.errors import ArgumentError
from semapix.tasks.detection import Detections

__all__ = ["ResultIds", "check_entry", "read_annotations"]

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


@dataclass(frozen=True)
class ResultIds:
    """How a results file calls pictures and classes: by the numbers of the annotations that it is held to.

    `images`: of pictures, by their file names without directory and ending. `categories`: by name. `source`: what the
    annotations are called, for messages.
    """

    images: Mapping[str, int]
    categories: Mapping[str, int]
    source: str

    @classmethod
    def of(cls, content: Mapping[str, Any], aliases: Mapping[str, str] | None = None, name: str = "truth") -> ResultIds:
        """Those of COCO-style annotations, as `read_annotations` gives them, which are called `name`.

        `aliases`: what a model calls categories that have another name there. Raises ArgumentError for two pictures of
        one name.
        """
        images: dict[str, int] = {}
        for entry in content["images"]:
            check_entry(entry, ("file_name", "id"), f"{name}: a picture")
            stem = Path(entry["file_name"]).stem
            if images.setdefault(stem, entry["id"]) != entry["id"]:
                raise ArgumentError(f"{name}: two pictures are called {stem}; results could not tell them apart")
        categories = {(aliases or {}).get(entry["name"], entry["name"]): entry["id"] for entry in content["categories"]}
        return cls(images, categories, name)

    def results(self, found: Detections, picture: str) -> list[dict[str, Any]]:
        """The entries of a picture's objects, boxes as x, y, width, height; classes without a number are left out.

        `picture`: its name without directory and ending. Raises ArgumentError when the annotations lack it.
        """
        if picture not in self.images:
            raise ArgumentError(f"{self.source} has no picture called {picture}; name files as their pictures")
        entries = []
        for thing in found:
            if thing.name not in self.categories:
                continue
            x0, y0, x1, y1 = thing.box
            entry: dict[str, Any] = {
                "image_id": self.images[picture],
                "category_id": self.categories[thing.name],
                "bbox": [x0, y0, x1 - x0, y1 - y0],
                "score": thing.score,
            }
            entries.append(entry | ({"segmentation": thing.mask.to_coco()} if thing.mask else {}))
        return entries
