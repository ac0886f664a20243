"""Average precision of results whose figures can be worked out by hand."""

import copy
import json
import math
import sys

import numpy as np
import pytest

from semapix.errors import ArgumentError, SemapixError
from semapix.evaluation.detection import average_precision, rle

TRUTH = {
    "images": [{"id": 7, "width": 100, "height": 80}, {"id": 9, "width": 100, "height": 80}],
    "categories": [{"id": 1, "name": "cat"}, {"id": 5, "name": "dog"}, {"id": 6, "name": "cow"}],
    "annotations": [
        {"id": 0, "image_id": 7, "category_id": 1, "bbox": [10, 10, 20, 20]},
        {"id": 1, "image_id": 7, "category_id": 5, "bbox": [50, 10, 20, 20]},
        {"id": 2, "image_id": 9, "category_id": 1, "bbox": [10, 40, 40, 20]},
    ],
}
for _annotation in TRUTH["annotations"]:
    x, y, w, h = _annotation["bbox"]
    _annotation["segmentation"] = [[x, y, x + w, y, x + w, y + h, x, y + h]]


def found(image: int, category: int, score: float, box: list[float]) -> dict[str, object]:
    left, top, right, bottom = box[0], box[1], box[0] + box[2], box[1] + box[3]
    mask = np.zeros((80, 100), bool)
    mask[int(top) : int(bottom), int(left) : int(right)] = True
    return {"image_id": image, "category_id": category, "score": score, "bbox": box, "segmentation": rle(mask)}


ALL = [
    found(7, 1, 0.9, [10, 10, 20, 20]),
    found(7, 5, 0.8, [50, 10, 20, 20]),
    found(9, 1, 0.7, [10, 40, 40, 20]),
]
BOTH = pytest.mark.parametrize("kind", ["box", "mask"])


@BOTH
def test_everything_found(kind):
    precision = average_precision(TRUTH, ALL, kind)
    assert (precision.ap, precision.ap50) == (pytest.approx(1), pytest.approx(1))  # cows, of which there are none, too


@BOTH
def test_nothing_found(kind):
    precision = average_precision(TRUTH, [], kind)
    assert (precision.ap, precision.ap50) == (0, 0)


@BOTH
def test_one_object_missed(kind):
    """Of two cats one: precision is 1 at the recalls 0, 0.01, ..., 0.5, which are 51 of 101."""
    precision = average_precision(TRUTH, ALL[:2], kind)
    assert precision.ap == pytest.approx((51 / 101 + 1) / 2)


@BOTH
def test_a_wrong_result_before_the_right_one(kind):
    precision = average_precision(TRUTH, [*ALL, found(9, 5, 0.95, [60, 40, 20, 20])], kind)
    assert precision.ap == pytest.approx((1 + 1 / 2) / 2)


@BOTH
def test_a_loose_outline_counts_at_low_overlaps(kind):
    """30x20 around 20x20 overlaps by 2/3: found at 0.50, 0.55, 0.60 and 0.65, of ten."""
    loose = [ALL[0], found(7, 5, 0.8, [45, 10, 30, 20]), ALL[2]]
    precision = average_precision(TRUTH, loose, kind)
    assert precision.ap50 == pytest.approx(1)
    assert precision.ap == pytest.approx((1 + 4 / 10) / 2)


@BOTH
def test_whatever_the_class(kind):
    swapped = [{**result, "category_id": 6} for result in ALL]
    assert average_precision(TRUTH, swapped, kind).ap == 0
    assert average_precision(TRUTH, swapped, kind, class_agnostic=True).ap == pytest.approx(1)
    nameless = [{key: value for key, value in result.items() if key != "category_id"} for result in ALL]
    assert average_precision(TRUTH, nameless, kind, class_agnostic=True).ap == pytest.approx(1)


@BOTH
def test_some_pictures(kind):
    assert average_precision(TRUTH, ALL[:2], kind, images=[7]).ap == pytest.approx(1)
    assert average_precision(TRUTH, ALL[:2], kind, images={9}).ap == 0


@BOTH
def test_crowds_neither_count_nor_make_results_wrong(kind):
    truth = copy.deepcopy(TRUTH)
    truth["annotations"][1]["iscrowd"] = 1
    assert average_precision(truth, ALL, kind).ap == pytest.approx(1)
    assert average_precision(truth, [ALL[0], ALL[2]], kind).ap == pytest.approx(1)


@BOTH
def test_nothing_to_find(kind):
    assert math.isnan(average_precision({**TRUTH, "annotations": []}, ALL, kind).ap)


def test_masks_are_not_boxes():
    """A triangle that fills half of its box."""
    truth = copy.deepcopy(TRUTH)
    truth["annotations"][1]["segmentation"] = [[50, 10, 70, 10, 50, 30]]
    assert average_precision(truth, ALL, "box").ap == pytest.approx(1)
    assert average_precision(truth, ALL, "mask").ap < 0.6
    outlines = [entry["segmentation"] for entry in truth["annotations"]]
    drawn = [{**result, "segmentation": outline} for result, outline in zip(ALL, outlines, strict=True)]
    assert average_precision(truth, drawn, "mask").ap == pytest.approx(1)


def test_the_truth_may_lie_in_a_file_and_nothing_is_written_into(tmp_path):
    (tmp_path / "truth.json").write_text(json.dumps(TRUTH))
    results = copy.deepcopy(ALL)
    assert average_precision(tmp_path / "truth.json", results).ap == pytest.approx(1)
    assert results == ALL


def test_truths_that_are_none(tmp_path):
    with pytest.raises(ArgumentError, match=r"absent\.json does not exist; the truth is a JSON file"):
        average_precision(tmp_path / "absent.json", ALL)
    (tmp_path / "text.json").write_text("no JSON")
    with pytest.raises(ArgumentError, match=r"text\.json is no JSON \(Expecting value"):
        average_precision(tmp_path / "text.json", ALL)
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(ArgumentError, match=r"list\.json: has no list of images, so these are no COCO-style"):
        average_precision(tmp_path / "list.json", ALL)
    with pytest.raises(ArgumentError, match=r"the truth: has no list of categories"):
        average_precision({**TRUTH, "categories": None}, ALL)
    with pytest.raises(ArgumentError, match=r"the truth: image 0 has no width; it has id"):
        average_precision({**TRUTH, "images": [{"id": 7}]}, ALL)
    boxes = [{key: value for key, value in entry.items() if key != "segmentation"} for entry in TRUTH["annotations"]]
    with pytest.raises(ArgumentError, match=r"the truth: annotation 0 has no segmentation; it has id, image_id, "):
        average_precision({**TRUTH, "annotations": boxes}, ALL, "mask")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_id": 8}, r"result 1: image_id \(=8\) is none of the 2 pictures of the truth"),
        ({"category_id": 2}, r"result 1: category_id \(=2\) is none of the 3 classes of the truth"),
        ({"score": math.nan}, r"result 1: score \(=nan\) must be finite"),
    ],
)
def test_results_that_do_not_fit(change, message):
    with pytest.raises(ArgumentError, match=message):
        average_precision(TRUTH, [ALL[0], {**ALL[1], **change}])


@pytest.mark.parametrize("key", ["image_id", "category_id", "score", "bbox"])
def test_results_that_are_incomplete(key):
    result = {name: value for name, value in ALL[1].items() if name != key}
    with pytest.raises(ArgumentError, match=rf"result 0 has no {key}; it has "):
        average_precision(TRUTH, [result])


def test_arguments_out_of_range():
    with pytest.raises(ArgumentError, match=r"kind \(='keypoints'\) must be one of box, mask"):
        average_precision(TRUTH, ALL, "keypoints")
    with pytest.raises(ArgumentError, match=r"images holds 8, which is none of the 2 pictures of the truth"):
        average_precision(TRUTH, ALL, images=[7, 8])


def test_without_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    with pytest.raises(SemapixError, match=r"average precision needs faster_coco_eval; .*'semapix\[eval\]'"):
        average_precision(TRUTH, ALL)
