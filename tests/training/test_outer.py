"""Stage `outer`: levels belong to the lambdas that they were trained for, and what its loss weighs."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from semapix.bundle import Bundle
from semapix.codecs._unit import Unit
from semapix.errors import ArgumentError
from semapix.training.recipe import load_recipe
from semapix.training.run import train
from semapix.training.scalable.nets.outer import OUTER_LEVELS
from semapix.training.scalable.outer import OuterSystem


def test_other_lambdas_than_those_of_the_model_to_start_from_are_refused(tiny_bundle, training_data, tmp_path):
    recipe = load_recipe("scalable-tiny")
    other = replace(recipe, outer=replace(recipe.outer, lambda_high=0.2))
    text = "lambda_low and lambda_high (=(0.0015, 0.2)) must be those of the model to start from, (0.0015, 0.08)"
    with pytest.raises(ArgumentError, match=re.escape(text)):
        train(other, "outer", training_data, tmp_path, steps=1, start=Bundle(tiny_bundle))


def test_structure_is_weighed_at_the_full_size():
    recipe = load_recipe("scalable-tiny")
    losses, patches = [], torch.randint(0, 256, (2, 3, 192, 192), dtype=torch.uint8)
    for weight in (0.0, 1000.0):
        torch.manual_seed(0)
        system = OuterSystem(replace(recipe, outer=replace(recipe.outer, side=192, structure_weight=weight)))
        losses.append([system.training_step(patches, 1) for _ in range(16)])
    heavier = sum(bool(heavy > plain) for plain, heavy in zip(*losses, strict=True))
    same = sum(bool(heavy == plain) for plain, heavy in zip(*losses, strict=True))
    assert heavier + same == 16
    assert heavier >= 8  # a fifth of the steps is of smaller scales, whose structure nobody sees
    assert same >= 1


def test_levels_between_two_have_the_rows_that_the_runtime_makes(monkeypatch):
    unit = OuterSystem(load_recipe("scalable-tiny")).unit
    torch.manual_seed(0)
    for table in (unit.gain, unit.inverse_gain, unit.analysis_scale, unit.synthesis_scale):
        table.data = torch.randn_like(table)
    seen: dict[str, torch.Tensor] = {}
    analyse, synthesise = unit.analyse, unit.synthesise

    def spy_analyse(scale, prediction, level_scale, gain):
        seen.update(analysis_scale=level_scale, gain=gain)
        return analyse(scale, prediction, level_scale, gain)

    def spy_synthesise(latent, prediction, level_scale, inverse_gain):
        seen.update(synthesis_scale=level_scale, inverse_gain=inverse_gain)
        return synthesise(latent, prediction, level_scale, inverse_gain)

    monkeypatch.setattr(unit, "analyse", spy_analyse)
    monkeypatch.setattr(unit, "synthesise", spy_synthesise)
    levels = [2.25, 7.0, OUTER_LEVELS - 1]
    unit(torch.randn(3, 3, 32, 32), torch.randn(3, 3, 32, 32), torch.tensor(levels))
    runtime = Unit.__new__(Unit)
    runtime.arrays = {
        name: getattr(unit, name).detach().double().exp().numpy()
        if "gain" in name
        else getattr(unit, name).detach().numpy()
        for name in seen
    }
    for name, rows in seen.items():
        for number, level in enumerate(levels):
            assert np.allclose(rows[number].detach().numpy(), runtime.row(name, level)[0], rtol=1e-4, atol=1e-6)


def test_patches_too_small_for_a_weight_of_structure_are_refused():
    recipe = load_recipe("scalable-tiny")
    text = "structure_weight (=5.0) must be 0 for patches of 64 pixels a side; MS-SSIM wants at least 161"
    with pytest.raises(ArgumentError, match=re.escape(text)):
        OuterSystem(replace(recipe, outer=replace(recipe.outer, structure_weight=5.0)))
