"""Test pictures with their labels, as they are stored: folders of images, Parquet files, COCO-style folders.

A data set is a folder, and its form is seen from what lies in it:

- `test*.parquet`: encoded images in the column `image`, labels in columns of integers; `labels.json` beside them names
  the labels: the names of column `fine` stand there under `fine` or `fines`, as strings or as objects with a `name`.
- `images/` with `instances_test.json` (COCO's form), and masks of classes in `masks/` where there are any.
- otherwise all images in it, whatever their names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from semapix.errors import ArgumentError
from semapix.imaging import load, resize

__all__ = ["Dataset", "LabelSpace", "TestPicture", "open_dataset", "some_of", "squeezed"]

_ENDINGS = {".png", ".jpg", ".jpeg", ".webp", ".avif", ".jp2", ".ppm", ".bmp", ".tif", ".tiff"}

Item = TypeVar("Item")


@dataclass(frozen=True)
class LabelSpace:
    """The labels of one column. `entries`: what labels.json says of each label, an object with its `name` at least."""

    column: str
    entries: Sequence[Mapping[str, Any]]

    @property
    def names(self) -> list[str]:
        """Names of the labels, in their order."""
        return [str(entry["name"]) for entry in self.entries]


@dataclass(frozen=True)
class TestPicture:
    """A test picture: its name, its encoded image (bytes, or the file that holds them), and what is known of it.

    `columns`: labels as integers, and whatever else the data set says of the picture, by the names of the columns.
    """

    __test__ = False  # no test case, whatever pytest thinks of the name

    name: str
    image: bytes | Path
    columns: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """A short hash of the encoded image: the same picture is known again by it."""
        try:
            content = self.image if isinstance(self.image, bytes) else self.image.read_bytes()
        except OSError:
            return "unreadable"  # who loads it will say why
        return sha256(content).hexdigest()[:16]


@dataclass(frozen=True)
class Dataset:
    """Test pictures. `folder`: where they lie. `spaces`: label spaces by the names of their columns."""

    folder: Path
    pictures: Sequence[TestPicture]
    spaces: Mapping[str, LabelSpace] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.folder.resolve().name

    def space_of(self, labels: Sequence[str]) -> LabelSpace | None:
        """The label space with these names in this order, if there is one."""
        return next((space for space in self.spaces.values() if space.names == list(labels)), None)


def open_dataset(folder: Path, part: str = "test") -> Dataset:
    """Open the data set in `folder`. `part`: `test`, or `train` for what a probe learns from.

    Raises ArgumentError when there is no such folder, or nothing that could be read in it.
    """
    if not folder.is_dir():
        raise ArgumentError(f"{folder}: there is no such directory; a data set is a directory")
    tables = sorted(folder.glob(f"{part}*.parquet"))
    if tables:
        return _from_parquet(folder, tables)
    instances = folder / f"instances_{part}.json"
    if instances.is_file():
        return _from_coco(folder, instances)
    if part != "test":
        raise ArgumentError(f"{folder}: holds no {part}*.parquet; a plain folder of images has no part to train on")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in _ENDINGS and path.is_file())
    if not files:
        raise ArgumentError(f"{folder}: holds no images, no {part}*.parquet and no instances_{part}.json")
    return Dataset(folder, [TestPicture(path.name, path) for path in files])


def some_of(items: Sequence[Item], limit: int | None) -> Sequence[Item]:
    """`limit` items, spread evenly over all; all of them when None."""
    if limit is None or limit >= len(items):
        return items
    return [items[i * len(items) // limit] for i in range(limit)]


def squeezed(picture: TestPicture, side: int | None) -> NDArray[np.uint8]:
    """The pixels of a picture, uint8 (H, W, 3), resampled to a square of `side` pixels; as stored when None."""
    pixels = load(picture.image).pixels
    return pixels if side is None else resize(pixels, (side, side), "lanczos")


def _from_parquet(folder: Path, tables: Sequence[Path]) -> Dataset:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pictures = []
    for table in tables:
        try:
            rows = pq.read_table(table).to_pylist()
        except pa.ArrowInvalid as error:
            raise ArgumentError(f"{table}: is no Parquet file ({str(error).splitlines()[0]})") from None
        for number, row in enumerate(rows):
            image = row.pop("image", "")
            if not isinstance(image, (bytes, type(None))):
                raise ArgumentError(f"{table}: needs a column `image` with encoded images as bytes")
            pictures.append(TestPicture(f"{table.stem}-{number:05}", image or b"", row))
    if not pictures:
        raise ArgumentError(f"{folder}: its Parquet files hold no rows")
    return Dataset(folder, pictures, _spaces(folder / "labels.json", pictures[0].columns))


def _spaces(path: Path, columns: Mapping[str, Any]) -> dict[str, LabelSpace]:
    """The label spaces that labels.json names for these columns; none when there is no such file."""
    if not path.is_file():
        return {}
    stated = _read_object(path)
    spaces = {}
    for column in columns:
        entries = stated.get(column, stated.get(f"{column}s"))
        if not isinstance(entries, list):
            continue
        plain = [entry if isinstance(entry, dict) else {"name": entry} for entry in entries]
        for number, entry in enumerate(plain):
            if "name" not in entry or entry.get("id", number) != number:
                raise ArgumentError(
                    f"{path}: entry {number} of {column!r} must have a name and, if any, its place as id: {entry}"
                )
        spaces[column] = LabelSpace(column, plain)
    return spaces


def _read_object(path: Path) -> dict[str, Any]:
    """The object that a JSON file holds."""
    try:
        stated = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ArgumentError(f"{path}: is no JSON ({error})") from None
    if not isinstance(stated, dict):
        raise ArgumentError(f"{path}: must hold an object, not {type(stated).__name__}")
    return stated


def _from_coco(folder: Path, instances: Path) -> Dataset:
    pictures = []
    for entry in _read_object(instances).get("images", []):
        if "file_name" not in entry or "id" not in entry:
            raise ArgumentError(f"{instances}: an image needs `file_name` and `id`: {entry}")
        file = folder / "images" / entry["file_name"]
        mask = folder / "masks" / f"{file.stem}.png"
        columns = {"image_id": entry["id"], **({"mask": mask} if mask.is_file() else {})}
        pictures.append(TestPicture(entry["file_name"], file, columns))
    if not pictures:
        raise ArgumentError(f"{instances}: names no images")
    return Dataset(folder, pictures)
