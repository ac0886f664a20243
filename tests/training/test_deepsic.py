"""DeepSIC as training sees it: sizes that fit, stages in their order, back from a bundle, a bundle only with data."""

import dataclasses
import shutil

import numpy as np
import pytest

from semapix.bundle import Bundle
from semapix.codecs.deepsic import Deepsic
from semapix.errors import ArgumentError
from semapix.graphs import OnnxGraphs
from semapix.training.checkpoint import read_checkpoint
from semapix.training.deepsic.model import deepsic_graphs, load_deepsic
from semapix.training.export import export
from semapix.training.recipe import load_recipe, recipe_from_dict
from semapix.training.run import train
from semapix.training.runtime_graphs import TorchGraphs
from tests.pictures import picture

RECIPE = load_recipe("deepsic-tiny")


@pytest.fixture
def run_folder(tiny_bundles, tmp_path):
    shutil.copytree(tiny_bundles["deepsic"].parent, tmp_path / "run")
    return tmp_path / "run"


@pytest.mark.parametrize("stage", ["joint", "semantics"])
def test_a_stage_is_resumed(run_folder, training_data, stage):
    train(RECIPE, stage, training_data, run_folder, steps=3)
    assert read_checkpoint(run_folder, stage)["global_step"] == 3


def test_the_second_stage_leaves_pictures_alone(run_folder):
    first, second = (read_checkpoint(run_folder, stage)["state_dict"] for stage in ("joint", "semantics"))
    kept = [key for key in first if key.startswith(("features.", "reconstruction.", "quantiser."))]
    assert len(kept) > 20
    assert all((first[key] == second[key]).all() for key in kept)
    assert any((first[key] != second[key]).any() for key in first if key.startswith("semantics."))


def test_a_bundle_goes_back_to_checkpoints(tiny_bundles, training_data, tmp_path):
    bundle = Bundle(tiny_bundles["deepsic"])
    train(RECIPE, "semantics", training_data, tmp_path / "run", steps=1, start=bundle)
    again = export(tmp_path / "run", tmp_path / "again.spxm", training_data)
    assert set(again) == {"fine"}
    pixels = picture(40, 24)
    codecs = [Deepsic(b, OnnxGraphs(b)) for b in (bundle, Bundle(tmp_path / "again.spxm"))]
    values = [codec.plane_values(pixels, 5).astype(int) for codec in codecs]
    assert np.abs(values[0] - values[1]).max() <= 1
    train(RECIPE, "joint", training_data, tmp_path / "run", steps=1)
    assert read_checkpoint(tmp_path / "run", "joint")["global_step"] == 1


def test_pytorch_and_onnx_runtime_give_the_same_values(run_folder, tiny_bundles):
    bundle = Bundle(tiny_bundles["deepsic"])
    pixels = picture(40, 24)
    values = [
        Deepsic(bundle, graphs).plane_values(pixels, 7).astype(int)
        for graphs in (OnnxGraphs(bundle), TorchGraphs(deepsic_graphs(load_deepsic(run_folder))))
    ]
    assert np.abs(values[0] - values[1]).max() <= 1
    assert (values[0] != values[1]).mean() < 0.01


def test_a_bundle_needs_the_data(run_folder, tmp_path):
    with pytest.raises(ArgumentError, match="deepsic: name the training data with --data"):
        export(run_folder, tmp_path / "a.spxm")


def test_a_folder_holds_the_checkpoints_of_one_system(run_folder, tiny_run, tmp_path):
    shutil.copy(tiny_run / "lfrnet.ckpt", run_folder)
    with pytest.raises(ArgumentError, match=r"checkpoints of several systems \(scalable, deepsic\)"):
        export(run_folder, tmp_path / "a.spxm")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"widths": [8, 12]}, "must state the same stages"),
        ({"strides": [4, 3, 1, 1]}, "must be 1, 2 or 4"),
        ({"kernels": [3, 5, 3, 3]}, "must be odd, and no smaller than their strides"),
        ({"widths": [8, 12, 12, 16]}, "may change where the stride is above 1 alone"),
        ({"core_side": 20}, "must be a multiple of 8"),
        ({"plane_groups": [3, 3]}, "must add up to 12, the features"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(change, text):
    with pytest.raises(ArgumentError, match=text):
        dataclasses.replace(RECIPE.model, **change)


def test_an_unknown_system_is_named():
    with pytest.raises(ArgumentError, match=r"x: system \(='best'\) must be one of: scalable, adaptive, dicm, deepsic"):
        recipe_from_dict({"system": "best"}, "x")
