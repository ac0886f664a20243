"""COCO-style annotations: what cannot be read is named."""

import json

import pytest

from semapix.errors import ArgumentError
from semapix.tasks import check_entry, read_annotations

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
