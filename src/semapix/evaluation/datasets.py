"""Test pictures with their labels, as they are stored: `objects`, `imagenet400`, `kodak` below one folder of data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from semapix.errors import ArgumentError

__all__ = ["LabelSpace", "PhotoOfImageNet", "TestPicture", "imagenet_photos", "kodak", "object_labels", "object_tests"]

_TEN = "imagenette"


@dataclass(frozen=True)
class LabelSpace:
    """The labels of `objects`: names of coarse and fine ones, the coarse one of each fine one, WordNet ids."""

    coarse: list[str]
    fine: list[str]
    parents: list[int]
    wnids: list[str]


@dataclass(frozen=True)
class TestPicture:
    """A test picture of `objects`: an encoded image, its fine label, whether it is of one of Imagenette's ten."""

    __test__ = False  # no test case, whatever pytest thinks of the name

    image: bytes
    label: int
    of_ten: bool


@dataclass(frozen=True)
class PhotoOfImageNet:
    """A photo of `imagenet400`: an encoded image, its size in pixels, the WordNet id and the name of its class."""

    image: bytes
    width: int
    height: int
    wnid: str
    name: str


def object_labels(data: Path) -> LabelSpace:
    """The label spaces of `objects`."""
    labels = json.loads(_present(data / "objects" / "labels.json").read_text(encoding="utf-8"))
    fine = labels["labels"]
    return LabelSpace(
        labels["groups"], [x["name"] for x in fine], [x["group"] for x in fine], [x["wnid"] for x in fine]
    )


def object_tests(data: Path) -> list[TestPicture]:
    """All test pictures of `objects`, in the order of the file."""
    rows = _rows(data / "objects" / "test.parquet", ["image", "label", "source"])
    return [TestPicture(row["image"], row["label"], row["source"] == _TEN) for row in rows]


def imagenet_photos(data: Path) -> list[PhotoOfImageNet]:
    """All photos of `imagenet400`, in the order of the file."""
    rows = _rows(data / "imagenet400" / "test.parquet", ["image", "width", "height", "wnid", "name"])
    return [PhotoOfImageNet(**row) for row in rows]


def kodak(data: Path) -> list[Path]:
    """The Kodak pictures, by number."""
    pictures = sorted((data / "kodak").glob("kodim*.png"))
    if not pictures:
        raise ArgumentError(f"{data / 'kodak'}: holds no kodim*.png; --data must name the folder above kodak/")
    return pictures


def _rows(path: Path, columns: Sequence[str]) -> list[dict[str, Any]]:
    return pq.read_table(_present(path), columns=list(columns)).to_pylist()


def _present(path: Path) -> Path:
    if not path.is_file():
        raise ArgumentError(f"{path} does not exist; --data must name the folder above {path.parent.name}/")
    return path
