"""Integer networks: exact whatever the order of summation, equal to their PyTorch twins."""

import numpy as np
import pytest
import torch
from torch import nn

from semapix.coding import FRACTION_BITS, IntegerConv, IntegerNetwork, PixelShuffle
from semapix.training.entropy import FixedConv, FixedNetwork


def by_loops(conv: IntegerConv, x: np.ndarray) -> np.ndarray:
    """The convolution as its definition says, in Python's own integers."""
    outputs, inputs, size, _ = conv.weight.shape
    _, height, width = x.shape
    margin = size // 2
    result = np.zeros((outputs, height, width), np.int64)
    for o in range(outputs):
        for row in range(height):
            for column in range(width):
                total = int(conv.bias[o])
                for i in range(inputs):
                    for a in range(size):
                        for b in range(size):
                            y, z = row + a - margin, column + b - margin
                            if 0 <= y < height and 0 <= z < width:
                                total += int(conv.weight[o, i, a, b]) * int(x[i, y, z])
                shifted = (total + 2**11) >> 12
                result[o, row, column] = min(max(shifted, 0 if conv.relu else -(2**15 - 1)), 2**15 - 1)
    return result


@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("relu", [False, True])
def test_a_convolution_is_its_definition(size, relu):
    rng = np.random.default_rng(size)
    weight = rng.integers(-(2**15) + 1, 2**15, (3, 4, size, size)).astype(np.int16)
    conv = IntegerConv(weight, rng.integers(-(2**30), 2**30, 3).astype(np.int32), relu)
    x = rng.integers(-(2**15) + 1, 2**15, (4, 5, 6))
    network, wanted = IntegerNetwork([conv]), by_loops(conv, x)
    assert np.array_equal(network(x), wanted)
    where = rng.random((5, 6)) < 0.4
    assert np.array_equal(network.at(x, where), wanted[:, where])
    assert network.pointwise == (size == 1)


def test_strips_do_not_change_the_result(monkeypatch):
    rng = np.random.default_rng(0)
    weight = rng.integers(-900, 900, (2, 3, 3, 3)).astype(np.int16)
    network = IntegerNetwork([IntegerConv(weight, np.zeros(2, np.int32), False)])
    x = rng.integers(-5000, 5000, (3, 23, 11))
    whole = network(x)
    monkeypatch.setattr("semapix.coding._integer._STRIP", 25)
    assert np.array_equal(network(x), whole)
    where = rng.random((23, 11)) < 0.5
    assert np.array_equal(network.at(x, where), whole[:, where])


def test_pixel_shuffle_is_that_of_pytorch():
    x = np.arange(2 * 4 * 3 * 5, dtype=np.float64).reshape(8, 3, 5)
    wanted = nn.PixelShuffle(2)(torch.from_numpy(x)[None])[0].numpy()
    assert np.array_equal(PixelShuffle()(x), wanted)


def test_sums_that_are_not_exact_are_refused():
    weight = np.full((1, 2**18, 5, 5), 2**15 - 1, np.int16)
    with pytest.raises(ValueError, match="would not be exact in float64"):
        IntegerConv(weight, np.zeros(1, np.int32), False)


def test_training_meets_the_same_numbers():
    torch.manual_seed(0)
    network = FixedNetwork(FixedConv(3, 16, 3, relu=True), nn.PixelShuffle(2), FixedConv(4, 6, 1, relu=False))
    x = np.random.default_rng(0).integers(-20, 20, (3, 6, 7))
    integers = network.export()(x << FRACTION_BITS)
    floats = network.double()(torch.from_numpy(x)[None].double())[0].detach().numpy()
    assert np.array_equal(integers, floats * 2**FRACTION_BITS)


def test_arrays_hold_the_whole_network():
    torch.manual_seed(1)
    network = FixedNetwork(FixedConv(3, 8, 3, relu=True), nn.PixelShuffle(2), FixedConv(2, 5, 3, relu=False)).export()
    again = IntegerNetwork.from_arrays(network.to_arrays())
    x = np.random.default_rng(0).integers(-2000, 2000, (3, 4, 4))
    assert np.array_equal(network(x), again(x))
