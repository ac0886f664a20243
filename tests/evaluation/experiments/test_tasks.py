"""Tasks at each rate: a stream of features beside decoded pictures, read by the same networks."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from semapix.errors import ArgumentError
from semapix.evaluation.experiments._run import Run
from semapix.evaluation.experiments.tasks import TasksProtocol, measure_tasks
from semapix.evaluation.protocol import load_protocol
from semapix.training.dicm.export import export_dicm
from semapix.training.dicm.model import load_dicm
from tests.evaluation.experiments.conftest import png


def protocol(**chosen):
    settings = {"dicm": [1, 5, 9], "jpeg": [5, 30, 80], "scalable": [1, 9]}
    return load_protocol(
        TasksProtocol, "tasks", codecs=["dicm", "jpeg"], settings=settings, against=["jpeg"], only={}, **chosen
    )


@pytest.fixture
def run(tmp_path, tiny_bundles) -> Run:
    return Run("semapix bench ...", tmp_path / "out", processes=1, model=str(tiny_bundles["dicm"]))


@pytest.fixture
def scenes(tmp_path):
    """Four pictures with a cat and a puppy each, which the model knows as dog, and a thing that it does not know."""
    folder = tmp_path / "park"
    (folder / "images").mkdir(parents=True)
    images, things = [], []
    for i in range(4):
        (folder / "images" / f"{i}.png").write_bytes(png(90, 70, i))
        images.append({"id": 20 + i, "file_name": f"{i}.png", "width": 90, "height": 70})
        for number, (left, top) in enumerate([(5, 5), (40, 20), (60, 40)]):
            box = [left, top, 25, 25]
            outline = [left, top, left + 25, top, left + 25, top + 25, left, top + 25]
            thing = {"id": len(things) + 1, "image_id": 20 + i, "category_id": 7 + number, "bbox": box}
            things.append(thing | {"segmentation": [outline], "ignore": int(i == 3)})
    categories = [{"id": 7, "name": "cat"}, {"id": 8, "name": "puppy"}, {"id": 9, "name": "kite"}]
    content = {"images": images, "annotations": things, "categories": categories}
    (folder / "instances_test.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize(("task", "name"), [(None, "detect"), ("segment", "segment")])
def test_objects_are_found_in_streams_and_in_decoded_pictures(run, scenes, task, name):
    findings = measure_tasks(scenes, task, protocol(person="cat"), run)
    assert findings.failures == []
    assert findings.record.settings["task"] == name
    points = {(point["of"], point["setting"]): point for point in findings.record.results["points"]}
    own = [key[0] for key in points if key[0].startswith("Semapix")]
    assert len(own) == 3
    assert {key for key in points if key[0] == "JPEG"} == {("JPEG", s) for s in (5, 30, 80)}
    assert ("not coded", 0) in points
    for point in points.values():
        assert point["pictures"] == 4
        for figure in ("ap50_any", "ar100_any", "ap50", "ap", "person_ap50"):
            assert 0 <= point[figure] <= 100
    assert points["JPEG", 5]["payload_bpp"] < points["JPEG", 80]["payload_bpp"] < points["JPEG", 80]["bpp"]
    (row,) = findings.tables["Against JPEG, at the rate of payloads"][1:]
    assert row[0] == own[0]
    again = measure_tasks(scenes, task, protocol(person="cat"), run)  # from the journal
    assert again.record.results == findings.record.results


def test_labels_are_told_from_the_first_layer(run, objects):
    findings = measure_tasks(objects, None, protocol(), replace(run, limit=8))
    points = {(point["of"], point["setting"]): point for point in findings.record.results["points"]}
    assert findings.record.settings["task"] == "fine"
    assert len(points) == 7
    assert all(point["pictures"] == 8 and 0 <= point["top1"] <= point["top5"] for point in points.values())
    codec = next(key[0] for key in points if key[0].startswith("Semapix"))
    assert points[codec, 1]["bpp"] == points[codec, 1]["payload_bpp"] > 0
    assert points[codec, 1]["bpp"] < points[codec, 9]["bpp"]
    assert findings.plots["curves.png"]() is not None


def renamed(run, folder, labels=None):
    """The same model under another name, and maybe with other labels."""
    trained = load_dicm(Path(run.model).parent)
    labels = trained.labels if labels is None else {**trained.labels, "fine": labels}
    export_dicm(replace(trained, labels=labels), folder / "other.spxm")
    return folder / "other.spxm"


def test_each_model_reads_its_own_streams(run, objects, tmp_path):
    other = renamed(run, tmp_path)
    chosen = replace(protocol(), codecs=[str(other), "dicm"], settings={"dicm": [1, 9], str(other): [1, 9]})
    findings = measure_tasks(objects, None, chosen, replace(run, limit=6))
    points = findings.record.results["points"]
    names = [point["of"] for point in points if point["setting"] == 9]
    assert sorted(names) == ["Semapix dicm", "Semapix other"]
    assert {bundle.name for bundle in findings.record.bundles} == {"dicm", "other"}


def test_refusals(run, scenes, objects, photos, tiny_bundle, tmp_path):
    with pytest.raises(ArgumentError, match=r"has no instances_test.json, which task 'detect' is held to"):
        measure_tasks(objects, "detect", protocol(), run)
    with pytest.raises(ArgumentError, match="has no label space of task 'fine', with 4 labels"):
        measure_tasks(photos, None, protocol(), run)
    with pytest.raises(ArgumentError, match="no task is called 'mood'"):
        measure_tasks(scenes, "mood", protocol(), run)
    with pytest.raises(
        ArgumentError, match="codec other holds no pixels, and has other labels of 'fine'; leave it out"
    ):
        measure_tasks(objects, None, replace(protocol(), codecs=[str(renamed(run, tmp_path, ["a"]))]), run)
