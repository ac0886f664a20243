"""COCO-style annotations: what cannot be read is named."""

import json

import numpy as np
import pytest

from semapix.errors import ArgumentError
from semapix.tasks import Detection, Detections, ResultIds, RunLengths, check_entry, read_annotations

PARTS = {"images": [], "annotations": [], "categories": []}


def test_annotations_come_from_a_file_or_are_there(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(PARTS))
    assert read_annotations(path) == (PARTS, str(path))
    assert read_annotations(PARTS, "mine") == (PARTS, "mine")


def test_errors_name_the_value_and_the_way_out(tmp_path):
    path = tmp_path / "a.json"
    with pytest.raises(ArgumentError, match=r"a\.json does not exist; the truth is a JSON file of COCO-style"):
        read_annotations(path)
    path.write_text("{")
    with pytest.raises(ArgumentError, match=r"a\.json is no JSON \(Expecting"):
        read_annotations(path)
    path.write_text("[]")
    with pytest.raises(ArgumentError, match=r"a\.json: has no list of images"):
        read_annotations(path)
    with pytest.raises(ArgumentError, match="mine: has no list of categories, so these are no COCO-style annotations"):
        read_annotations({"images": [], "annotations": []}, "mine")
    with pytest.raises(ArgumentError, match="image 3 has no id; it has width, height"):
        check_entry({"width": 1, "height": 2}, ["width", "id"], "image 3")


def test_results_have_the_numbers_of_the_annotations():
    images = [{"file_name": "sub/a.jpg", "id": 7}, {"file_name": "b.png", "id": 9}]
    categories = [{"name": "airplane", "id": 3}, {"name": "dog", "id": 4}]
    truth = {"images": images, "annotations": [], "categories": categories}
    ids = ResultIds.of(truth, {"airplane": "aeroplane"}, "mine")
    mask = RunLengths.of(np.eye(4, dtype=bool), 0, 0, 4, 4)
    found = Detections(
        [
            Detection("aeroplane", 0.9, (1.0, 2.0, 4.0, 8.0), mask),
            Detection("cat", 0.8, (0.0, 0.0, 1.0, 1.0)),  # unknown there
            Detection("dog", 0.7, (0.0, 0.0, 2.0, 1.0)),
        ],
        "segment",
    )
    first, second = ids.results(found, "a")
    assert first == {
        "image_id": 7,
        "category_id": 3,
        "bbox": [1.0, 2.0, 3.0, 6.0],
        "score": 0.9,
        "segmentation": mask.to_coco(),
    }
    assert second == {"image_id": 7, "category_id": 4, "bbox": [0.0, 0.0, 2.0, 1.0], "score": 0.7}
    with pytest.raises(ArgumentError, match="mine has no picture called c; name files as their pictures"):
        ids.results(found, "c")
    twice = {**truth, "images": [*images, {"file_name": "a.png", "id": 8}]}
    with pytest.raises(ArgumentError, match="mine: two pictures are called a; results could not tell them apart"):
        ResultIds.of(twice, None, "mine")
