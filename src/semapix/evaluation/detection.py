"""Average precision of found objects, by boxes or by masks, as COCO defines it; counted by faster-coco-eval.

T.-Y. Lin et al., "Microsoft COCO: common objects in context" (ECCV, 2014): precision at 101 recalls, the mean of them,
of classes, and for `ap` of the overlaps 0.50, 0.55 to 0.95. At most 100 results a picture and class count.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from semapix.errors import ArgumentError
from semapix.evaluation._extra import extra
from semapix.tasks import check_entry, read_annotations

__all__ = ["AveragePrecision", "average_precision", "rle"]

_RESULTS = 100  # of a picture and a class
_EVERYTHING = 1e10  # an area in pixels that no object has
_OUTLINE = {"box": "bbox", "mask": "segmentation"}


@dataclass(frozen=True)
class AveragePrecision:
    """0 to 1, or NaN when the truth holds no object. `ap`: over overlaps 0.50 to 0.95. `ap50`: at overlap 0.50.

    `ar`: average recall, the mean over overlaps and classes of the highest recall that the results reach.
    """

    ap: float
    ap50: float
    ar: float


def rle(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """A mask, bool (H, W), in COCO's run lengths, as `average_precision` takes it in `segmentation`."""
    coded: dict[str, Any] = extra("faster_coco_eval.core.mask", "average precision").encode(
        np.asfortranarray(mask, dtype=np.uint8)
    )
    return coded


def average_precision(
    truth: str | PathLike[str] | Mapping[str, Any],
    results: Sequence[Mapping[str, Any]],
    kind: Literal["box", "mask"] = "box",
    *,
    class_agnostic: bool = False,
    images: Collection[int] | None = None,
) -> AveragePrecision:
    """How well `results` find the objects of `truth`.

    `truth`: COCO-style annotations, a JSON file or what it holds: images, annotations and categories. Objects with
    `iscrowd` neither count as missed nor make results wrong.
    `results`: in COCO's form, each with `image_id`, `category_id`, `score` and, in pixels of the truth's pictures,
    `bbox` [left, top, width, height] for `kind` "box", `segmentation` for "mask": run lengths (see `rle`) or polygons.
    `class_agnostic`: an object is found whatever its class; results need no `category_id`. The limit of 100 results is
    then one of the whole picture.
    `images`: ids of the pictures that count; all by default. Results for others are left out.

    Raises ArgumentError when the truth cannot be read or a part of it is missing, and for a result that is incomplete
    or names a picture or a class that the truth has not; SemapixError without `faster-coco-eval`.
    """
    library = extra("faster_coco_eval", "average precision")
    outline = _OUTLINE.get(kind)
    if outline is None:
        raise ArgumentError(f"kind (={kind!r}) must be one of {', '.join(_OUTLINE)}")
    known, name = read_annotations(truth)
    sizes = _sizes(known, images, name)
    for number, entry in enumerate(known["annotations"]):
        check_entry(entry, ["image_id", "category_id", outline], f"{name}: annotation {number}")
    _check(results, known, [outline] if class_agnostic else ["category_id", outline], name)

    categories = [{"id": 1}] if class_agnostic else [{"id": entry["id"]} for entry in known["categories"]]
    sides = []
    for entries in (known["annotations"], results):
        counted = [entry for entry in entries if entry["image_id"] in sizes]
        parts = {
            "images": [{"id": key, "width": width, "height": height} for key, (width, height) in sizes.items()],
            "categories": categories,
            # Numbered from 1: for the library, 0 is no object.
            "annotations": [_plain(entry, i, outline, class_agnostic, sizes) for i, entry in enumerate(counted, 1)],
        }
        sides.append(library.COCO(parts))
    judge = library.COCOeval_faster(*sides, iouType={"box": "bbox", "mask": "segm"}[kind], print_function=_say_nothing)
    judge.params.maxDets = [_RESULTS]
    judge.params.areaRng, judge.params.areaRngLbl = [[0, _EVERYTHING]], ["all"]
    judge.evaluate()
    judge.accumulate()
    precision = np.asarray(judge.eval["precision"])  # (overlaps, recalls, classes, areas, limits)
    return AveragePrecision(_mean(precision), _mean(precision[:1]), _mean(np.asarray(judge.eval["recall"])))


def _say_nothing(*_: object) -> None:
    """What the library would print."""


def _mean(precision: NDArray[np.float64]) -> float:
    """The mean over all but classes that the truth does not show, which the library marks with -1."""
    present = precision[precision > -1]
    return float(present.mean()) if present.size else math.nan


def _sizes(known: Mapping[str, Any], images: Collection[int] | None, name: str) -> dict[int, tuple[int, int]]:
    """Width and height of the pictures that count, by their ids."""
    for number, entry in enumerate(known["images"]):
        check_entry(entry, ["id", "width", "height"], f"{name}: image {number}")
    sizes = {entry["id"]: (entry["width"], entry["height"]) for entry in known["images"]}
    if images is None:
        return sizes
    for image in images:
        if image not in sizes:
            raise ArgumentError(f"images holds {image}, which is none of the {len(sizes)} pictures of {name}")
    return {image: sizes[image] for image in sizes if image in images}


def _check(results: Sequence[Mapping[str, Any]], known: Mapping[str, Any], keys: Sequence[str], name: str) -> None:
    """Raises ArgumentError for a result that is incomplete, or speaks of what the truth has not."""
    pictures = {entry["id"] for entry in known["images"]}
    classes = {entry["id"] for entry in known["categories"]}
    for number, entry in enumerate(results):
        what = f"result {number}"
        check_entry(entry, ["image_id", "score", *keys], what)
        if not math.isfinite(entry["score"]):
            raise ArgumentError(f"{what}: score (={entry['score']}) must be finite")
        if entry["image_id"] not in pictures:
            raise ArgumentError(
                f"{what}: image_id (={entry['image_id']}) is none of the {len(pictures)} pictures of {name}"
            )
        if "category_id" in keys and entry["category_id"] not in classes:
            raise ArgumentError(
                f"{what}: category_id (={entry['category_id']}) is none of the {len(classes)} classes of {name}"
            )


def _plain(
    entry: Mapping[str, Any],
    number: int,
    outline: str,
    class_agnostic: bool,
    sizes: Mapping[int, tuple[int, int]],
) -> dict[str, Any]:
    """An object or a result with all that the library looks for; a copy, since it writes into what it gets."""
    plain = {
        "id": number,
        "image_id": entry["image_id"],
        "category_id": 1 if class_agnostic else entry["category_id"],
        "iscrowd": int(entry.get("iscrowd", 0)),
    }
    if "score" in entry:
        plain["score"] = float(entry["score"])
    if outline == "bbox":
        left, top, width, height = map(float, entry["bbox"])
        return plain | {"bbox": [left, top, width, height], "area": width * height}
    masks = extra("faster_coco_eval.core.mask", "average precision")
    runs = masks.segmToRle(entry["segmentation"], *sizes[entry["image_id"]])
    return plain | {"segmentation": runs, "area": float(masks.area(runs)), "bbox": masks.toBbox(runs).tolist()}
