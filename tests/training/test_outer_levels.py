"""Gains of the outer unit for another range of qualities."""

import pytest
import torch

from semapix.training.recipe import load_recipe
from semapix.training.scalable.nets.outer import OUTER_LEVELS
from semapix.training.scalable.outer import OuterSystem, moved_levels


@pytest.fixture
def state():
    weights = OuterSystem(load_recipe("scalable-tiny")).state_dict()
    ramp = torch.arange(OUTER_LEVELS, dtype=torch.float32)[:, None]
    return {**weights, "unit.gain": ramp.expand_as(weights["unit.gain"]).clone()}


def test_the_same_range_changes_nothing(state):
    moved = moved_levels(state, (0.001, 0.1), (0.001, 0.1))
    assert "lambdas" not in moved
    assert len(moved) == len(state) - 1
    for key, value in moved.items():
        assert torch.allclose(value, state[key], atol=1e-5), key


def test_levels_stand_where_their_lambda_was(state):
    factor = 100 ** (1 / 8)  # between levels of the trained range
    moved = moved_levels(state, (0.001, 0.1), (0.001 * factor, 0.1 * factor))
    highest = OUTER_LEVELS - 1.0
    assert torch.allclose(moved["unit.gain"][:, 0], torch.arange(1.0, OUTER_LEVELS + 1).clamp(max=highest), atol=1e-4)
    wider = moved_levels(state, (0.001, 0.1), (0.001 / factor**8, 0.1))
    assert torch.allclose(wider["unit.gain"][:9, 0], 2 * torch.arange(9.0) - 8, atol=1e-4)
    assert torch.equal(wider["unit.analysis_in.weight"], state["unit.analysis_in.weight"])
