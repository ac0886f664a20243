"""A bundle can be trained on: it restores to the very model that it was exported from."""

import json
import shutil
from dataclasses import replace

import pytest
import torch

import semapix
from semapix.bundle import Bundle, find, leave_out
from semapix.codecs import open_codec
from semapix.errors import ArgumentError
from semapix.training.batch_norm import refresh_batch_norm
from semapix.training.checkpoint import read_checkpoint, weights_of
from semapix.training.export import export
from semapix.training.recipe import load_recipe
from semapix.training.rounding import LARGE, quantised
from semapix.training.run import train
from semapix.training.scalable.export import export_scalable
from semapix.training.scalable.model import load_scalable, new_scalable
from semapix.training.scalable.restore import restore_run
from semapix.training.systems import SYSTEMS
from tests.pictures import picture

ALONE = load_recipe("scalable-tiny")
ALONE = replace(ALONE, lfrnet=replace(ALONE.lfrnet, teacher_weight=0.0))
"""Stage lfrnet without the teacher, which no bundle holds."""


def test_export_of_a_restored_bundle_is_the_bundle(tiny_bundle, tmp_path):
    restore_run(Bundle(tiny_bundle), tmp_path / "run")
    export_scalable(load_scalable(tmp_path / "run"), tmp_path / "tiny.spxm")
    assert (tmp_path / "tiny.spxm").read_bytes() == tiny_bundle.read_bytes()


@pytest.mark.parametrize(("name", "bits"), [("scalable-grocery", 7), ("scalable", 8)])
def test_the_transform_has_the_bits_of_its_recipe_and_keeps_them(name, bits, tmp_path):
    """With the models that ship; weights of a tiny one are too small for so few bits."""
    restore_run(find(name), tmp_path)
    kept = weights_of(read_checkpoint(tmp_path, "lcnet")["state_dict"], "transform.lifting")
    weights = dict(load_scalable(tmp_path).transform.lifting.named_parameters())
    assert all(torch.equal(weight, kept[part]) for part, weight in weights.items())
    large = [quantised(w.numpy()).values for w in weights.values() if w.ndim > 1 and w.numel() >= LARGE]
    assert len(large) > 20
    odd = sum(int(((values % 2 != 0) & (abs(values) != 127)).sum()) for values in large)
    assert (odd == 0) == (bits == 7)


def test_the_same_outer_unit_gives_the_same_members_whatever_the_core(tiny_run, training_data, tmp_path):
    """Exported from its checkpoint, or from that of a bundle that `--from` started from."""
    bundle, recipe = tmp_path / "scalable.spxm", load_recipe("scalable-tiny")
    export(tiny_run, bundle, training_data)
    other = replace(
        recipe,
        model=replace(recipe.model, unit_latents=[4, 6, 8, 18]),
        lfrnet=replace(recipe.lfrnet, seed=7, teacher_weight=0.0),
    )
    for stage in ("lfrnet", "lcnet"):
        train(other, stage, training_data, tmp_path / "run", steps=1)
    restore_run(Bundle(bundle), tmp_path / "run")
    export(tmp_path / "run", tmp_path / "other.spxm", training_data)
    whole = semapix.encode(picture(80, 60), model=tmp_path / "other.spxm").to_bytes()
    open_codec.cache_clear()  # a codec is kept for each fingerprint
    shared = leave_out(tmp_path / "other.spxm", Bundle(bundle))
    assert shared == ["arrays/outer.npz", *(f"graphs/outer.{part}.onnx" for part in ("analysis", "hyper", "synthesis"))]
    assert semapix.encode(picture(80, 60), model=tmp_path / "other.spxm").to_bytes() == whole


@pytest.mark.parametrize("stage", SYSTEMS["scalable"].stages)
def test_training_goes_on_from_a_bundle(stage, tiny_bundle, tiny_run, training_data, tmp_path):
    if stage != "teacher":  # a bundle holds none
        shutil.copy(tiny_run / "teacher.ckpt", tmp_path)
    train(load_recipe("scalable-tiny"), stage, training_data, tmp_path, steps=2, start=Bundle(tiny_bundle))
    assert read_checkpoint(tmp_path, stage)["global_step"] == 2
    assert all((tmp_path / f"{other}.ckpt").exists() for other in SYSTEMS["scalable"].stages)
    load_scalable(tmp_path)


def test_other_labels_get_new_heads_on_the_old_transform(tiny_bundle, training_data, tmp_path):
    data, run = tmp_path / "data", tmp_path / "run"
    shutil.copytree(training_data, data)
    path = data / "objects" / "labels.json"
    labels = json.loads(path.read_text())
    labels["groups"][0] = "something else"
    path.chmod(0o644)
    path.write_text(json.dumps(labels))
    restore_run(Bundle(tiny_bundle), run)
    before = read_checkpoint(run, "lfrnet")
    train(ALONE, "lfrnet", data, run, steps=1)
    after = read_checkpoint(run, "lfrnet")
    assert after["labels"]["coarse"][0] == "something else"

    def change(key: str) -> float:
        return float((after["state_dict"][key] - before["state_dict"][key]).abs().max())

    assert change("transform.fine.1.weight") > 0.02
    assert change("transform.lifting.steps.0.predict.0.weight") < 0.01
    train(load_recipe("scalable-tiny"), "lcnet", data, run, steps=1)
    assert load_scalable(run).coarse_names[0] == "something else"


@pytest.mark.parametrize(
    ("stage", "change"),
    [("outer", {"outer_features": 12, "outer_synthesis_blocks": [1, 1, 1]}), ("lfrnet", {"lifting_blocks": [1, 1]})],
)
def test_transform_and_outer_unit_grow(stage, change, tiny_bundle, training_data, tmp_path):
    larger = replace(ALONE, model=replace(ALONE.model, **change))
    train(larger, stage, training_data, tmp_path, steps=1, start=Bundle(tiny_bundle))
    assert read_checkpoint(tmp_path, stage)["global_step"] == 1


def test_a_grown_outer_unit_goes_with_the_layers_of_before(tiny_bundle, training_data, tmp_path):
    recipe = load_recipe("scalable-tiny")
    larger = replace(
        recipe, model=replace(recipe.model, outer_features=12, outer_synthesis_blocks=[1, 1, 2], unit_channels=9)
    )
    train(larger, "outer", training_data, tmp_path, steps=1, start=Bundle(tiny_bundle))
    trained = load_scalable(tmp_path)
    assert (trained.model.outer_features, trained.model.unit_channels) == (12, recipe.model.unit_channels)
    export_scalable(trained, tmp_path / "grown.spxm")
    restore_run(Bundle(tmp_path / "grown.spxm"), tmp_path / "again")
    assert load_scalable(tmp_path / "again").outer.margin == 96


def test_layers_of_the_core_keep_their_sizes(tiny_bundle, training_data, tmp_path):
    recipe = load_recipe("scalable-tiny")
    larger = replace(recipe, model=replace(recipe.model, unit_channels=9))
    with pytest.raises(ArgumentError, match="recipe scalable-tiny has other networks than the model to start from"):
        train(larger, "lcnet", training_data, tmp_path, steps=1, start=Bundle(tiny_bundle))


def test_checkpoints_are_not_replaced(tiny_bundle, tmp_path):
    (tmp_path / "outer.ckpt").write_bytes(b"mine")
    restore_run(Bundle(tiny_bundle), tmp_path)
    assert (tmp_path / "outer.ckpt").read_bytes() == b"mine"


def test_refreshing_batch_norm_changes_nothing():
    torch.manual_seed(0)
    labels = {"coarse": ["a"], "fine": ["b"], "parents": [0]}
    transform = new_scalable(load_recipe("scalable-tiny"), labels).transform
    x = torch.randn(32, 3, 16, 16)
    before, _ = transform.lifting(x)
    refresh_batch_norm(transform, transform.lifting, x)
    trained, _ = transform.lifting(x)
    evaluated, _ = transform.eval().lifting(x)
    assert torch.allclose(before, evaluated, atol=1e-4)
    assert torch.allclose(before, trained, atol=1e-4)


def test_another_recipes_bundle_is_refused(tiny_bundle, tmp_path):
    bundle = Bundle(tiny_bundle)
    bundle.manifest["recipe"]["model"]["lifting_hidden"] = [8, 9]
    with pytest.raises(ArgumentError, match=r"of graph predict2 has the shape \(8, .*\), its recipe wants \(9, "):
        restore_run(bundle, tmp_path)
