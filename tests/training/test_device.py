"""Training steps on another device than the processor, here the one without memory: what would fail or wait there.

On `meta` every tensor has a shape and no values: a step that reads one, or adds tensors of two devices, fails.
"""

import contextlib

import pytest
import torch
from torch.utils._pytree import tree_map

from semapix.training.recipe import load_recipe
from semapix.training.systems import SYSTEMS

STAGES = [(name, stage) for name in SYSTEMS for stage in SYSTEMS[name].stages]


@pytest.fixture
def run_folders(tiny_bundles, tiny_run):
    return {name: path.parent for name, path in tiny_bundles.items()} | {"scalable": tiny_run}


@pytest.mark.parametrize(("name", "stage"), STAGES)
def test_a_step_stays_on_its_device(name, stage, run_folders, training_data, monkeypatch):
    # There is no arithmetic to be chosen, so this context does not exist there.
    monkeypatch.setattr(torch, "autocast", lambda *args, **kwargs: contextlib.nullcontext())
    recipe = load_recipe(f"{name}-tiny")
    prepared = SYSTEMS[name].prepare(recipe, stage, training_data, run_folders[name], 1.0)
    system = prepared.stage
    monkeypatch.setattr(system, "all_gather", lambda keys: keys)
    if stage == "selfsupervised":
        monkeypatch.setattr(system, "_guide", lambda: None)  # all pictures, now and then, and one number each step
    system.to("meta")
    batch = tree_map(lambda x: x.to("meta"), next(iter(prepared.training)))
    loss = system.training_step(batch, 1)
    assert loss.device == torch.device("meta")
    loss.backward()
    trained = [p for p in system.parameters() if p.grad is not None]
    assert len(trained) > 5
    assert all(p.grad.device == torch.device("meta") for p in trained)
