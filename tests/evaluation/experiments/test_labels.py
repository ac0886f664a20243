"""Honest labels, measured."""

import dataclasses
import json

import pytest
from PIL import Image

from semapix.bundle import Bundle
from semapix.errors import ArgumentError
from semapix.evaluation.experiments.labels import LabelsProtocol, measure_labels
from tests import pictures


@pytest.fixture
def data(training_data, objects, tmp_path):
    """Labelled pictures of which some are held out, and a data set in COCO's form."""
    folder = tmp_path / "data"
    for name in ("objects", "coco/images"):
        (folder / name).mkdir(parents=True)
    for path in [*(training_data / "objects").iterdir(), objects / "test.parquet"]:
        (folder / "objects" / path.name).write_bytes(path.read_bytes())
    for part in ("train", "test"):
        images = [{"id": n, "file_name": f"{part}{n}.png"} for n in range(6)]
        for number, image in enumerate(images):
            Image.fromarray(pictures.picture(30, 20, number)).save(folder / "coco" / "images" / image["file_name"])
        stated = {
            "images": images,
            "categories": [{"id": 1, "name": "zebra"}, {"id": 2, "name": "banana"}],
            "annotations": [{"image_id": n, "category_id": 1 + n % 2} for n in range(6)],
        }
        (folder / "coco" / f"instances_{part}.json").write_text(json.dumps(stated))
    return folder


def protocol(**changes):
    values = {
        "model": "scalable",
        "recipe": "scalable-tiny",
        "task": "fine",
        "test": "objects",
        "only": {"source": "small"},
        "statistics": 20,
        "neighbours": 3,
        "choose": [["held out", "test"]],
        "report": [["test", "coco without"], ["held out", "coco"]],
    }
    return LabelsProtocol(**{**values, **changes})


@pytest.fixture
def calibrated(run, calibrated_bundle):
    """A run of the tiny model after its calibration."""
    return dataclasses.replace(run(), model=str(calibrated_bundle))


def test_calibration_and_foreign_pictures(calibrated, calibrated_bundle, data):
    findings = measure_labels(data, protocol(), calibrated)
    assert findings.failures == []
    results = findings.record.results
    assert [figure["task"] for figure in results["calibration"]] == ["coarse", "fine"]
    temperatures = [task["temperature"] for task in Bundle(calibrated_bundle).manifest["tasks"]]
    assert [figure["temperature"] for figure in results["calibration"]] == temperatures
    for figure in results["calibration"]:
        assert figure["pictures"] == 10  # of the part test, those of one source
        for state in ("before", "after"):
            value, low, high = figure[state]["ece"]
            assert 0 <= low <= high <= 100
            assert 0 <= value <= 100
    names = [row["score"] for row in results["report"]]
    assert names[:2] == ["energy", "max logit"]
    assert {"max probability", "entropy", "energy, coarse", "Mahalanobis", "neighbours"} <= set(names)
    for row in results["report"]:
        value, low, high = row["pairs"]["test / coco without"]
        assert 0 <= low <= value <= high <= 1
    assert max(results["choice"], key=lambda row: row["mean"])["score"] in findings.record.settings["chosen"]
    counts = {row["pictures"]: row["number"] for row in results["foreign"]}
    assert counts == {"test": 10, "coco without": 6, "held out": 10, "coco": 6}  # its labels are no bananas


def test_refusals(calibrated, run, data):
    with pytest.raises(ArgumentError, match="'coco within' must be a data set, alone, with, or without"):
        measure_labels(data, protocol(report=[["test", "coco within"]]), calibrated)
    with pytest.raises(ArgumentError, match="its labels are not those of the model's tasks"):
        measure_labels(data, protocol(test="coco"), calibrated)
    with pytest.raises(ArgumentError, match="task fine is not calibrated; make the model with: semapix export --data"):
        measure_labels(data, protocol(), run())
