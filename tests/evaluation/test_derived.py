"""Label spaces made of others."""

from importlib import resources

import pytest
import yaml

from semapix.bundle import default_for
from semapix.errors import ArgumentError
from semapix.evaluation.datasets import Dataset, LabelSpace, TestPicture
from semapix.evaluation.derived import with_derived


@pytest.fixture
def data(tmp_path):
    space = LabelSpace("fine", [{"name": name} for name in ("cat", "dog", "oak")])
    return Dataset(tmp_path, [TestPicture(str(i), b"", {"fine": i}) for i in (0, 2, 1)], {"fine": space})


def written(tmp_path, text):
    path = tmp_path / "space.yaml"
    path.write_text(text)
    return str(path)


def test_pictures_get_the_kinds_of_their_classes(data, tmp_path):
    file = written(tmp_path, "{name: life, groups: {plants: {tree: [oak]}, animals: {animal: [dog, cat]}}}")
    more = with_derived(data, [file, "objects-intermediate"])
    assert list(more.spaces) == ["fine", "life"]
    assert more.spaces["life"].names == ["tree", "animal"]
    assert [picture.columns["life"] for picture in more.pictures] == [1, 0, 1]


def test_the_one_of_objects_lies_between_the_groups_and_the_classes_of_the_shipped_model():
    labels = {task["name"]: task["labels"] for task in default_for("scalable").manifest["tasks"]}
    file = resources.files("semapix.evaluation") / "label_spaces" / "objects-intermediate.yaml"
    groups = yaml.safe_load(file.read_text())["groups"]
    assert sorted(groups) == sorted(labels["coarse"])
    classes = [one for kinds in groups.values() for listed in kinds.values() for one in listed]
    assert sorted(classes) == sorted(labels["fine"])
    kinds = [kind for kinds in groups.values() for kind in kinds]
    assert len(kinds) == len(set(kinds)) == 69  # a kind lies in one group
    assert all(len(listed) for kinds in groups.values() for listed in kinds.values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "needs a `name`, and `groups` of kinds"),
        ("{name: life, groups: {a: {b: oak}}}", "needs a `name`, and `groups` of kinds"),
        ("{name: life, groups: {a: {b: [oak, dog], c: [oak]}}}", "'oak' stands there twice; a class is of one kind"),
        ("{name: fine, groups: {a: {b: [oak, dog, cat]}}}", "has a column 'fine' already"),
        ("{", "is no YAML"),
    ],
)
def test_refusals(data, tmp_path, text, message):
    with pytest.raises(ArgumentError, match=message):
        with_derived(data, [written(tmp_path, text)])


def test_a_missing_file_is_refused(data):
    with pytest.raises(ArgumentError, match="nowhere: there is no such label space"):
        with_derived(data, ["nowhere"])
