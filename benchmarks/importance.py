"""How well maps of importance tell blocks inside of objects from the others, on training pictures with boxes.

    python benchmarks/importance.py --model adaptive --data DATA -o results/importance.json

It chose how strategy `semantic` of codec `adaptive` weighs the middle of a picture: training pictures alone are read.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from _common import finish, parser, run, with_progress
from numpy.typing import NDArray

from semapix.bundle import find
from semapix.codecs._importance import BLOCK, blend, centre_weighted, complexity, unit_range
from semapix.codecs.adaptive import Adaptive
from semapix.evaluation.records import Table
from semapix.graphs import OnnxGraphs
from semapix.imaging import load

Map = NDArray[np.float32]

_SETS = ("voc", "coco")
_PICTURES = 250  # the first ones of each
_SMALLEST = 0.02  # share of a picture that an object must cover


def maps_of(codec: Adaptive, pixels: NDArray[np.uint8]) -> dict[str, Map]:
    """Maps of a picture, uint8 (H, W, 3): each (rows, columns) of blocks."""
    rows, columns = (-(-side // BLOCK) for side in pixels.shape[:2])
    evidence, busy = codec.evidence(pixels, rows, columns), complexity(pixels)
    y, x = ((np.arange(count) + 0.5) / count * 2 - 1 for count in (rows, columns))
    middle = np.exp(-2 * np.add.outer(y**2, x**2)).astype(np.float32)
    semantic = centre_weighted(evidence)
    return {
        "evidence of the classifier, s": evidence,
        "complexity, c": busy,
        "the paper's blend of both": blend(evidence, busy),
        "the middle alone, g": middle,
        "s g": unit_range(evidence * middle),
        "(1/2 + s) g: `semantic`": semantic,
        "`blended` of it": blend(semantic, busy),
    }


def inside(boxes: list[list[float]], scale: tuple[float, float], height: int, width: int) -> NDArray[np.bool_]:
    """Blocks (rows, columns) that objects of some size touch; boxes are x, y, width, height before scaling."""
    mask = np.zeros((-(-height // BLOCK), -(-width // BLOCK)), bool)
    for x, y, wide, tall in ((b[0] * scale[0], b[1] * scale[1], b[2] * scale[0], b[3] * scale[1]) for b in boxes):
        if wide * tall >= _SMALLEST * height * width:
            mask[int(y / BLOCK) : -int(-(y + tall) // BLOCK), int(x / BLOCK) : -int(-(x + wide) // BLOCK)] = True
    return mask


def area_under_curve(values: Map, mask: NDArray[np.bool_]) -> float:
    """The probability that a block inside has a higher value than one outside; ties count half."""
    within, without = values[mask][:, None], values[~mask][None]
    return float((within > without).mean() + 0.5 * (within == without).mean())


def main() -> None:
    options = parser(__doc__).parse_args()
    bundle = find(options.model)
    codec = Adaptive(bundle, OnnxGraphs(bundle))
    rows: list[list[Any]] = []
    for name in _SETS:
        folder: Path = options.data / name
        content = json.loads((folder / "instances_train.json").read_text())
        boxes = defaultdict(list)
        for thing in content["annotations"]:
            boxes[thing["image_id"]].append(thing["bbox"])
        entries = content["images"][: options.limit or _PICTURES]
        for entry in with_progress(entries, len(entries), name):
            pixels = load(folder / "images" / entry["file_name"]).pixels
            height, width = pixels.shape[:2]
            mask = inside(boxes[entry["id"]], (width / entry["width"], height / entry["height"]), height, width)
            if mask.any() and not mask.all():
                for kind, values in maps_of(codec, pixels).items():
                    lift = float(values[mask].mean() / max(values.mean(), 1e-9))
                    rows.append([name, entry["file_name"], kind, area_under_curve(values, mask), lift])

    table = [["map", *(f"{name}: {figure}" for name in _SETS for figure in ("area", "lift"))]]
    results: dict[str, dict[str, Any]] = {}
    for kind in dict.fromkeys(row[2] for row in rows):
        cells, results[kind] = [kind], {}
        for name in _SETS:
            own = [row for row in rows if row[0] == name and row[2] == kind]
            area, lift = (float(np.mean([row[column] for row in own])) for column in (3, 4))
            results[kind][name] = {"pictures": len(own), "area": area, "lift": lift}
            cells += [f"{area:.3f}", f"{lift:.2f}"]
        table.append(cells)
    finish(
        options,
        "importance",
        table,
        settings={
            "pictures": f"the first {_PICTURES} of the training parts of voc and coco that have objects of "
            f"{100 * _SMALLEST:g} % of the picture and more",
            "area": "under the curve: how often a block inside of a box has a higher value than one outside",
            "lift": "mean value inside over the mean of all",
        },
        results=results,
        tables={"pictures": Table(["set", "picture", "map", "area", "lift"], rows)},
    )


if __name__ == "__main__":
    run(main)
