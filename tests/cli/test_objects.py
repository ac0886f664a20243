"""look for objects, drawn over a photo; a stream without pixels."""

import json

import numpy as np
import pytest
from PIL import Image

import semapix
from semapix.cli._overlay import overlay
from semapix.tasks import Detection, Detections, Label, Labels, RunLengths
from tests import pictures


@pytest.fixture
def model(tiny_bundles):
    return tiny_bundles["dicm"]


@pytest.fixture
def coded(run, photo, model, tmp_path):
    out = tmp_path / "photo.spix"
    result = run("encode", photo, "-o", out, "--codec", "dicm", "--model", model)
    assert (result.status, result.err) == (0, "")
    return out


@pytest.mark.parametrize("task", ["detect", "segment"])
def test_look_json_states_boxes_scores_labels_and_masks(run, coded, model, task):
    result = run("look", coded, "--task", task, "--least", 0, "--top", 3, "--json", "--model", model)
    assert (result.status, result.err) == (0, "")
    (answer,) = json.loads(result.out)
    found = semapix.open(coded, model).detect(task, least=0, top=3)
    assert set(answer) == {"file", "task", "objects", "bytes_read", "bytes_total"}
    assert answer["task"] == task
    assert len(answer["objects"]) == len(found) == 3
    for said, thing in zip(answer["objects"], found, strict=True):
        assert (said["label"], said["score"], said["box"]) == (thing.name, thing.score, list(thing.box))
        assert ("mask" in said) == (task == "segment")
        if "mask" in said:
            assert said["mask"]["size"] == [24, 40]
            assert isinstance(said["mask"]["counts"], str)


def test_look_shows_objects_as_a_table(run, coded, model):
    result = run("look", coded, "--task", "detect", "--least", 0, "--top", 2, "--model", model)
    first, head, *rows = result.out.splitlines()
    assert first.startswith(f"{coded}  detect, ")
    assert head.split() == ["object", "score", "left", "top", "right", "bottom"]
    assert len(rows) == 2
    result = run("look", coded, "--task", "detect", "--least", 1, "--model", model)
    assert result.out.splitlines()[1] == "  no objects"


def test_coco_writes_the_objects_of_all_files(run, coded, model, tmp_path):
    names = semapix.open(coded, model).task("detect").labels
    truth = tmp_path / "truth.json"
    categories = [{"name": name, "id": 40 + number} for number, name in enumerate(names)]
    images = [{"file_name": "photo.png", "id": 5}]
    truth.write_text(json.dumps({"images": images, "annotations": [], "categories": categories}))
    out = tmp_path / "results.json"
    words = ["look", coded, "--task", "detect", "--coco", out, "--model", model]
    result = run(*words, "--annotations", truth)
    found = semapix.open(coded, model).detect(least=0.01, distinct=False)
    assert (result.status, result.err) == (0, "")
    assert result.out == f"{coded}  detect, {len(found)} objects\n"
    entries = json.loads(out.read_text())
    assert len(entries) == len(found) > 0
    assert [entry["score"] for entry in entries] == [thing.score for thing in found]
    assert {entry["image_id"] for entry in entries} == {5}
    refused = {
        ("--annotations", truth): f"{out}: exists already; --force overwrites it",
        (): "--coco and --annotations belong together: where to write, and whose numbers to use",
        ("--annotations", truth, "--json"): "--coco writes objects to a file alone; ask for --out, --head or --json in "
        "another run",
        ("--annotations", truth, "--force", "--task", "fine"): f"{coded}: --coco takes objects, task 'fine' tells "
        "labels; ask detect or segment",
    }
    for options, text in refused.items():
        assert run(*words, *options) == (2, "", f"semapix: {text}\n")
    assert json.loads(out.read_text()) == entries


def test_labels_have_no_score(run, coded, model):
    result = run("look", coded, "--least", 0.5, "--model", model)
    text = "--least (=0.5) is of objects; labels have probabilities: --top says how many to show"
    assert result == (2, "", f"semapix: {coded}: {text}\n")


def test_look_classifies_by_default(run, coded, model):
    for options in ([], ["--task", "classify"]):
        (answer,) = json.loads(run("look", coded, "--json", "--model", model, *options).out)
        assert answer["task"] == "fine"
        assert len(answer["labels"]) == 4


@pytest.mark.parametrize("task", ["classify", "detect", "segment"])
def test_look_draws_over_the_photo(run, coded, photo, model, tmp_path, task):
    out = tmp_path / "overlay.png"
    words = ["look", coded, "-o", out, "--on", photo, "--task", task, "--top", 2, "--model", model]
    words += [] if task == "classify" else ["--least", 0]
    result = run(*words)
    assert (result.status, result.err) == (0, "")
    with Image.open(out) as drawn, Image.open(photo) as plain:
        assert drawn.size == plain.size
        assert (np.asarray(drawn) != np.asarray(plain.convert("RGB"))).any()
    again = run(*words)
    assert (again.status, again.complaints) == (
        2,
        [f"semapix: {out}: exists already; --force overwrites it"],
    )
    assert run(*words, "--force").status == 0


def test_an_overlay_covers_masks_and_frames_boxes():
    photo = np.full((60, 80, 3), 100, np.uint8)
    mask = np.zeros((60, 80), bool)
    mask[30:40, 20:50] = True
    thing = Detection("cat", 0.9, (20.0, 30.0, 50.0, 40.0), RunLengths.of(mask, 0, 0, 80, 60))
    drawn = overlay(photo, Detections([thing], "segment"))
    assert (drawn[35, 22:48] != photo[35, 22:48]).any(axis=1).all()
    assert (drawn[50:] == 100).all()
    assert (drawn[30, 20:50] != 100).any(axis=1).all()
    assert (photo == 100).all()
    labelled = overlay(photo, Labels([Label("cat", 0.5)], "fine"))
    assert (labelled[:20] != 100).any()
    assert (labelled[40:] == 100).all()


def test_decode_says_that_there_are_no_pixels(run, coded, model, tmp_path):
    out = tmp_path / "a.png"
    result = run("decode", coded, "-o", out, "--model", model)
    line = (
        "this stream carries no pixels, only what machines read: ask it with look, or encode the picture with another"
    )
    assert (result.status, result.out) == (2, "")
    assert result.complaints == [f"semapix: {coded}: {line} codec"]
    assert not out.exists()


def test_wrong_input_is_one_line_and_status_2(run, coded, photo, model, tmp_path):
    out, other = tmp_path / "a.png", tmp_path / "other.png"
    Image.fromarray(pictures.picture(30, 20)).save(other)
    for words, message in (
        (["-o", out], "--out and --on belong together"),
        (["--on", photo], "--out and --on belong together"),
        ([coded, "-o", out, "--on", photo], f"--out (={out}) takes the answer of one file, not of 2"),
        (["-o", tmp_path / "a.gif", "--on", photo], "the name must end in .png, .jpg"),
        (["-o", out, "--on", other], f"{other} has 30x20 pixels, the file was made of a picture of 40x24"),
        (["-o", out, "--on", coded], f"{coded}: is not an image"),
    ):
        result = run("look", coded, *words, "--model", model)
        assert (result.status, result.out) == (2, "")
        (complaint,) = result.complaints
        assert message in complaint
    assert not out.exists()


def test_teach_learns_from_its_features(run, model, coded, tmp_path):
    for name, level in (("dark", 10), ("light", 200)):
        (tmp_path / "shades" / name).mkdir(parents=True)
        for seed in range(6):
            pixels = pictures.picture(40, 24, seed) // 8 + level
            Image.fromarray(pixels.astype("uint8")).save(tmp_path / "shades" / name / f"{seed}.png")
    head = tmp_path / "a.spxh"
    result = run("teach", tmp_path / "shades", "-o", head, "--model", model)
    assert (result.status, result.err) == (0, "")
    (answer,) = json.loads(run("look", coded, "--head", head, "--model", model, "--json").out)
    assert {label["name"] for label in answer["labels"]} == {"dark", "light"}
