"""Training runs: resume, what each stage may change, errors."""

import shutil

import pytest
import torch

from semapix.errors import ArgumentError
from semapix.training import run
from semapix.training.checkpoint import read_checkpoint
from semapix.training.recipe import load_recipe
from semapix.training.rounding import round_weights
from semapix.training.run import train
from semapix.training.scalable.model import load_scalable
from semapix.training.systems import SYSTEMS

RECIPE = load_recipe("scalable-tiny")


@pytest.fixture
def run_folder(tiny_run, tmp_path):
    shutil.copytree(tiny_run, tmp_path / "run")
    return tmp_path / "run"


@pytest.mark.parametrize("stage", SYSTEMS["scalable"].stages)
def test_a_stage_is_resumed(stage, run_folder, training_data):
    before = read_checkpoint(run_folder, stage)
    assert before["global_step"] == 2
    train(RECIPE, stage, training_data, run_folder, steps=3)
    after = read_checkpoint(run_folder, stage)
    assert after["global_step"] == 3
    assert after["seconds_used"] >= before["seconds_used"]
    changed = [k for k, v in after["state_dict"].items() if not torch.equal(v, before["state_dict"][k])]
    assert changed


def test_a_stage_ends_when_its_minutes_are_used(run_folder, training_data):
    train(RECIPE, "outer", training_data, run_folder, minutes=1e-4)
    assert read_checkpoint(run_folder, "outer")["global_step"] <= 6


def test_the_second_stage_leaves_the_first_alone(run_folder, training_data):
    before = read_checkpoint(run_folder, "lcnet")["state_dict"]
    train(RECIPE, "lcnet", training_data, run_folder, steps=4)
    after = read_checkpoint(run_folder, "lcnet")["state_dict"]
    frozen = [k for k in before if k.startswith("transform.")]
    assert len(frozen) > 20
    assert all(torch.equal(before[k], after[k]) for k in frozen)


def test_weights_are_those_that_the_bundle_stores(tiny_run):
    trained = load_scalable(tiny_run)
    for part in (trained.transform, trained.outer.analysis_in, trained.compression.post):
        before = {key: value.clone() for key, value in part.state_dict().items()}
        round_weights(part)
        assert all(torch.equal(value, before[key]) for key, value in part.state_dict().items())


def test_errors_name_the_way_out(training_data, tmp_path):
    with pytest.raises(ArgumentError, match=r"stage \(='all'\) must be one of: teacher, lfrnet, lcnet, outer"):
        train(RECIPE, "all", training_data, tmp_path)
    with pytest.raises(ArgumentError, match=r"stage \(='teacher'\) must be one of: lfrnet, lcnet, outer"):
        train(load_recipe("scalable-grocery"), "teacher", training_data, tmp_path)
    with pytest.raises(ArgumentError, match=r"labels.json does not exist; --data must name the folder above objects/"):
        train(RECIPE, "lfrnet", tmp_path, tmp_path)
    with pytest.raises(ArgumentError, match=r"no Parquet file with photos; --data must name the folder above"):
        train(RECIPE, "outer", tmp_path, tmp_path)
    with pytest.raises(ArgumentError, match=r"lfrnet.ckpt does not exist; make it with: semapix train"):
        train(RECIPE, "lcnet", training_data, tmp_path)
    with pytest.raises(ArgumentError, match=r"lfrnet.ckpt does not exist"):
        load_scalable(tmp_path)


@pytest.mark.parametrize("lost", [True, False])
def test_run_folders_of_other_networks_are_refused(lost, run_folder, training_data):
    path = run_folder / "outer.ckpt"
    state = torch.load(path, weights_only=False)
    key = "coder.hyper.0.weight"
    if lost:
        del state["state_dict"][f"unit.{key}"]
    else:
        state["state_dict"]["unit.old_weight"] = torch.zeros(2, 3)
    torch.save(state, path)
    difference = rf"{key}: none, wanted \(32, 4, 3, 3\)" if lost else r"old_weight: \(2, 3\), wanted none"
    for start, action in (
        ("unit.", lambda: train(RECIPE, "outer", training_data, run_folder, steps=9)),
        ("", lambda: load_scalable(run_folder)),
    ):
        text = rf"outer.ckpt does not fit the networks of the recipe \({start}{difference}\); go on from a bundle"
        with pytest.raises(ArgumentError, match=text):
            action()
    assert read_checkpoint(run_folder, "outer")["global_step"] == 2  # as it was


def test_processes_make_batches_for_cuda_alone(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert run._workers() == 0
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert run._workers() == 4
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    assert run._workers() == 6


def test_cuda_rounds_no_float32(run_folder, training_data, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    train(RECIPE, "outer", training_data, run_folder, steps=3)
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
