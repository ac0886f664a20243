"""What probabilities of a model rest on: held-out pictures, as their features are after coding."""

import shutil

import numpy as np
import pytest
import torch

import semapix
from semapix.bundle import Bundle
from semapix.errors import ArgumentError
from semapix.tasks import Task, evidence_quantiles, fit_temperature, probabilities
from semapix.training.export import export
from semapix.training.scalable.calibrate import calibrate
from semapix.training.scalable.model import load_scalable
from semapix.training.splits import labelled


def loss(logits, labels, temperature):
    """The mean log-loss of labels (N,) under logits (N, classes) at a temperature."""
    shares = probabilities(logits, temperature)
    return -np.log(shares[np.arange(len(labels)), labels]).mean()


def test_calibrations_are_those_of_coded_pictures(tiny_trained, training_data, tiny_bundle):
    found = calibrate(tiny_trained, training_data)
    assert list(found) == ["coarse", "fine"]
    _, held_out = labelled(tiny_trained.recipe.data, training_data)
    pictures, coarse, fine = (tensor.numpy() for tensor in held_out.tensors)
    assert len(pictures) == 10
    streams = [semapix.encode(picture.transpose(1, 2, 0), model=tiny_bundle) for picture in pictures]
    for name, labels in (("coarse", coarse), ("fine", fine)):
        task = Task.find(Bundle(tiny_bundle).manifest["tasks"], name)
        codec = streams[0]._open_codec()
        logits = np.stack([codec.scores(stream._fetch(task.layers), stream._info, name) for stream in streams])
        # Symbols at a rounding tie may differ between PyTorch's batches and the runtime's single pictures.
        assert found[name].evidence == pytest.approx(evidence_quantiles(logits), abs=0.05)
        told, best = (loss(logits, labels, x) for x in (found[name].temperature, fit_temperature(logits, labels)))
        assert told < best + 0.05  # the least is flat: ten pictures


def test_a_calibrated_bundle_says_how_foreign_a_picture_is(calibrated_bundle, tiny_trained, training_data):
    tasks = {task["name"]: Task.find([task]) for task in Bundle(calibrated_bundle).manifest["tasks"]}
    found = calibrate(tiny_trained, training_data)
    for name, task in tasks.items():
        assert (task.temperature, task.evidence) == (found[name].temperature, found[name].evidence)
    _, held_out = labelled(tiny_trained.recipe.data, training_data)
    shares = [
        semapix.encode(picture.numpy().transpose(1, 2, 0), model=calibrated_bundle).look().none_of_these
        for picture in held_out.tensors[0]
    ]
    assert len(shares) == 10
    assert 0 <= min(shares) < 0.2
    assert 0.8 < max(shares) <= 1


def test_without_data_there_is_no_calibration(tiny_trained, tmp_path):
    with pytest.raises(ArgumentError, match=r"labels.json does not exist; --data must name the folder above objects/"):
        calibrate(tiny_trained, tmp_path)


def test_bundles_that_do_not_know_say_nothing(tiny_bundle):
    labels = semapix.encode(np.zeros((20, 20, 3), np.uint8), model=tiny_bundle).look()
    assert labels.none_of_these is None
    assert all("evidence" not in task for task in Bundle(tiny_bundle).manifest["tasks"])


def test_a_sibling_gives_its_temperatures(tiny_run, tiny_trained, training_data, tmp_path):
    sibling, path = tmp_path / "apart", tmp_path / "tiny.spxm"
    shutil.copytree(tiny_run, sibling)
    state = torch.load(sibling / "lcnet.ckpt", weights_only=False)
    state["recipe"]["data"]["held_out"] = 2  # it holds out other pictures, and more of them
    torch.save(state, sibling / "lcnet.ckpt")
    found = calibrate(load_scalable(sibling), training_data)
    assert found != calibrate(tiny_trained, training_data)
    assert export(tiny_run, path, training_data, sibling=sibling) == {n: c.temperature for n, c in found.items()}
    own = calibrate(tiny_trained, training_data)  # how large logits are is of each model
    assert [task["evidence"] for task in Bundle(path).manifest["tasks"]] == [c.evidence for c in own.values()]
    assert Bundle(path).manifest["recipe"]["data"]["held_out"] == tiny_trained.recipe.data.held_out


def test_a_sibling_needs_data(tiny_run, tmp_path):
    with pytest.raises(ArgumentError, match=r"sibling \(=.*\) calibrates on held-out pictures; say with data where"):
        export(tiny_run, tmp_path / "tiny.spxm", sibling=tiny_run)


def test_a_sibling_knows_the_same_labels(tiny_run, training_data, tmp_path):
    sibling = tmp_path / "apart"
    shutil.copytree(tiny_run, sibling)
    state = torch.load(sibling / "lfrnet.ckpt", weights_only=False)
    state["labels"]["fine"] = [f"other {name}" for name in state["labels"]["fine"]]
    torch.save(state, sibling / "lfrnet.ckpt")
    with pytest.raises(ArgumentError, match=r"sibling \(=.*apart\) must know the same labels"):
        export(tiny_run, tmp_path / "tiny.spxm", training_data, sibling=sibling)
