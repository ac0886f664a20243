"""Recipes: the shipped ones load, wrong ones say what is wrong."""

import dataclasses
from importlib import resources

import pytest
import yaml

from semapix.errors import ArgumentError
from semapix.training.recipe import load_recipe, recipe_from_dict, recipe_names
from semapix.training.systems import system_of


def test_every_shipped_recipe_loads():
    names = recipe_names()
    assert names == [
        "adaptive",
        "adaptive-dense",
        "adaptive-paper",
        "adaptive-plain",
        "adaptive-tiny",
        "deepsic",
        "deepsic-paper",
        "deepsic-tiny",
        "dicm",
        "dicm-paper",
        "dicm-tiny",
        "scalable",
        "scalable-grocery",
        "scalable-grocery-apart",
        "scalable-paper",
        "scalable-tiny",
    ]
    for name in names:
        recipe = load_recipe(name)
        assert recipe.name == name
        assert recipe.system == name.split("-")[0]


def test_the_recipes_of_the_scalable_system_have_sizes_that_fit():
    for name in (name for name in recipe_names() if name.startswith("scalable")):
        recipe = load_recipe(name)
        levels = len(recipe.model.lifting_hidden)
        assert recipe.model.core_side % 2**levels == 0
        assert len(recipe.model.unit_loops) == len(recipe.model.unit_latents) == levels + 2


def test_a_recipe_opens_with_its_commands():
    for name in recipe_names():
        text = (resources.files("semapix.training") / "recipes" / f"{name}.yaml").read_text(encoding="utf-8")
        recipe = load_recipe(name)
        for stage in system_of(recipe.system).stages:
            assert (f"#   semapix train {name} --stage {stage}" in text) == (getattr(recipe, stage) is not None)


def test_the_paper_recipe_follows_eq_14():
    model = load_recipe("scalable-paper").model
    channels, sides = [24, 72, 96, 48, 24, 12, 6], [8, 8, 8, 16, 32, 64, 128]
    for c, side, loops, latents in zip(channels, sides, model.unit_loops, model.unit_latents, strict=True):
        assert loops == (side.bit_length() - 2) // 2
        assert latents == c * side**2 // (4 * (side >> loops) ** 2)


def test_a_recipe_states_what_differs_from_its_base(tmp_path):
    base, grocery = load_recipe("scalable"), load_recipe("scalable-grocery")
    assert grocery.outer == base.outer
    assert grocery.data.labelled == "grocery"
    assert grocery.data.photos == base.data.photos
    path = tmp_path / "mine.yaml"
    path.write_text("base: scalable-tiny\nlfrnet:\n  batch: 3\n")
    tiny = load_recipe("scalable-tiny")
    assert load_recipe(str(path)).lfrnet == dataclasses.replace(tiny.lfrnet, batch=3)
    path.write_text("base: scalable-tiny\nteacher: null\nlfrnet:\n  teacher_weight: 0\n")
    assert tiny.teacher is not None
    assert load_recipe(str(path)).teacher is None
    path.write_text("base: scalable-tiny\nlfrnet: 3\n")
    with pytest.raises(ArgumentError, match="must be mappings, not 3"):
        load_recipe(str(path))
    path.write_text("base: scalable-tiny\nlfrnet:\n  bath: 3\n")
    with pytest.raises(ArgumentError, match=r"unknown keys \['bath'\]"):
        load_recipe(str(path))


def test_a_base_may_have_a_base_but_not_itself(tmp_path):
    path, other = tmp_path / "mine.yaml", tmp_path / "other.yaml"
    path.write_text("base: scalable-grocery\nlfrnet:\n  mixed: 0.25\n")
    grocery = load_recipe("scalable-grocery")
    mine = load_recipe(str(path))
    assert (mine.model, mine.lfrnet) == (grocery.model, dataclasses.replace(grocery.lfrnet, mixed=0.25))
    path.write_text(f"base: {other}\n")
    other.write_text(f"base: {path}\n")
    with pytest.raises(ArgumentError, match=rf"{path} is its own base \({path} -> {other} -> {path}\)"):
        load_recipe(str(path))


@pytest.mark.parametrize("name", ["scalable-tiny", "scalable-grocery"])
def test_a_recipe_survives_a_checkpoint(name):
    recipe = load_recipe(name)
    assert recipe_from_dict(dataclasses.asdict(recipe), "x") == recipe


def test_sections_may_be_left_out_where_a_recipe_may_lack_them_alone():
    values = dataclasses.asdict(load_recipe("scalable-grocery"))
    with pytest.raises(ArgumentError, match="x, teacher must be a mapping, not 3"):
        recipe_from_dict(values | {"teacher": 3}, "x")
    with pytest.raises(ArgumentError, match="x, outer must be a mapping, not None"):
        recipe_from_dict(values | {"outer": None}, "x")


@pytest.mark.parametrize("bits", [1, 9])
def test_bits_of_the_transform_lie_within_what_a_bundle_holds(bits):
    model = load_recipe("scalable-tiny").model
    with pytest.raises(ArgumentError, match=rf"lifting_bits \(={bits}\) must lie between 2 and 8"):
        dataclasses.replace(model, lifting_bits=bits)


def test_sizes_of_the_outer_unit_fit_each_other():
    model = load_recipe("scalable-tiny").model
    names = ("outer_widths", "outer_inner", "outer_analysis_blocks", "outer_synthesis_blocks")
    for name in names:
        with pytest.raises(
            ArgumentError, match=rf"{name} \(=\[8, 8\]\) must have three numbers, for 1/4, 1/8 and 1/16"
        ):
            dataclasses.replace(model, **{name: [8, 8]})
    for detail in (0, 17):
        text = rf"outer_detail \(={detail}\) must lie between 1 and the sum of outer_groups \(=\[4, 12\]\)"
        with pytest.raises(ArgumentError, match=text):
            dataclasses.replace(model, outer_detail=detail)


def test_a_weight_of_the_teacher_fits_the_recipe():
    recipe = load_recipe("scalable-tiny")
    with pytest.raises(ArgumentError, match=r"teacher_weight \(=1.5\) must lie between 0 and 1"):
        dataclasses.replace(recipe, lfrnet=dataclasses.replace(recipe.lfrnet, teacher_weight=1.5))
    with pytest.raises(ArgumentError, match=r"teacher_weight \(=0.5\) must be 0 in a recipe without a section teacher"):
        dataclasses.replace(recipe, teacher=None)
    with pytest.raises(
        ArgumentError, match=r"blocks \(=\[1\]\) must have one number for each of widths \(=\[8, 16\]\)"
    ):
        dataclasses.replace(recipe.teacher, blocks=[1])


def test_errors_name_the_recipe_and_the_keys(tmp_path):
    with pytest.raises(ArgumentError, match="unknown recipe 'best'; shipped recipes: adaptive, adaptive-dense"):
        load_recipe("best")
    with pytest.raises(ArgumentError, match=r"recipe .*missing.yaml does not exist"):
        load_recipe(str(tmp_path / "missing.yaml"))
    values = dataclasses.asdict(load_recipe("scalable-tiny"))
    del values["name"]
    values["lfrnet"]["speed"] = values["lfrnet"].pop("batch")
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(ArgumentError, match=r"recipe mine, lfrnet: unknown keys \['speed'\], missing keys \['batch'\]"):
        load_recipe(str(path))
    path.write_text("just text")
    with pytest.raises(ArgumentError, match="must be a mapping with the keys system, model"):
        load_recipe(str(path))
    path.write_text("system: scalable\nmodel: 3")
    with pytest.raises(ArgumentError, match="recipe mine, model must be a mapping, not 3"):
        load_recipe(str(path))
