"""Which categories of other data sets may hold the labels of the shipped model."""

import json

import pytest

from semapix.bundle import default_for
from semapix.errors import ArgumentError
from semapix.evaluation.datasets import Dataset, TestPicture
from semapix.evaluation.matches import load_matches, may_hold


def test_every_label_that_is_named_is_one_of_the_shipped_model():
    fine = next(task for task in default_for("scalable").manifest["tasks"] if task["name"] == "fine")
    matches = load_matches()
    assert {name: len(categories) for name, categories in matches.items()} == {"coco": 80, "voc": 20}
    named = [label for categories in matches.values() for labels in categories.values() for label in labels]
    assert len(named) > 50
    assert set(named) - set(fine["labels"]) == set()


@pytest.fixture
def coco(tmp_path):
    folder = tmp_path / "coco"
    folder.mkdir()
    stated = {
        "categories": [{"id": 1, "name": "zebra"}, {"id": 2, "name": "banana"}],
        "annotations": [{"image_id": n, "category_id": c} for n, c in ((7, 1), (8, 1), (8, 2))],
    }
    (folder / "instances_test.json").write_text(json.dumps(stated))
    return Dataset(folder, [TestPicture(str(number), b"", {"image_id": number}) for number in (7, 8, 9)])


def test_pictures_hold_what_their_categories_may_hold(coco):
    assert may_hold(coco, "test", ["banana", "oboe"], []) == [False, True, False]
    assert may_hold(coco, "test", ["oboe"], []) == [False, False, False]


def test_wordnet_ids_decide_where_there_are_some(tmp_path):
    data = Dataset(tmp_path, [TestPicture("a", b"", {"wnid": "n1"}), TestPicture("b", b"", {"wnid": "n2"})])
    assert may_hold(data, "test", [], ["n2", "n3"]) == [False, True]


def test_refusals(coco, tmp_path):
    with pytest.raises(ArgumentError, match=r"has neither a column `wnid` nor instances_train.json"):
        may_hold(coco, "train", [], [])
    path = coco.folder / "instances_test.json"
    path.write_text(path.read_text().replace("zebra", "unicorn"))
    with pytest.raises(ArgumentError, match="does not name the categories unicorn"):
        may_hold(coco, "test", [], [])
    other = Dataset(coco.folder.rename(tmp_path / "other"), coco.pictures)
    with pytest.raises(ArgumentError, match="says nothing of data set 'other'"):
        may_hold(other, "test", [], [])
