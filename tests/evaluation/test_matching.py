"""Matches of single pictures give the average precision that the library counts for all of them."""

import numpy as np
import pytest

from semapix.evaluation.detection import average_precision
from semapix.evaluation.matching import match, precision_of
from semapix.tasks import RunLengths

SIZE = (100, 80)


def outlined(box, seed: int):
    """An entry with a box, and with a mask inside of it."""
    left, top, width, height = (round(x) for x in box)
    mask = np.zeros((SIZE[1], SIZE[0]), bool)
    mask[top : top + height, left : left + width] = np.random.default_rng(seed).random((height, width)) < 0.95
    return {"bbox": [left, top, width, height], "segmentation": RunLengths.of(mask, 0, 0, *SIZE).to_coco()}


def scenes(seed: int):
    """Objects and results of 12 pictures: results near objects, somewhere else, and twice."""
    rng = np.random.default_rng(seed)
    truth = {"images": [], "annotations": [], "categories": [{"id": 3, "name": "a"}, {"id": 4, "name": "b"}]}
    results = []
    for image in range(12):
        truth["images"].append({"id": image, "width": SIZE[0], "height": SIZE[1]})
        for _ in range(int(rng.integers(0, 5))):
            box = [*rng.uniform(0, 50, 2), *rng.uniform(8, 28, 2)]
            thing = {"id": len(truth["annotations"]) + 1, "image_id": image, "category_id": int(rng.integers(3, 5))}
            thing["iscrowd"] = int(rng.random() < 0.15)
            truth["annotations"].append(thing | outlined(box, image))
            for _ in range(int(rng.integers(0, 3))):
                near = np.array(box) + rng.normal(0, 2.5, 4)
                near[2:] = near[2:].clip(4)
                found = {"image_id": image, "category_id": 3, "score": float(rng.random())}
                results.append(found | outlined(near.clip(0), image + 50))
        stray = {"image_id": image, "category_id": 4, "score": float(rng.random())}
        results.append(stray | outlined([*rng.uniform(0, 50, 2), 20, 20], image))
    return truth, results


@pytest.mark.parametrize("kind", ["box", "mask"])
@pytest.mark.parametrize("seed", range(6))
def test_all_pictures_together_are_what_the_library_counts(seed, kind):
    truth, results = scenes(seed)
    if kind == "mask":  # crowds of masks are run lengths as well
        assert any(thing["iscrowd"] for thing in truth["annotations"]) or seed
    pictures = []
    for image in range(12):
        things = [thing for thing in truth["annotations"] if thing["image_id"] == image]
        pictures.append(match(things, [r for r in results if r["image_id"] == image], SIZE, kind))
    wanted = average_precision(truth, results, kind, class_agnostic=True).ap50
    assert precision_of(pictures) == pytest.approx(wanted, abs=1e-9)
    assert 0.05 < wanted < 1


def test_no_objects_have_no_figure_and_no_results_have_zero():
    nothing = match([], [], SIZE, "box")
    assert np.isnan(precision_of([nothing]))
    missed = match([{"bbox": [0, 0, 10, 10]}], [], SIZE, "box")
    assert precision_of([missed]) == 0.0
