"""Which pictures of other data sets hold none of a model's labels (matches.yaml)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

import yaml

from semapix.errors import ArgumentError
from semapix.evaluation.datasets import Dataset

__all__ = ["load_matches", "may_hold"]


def load_matches() -> dict[str, dict[str, list[str]]]:
    """For each data set, its categories with the labels that they may hold."""
    text = (resources.files(__package__) / "matches.yaml").read_text(encoding="utf-8")
    matches: dict[str, dict[str, list[str]]] = yaml.safe_load(text)
    return matches


def may_hold(data: Dataset, part: str, labels: Sequence[str], wnids: Sequence[str]) -> list[bool]:
    """For each picture of a data set, whether it may hold one of the labels.

    Of data sets with a column `wnid`, by WordNet ids; of data sets in COCO's form, by annotated categories.
    Raises ArgumentError for any other data set, and for a category that matches.yaml does not name.
    """
    if all("wnid" in picture.columns for picture in data.pictures):
        return [picture.columns["wnid"] in wnids for picture in data.pictures]
    categories = _categories(data.folder, part)
    matches = load_matches().get(data.name)
    if matches is None:
        raise ArgumentError(f"{data.folder}: matches.yaml says nothing of data set {data.name!r}")
    missing = sorted(set().union(*categories.values()) - set(matches)) if categories else []
    if missing:
        raise ArgumentError(f"{data.folder}: matches.yaml does not name the categories {', '.join(missing)}")
    ours = {category for category, found in matches.items() if set(found) & set(labels)}
    return [bool(categories.get(picture.columns["image_id"], set()) & ours) for picture in data.pictures]


def _categories(folder: Path, part: str) -> Mapping[int, set[str]]:
    """The annotated categories of each picture, by its number."""
    path = folder / f"instances_{part}.json"
    if not path.is_file():
        raise ArgumentError(f"{folder}: has neither a column `wnid` nor {path.name}, so what it holds is not known")
    stated = json.loads(path.read_text(encoding="utf-8"))
    names = {entry["id"]: entry["name"] for entry in stated["categories"]}
    found: dict[int, set[str]] = {}
    for entry in stated["annotations"]:
        found.setdefault(entry["image_id"], set()).add(names[entry["category_id"]])
    return found
