"""Rounding of weights: small errors, and the rounded stay as they are."""

import numpy as np
import pytest
import torch

from semapix.training.entropy import LatentCoder
from semapix.training.rounding import quantised, round_weights, rounded_logarithm, rounded_through


@pytest.mark.parametrize("scale", [1e-6, 0.02, 1.0, 300.0])
def test_eight_bits_round_to_half_a_step(scale):
    weight = np.random.default_rng(0).normal(0, scale, (20, 8, 3, 3)).astype(np.float32)
    rounded = quantised(weight)
    assert rounded.values.dtype == np.int8
    assert rounded.scale.shape == (20, 1, 1, 1)
    assert np.all(np.abs(rounded.weight - weight) <= rounded.scale / 2 * 1.001)
    again = quantised(rounded.weight)
    assert np.array_equal(again.values, rounded.values)
    assert np.array_equal(again.scale, rounded.scale)


def test_a_slice_of_zeros_stays_zero():
    weight = np.zeros((2, 600), np.float32)
    weight[1] = 3.0
    assert np.all(quantised(weight).weight[0] == 0)
    assert np.allclose(quantised(weight).weight[1], 3.0, rtol=1e-3)


def test_large_small_and_few_weights_and_integer_networks():
    torch.manual_seed(0)
    part = torch.nn.Sequential(
        torch.nn.Linear(64, 64), torch.nn.Linear(10, 10), torch.nn.Linear(3, 3), LatentCoder([4], 4, 16, 2)
    )
    before = {key: value.clone() for key, value in part.state_dict().items()}
    round_weights(part)
    after = part.state_dict()
    assert not torch.equal(after["0.weight"], before["0.weight"])
    assert torch.equal(after["1.weight"], before["1.weight"].half().float())
    assert torch.equal(after["2.weight"], before["2.weight"])
    assert all(torch.equal(after[key], before[key]) for key in after if key.startswith("3."))


def test_rounded_weights_pass_gradients_to_those_that_are_trained():
    torch.manual_seed(0)
    layer = torch.nn.Linear(64, 64)
    through = rounded_through(layer)
    through["weight"].sum().backward()
    assert torch.equal(layer.weight.grad, torch.ones(64, 64))
    exact = layer.weight.detach().clone()
    round_weights(layer)
    assert not torch.equal(layer.weight, exact)
    assert torch.allclose(through["weight"], layer.weight, rtol=0, atol=1e-7)


@pytest.mark.parametrize("shape", [(15, 96), (9, 24), (1, 24)])
@pytest.mark.parametrize("largest", [0.1, 1.0, 6.0])
def test_rounded_weights_come_back_from_their_exponentials(shape, largest):
    torch.manual_seed(0)
    module = torch.nn.Module()
    module.gain = torch.nn.Parameter((2 * torch.rand(shape) - 1) * largest)
    round_weights(module)
    stored = module.gain.detach().double().exp().numpy().astype(np.float32)
    module.gain.data = rounded_logarithm(stored)
    assert torch.allclose(module.gain.double().exp().float(), torch.from_numpy(stored), rtol=0, atol=0)
    found = module.gain.detach().clone()
    round_weights(module)
    assert torch.equal(module.gain, found)


@pytest.mark.parametrize(("bits", "values"), [(8, 255), (7, 129), (2, 5)])
def test_fewer_bits_leave_fewer_values_and_rounding_them_again_changes_nothing(bits, values):
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(64, 64, 9)
    plain = layer.weight.detach().clone()
    round_weights(layer, bits)
    rounded = layer.weight.detach().clone()
    scale = quantised(rounded.numpy()).scale
    assert len(np.unique(quantised(rounded.numpy()).values)) == values
    assert (rounded - plain).abs().max() <= (2 ** (8 - bits) + 1) / 2 * scale.max()
    round_weights(layer, bits)
    round_weights(layer)
    assert torch.equal(layer.weight, rounded)
