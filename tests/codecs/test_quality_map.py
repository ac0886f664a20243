"""Quality maps: their mean, their order, and what of them a file carries, as training has it."""

import itertools

import numpy as np
import pytest
import torch

from semapix.codecs._quality_map import MAP_STEPS, map_symbols, quality_map, spread_map
from semapix.training.adaptive.nets import codec

MEANS = [0.0, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 1.0]


def maps():
    rng = np.random.default_rng(0)
    bumps = rng.random((7, 9)).astype(np.float32)
    return {
        "random": bumps,
        "mostly nothing": np.where(bumps > 0.9, bumps, 0).astype(np.float32),
        "two values": np.where(bumps > 0.5, 1.0, 0.25).astype(np.float32),
        "nothing": np.zeros((3, 4), np.float32),
        "everything": np.ones((3, 4), np.float32),
        "faint": bumps * 1e-3,
        "one block": np.full((1, 1), 0.4, np.float32),
    }


@pytest.mark.parametrize("kind", maps())
@pytest.mark.parametrize("mean", MEANS)
def test_the_mean_is_reached_within_0_and_1(kind, mean):
    found = quality_map(maps()[kind], mean)
    assert found.dtype == np.float32
    assert found.mean(dtype=float) == pytest.approx(mean, abs=2e-6)
    assert found.min() >= 0
    assert found.max() <= 1 + 1e-6


@pytest.mark.parametrize("kind", maps())
def test_every_block_gains_from_a_higher_mean(kind):
    found = [quality_map(maps()[kind], mean) for mean in np.linspace(0, 1, 41)]
    assert len(found) == 41
    assert all((low <= high + 1e-6).all() for low, high in itertools.pairwise(found))


@pytest.mark.parametrize("mean", [0.05, 0.4, 0.8, 0.97])
def test_the_order_of_blocks_is_that_of_importance(mean):
    importance = maps()["random"]
    found = quality_map(importance, mean)
    order = np.argsort(importance, axis=None)
    assert (np.diff(found.ravel()[order]) >= 0).all()
    assert found.max() > found.min()


def test_at_its_own_mean_a_map_is_itself():
    importance = maps()["random"]
    assert quality_map(importance, float(importance.mean(dtype=float))) == pytest.approx(importance, abs=1e-6)


def test_blocks_of_no_importance_count_as_the_least_important_others():
    importance = np.array([[0.0, 0.2, 0.8]], np.float32)
    assert quality_map(importance, 0.2) == pytest.approx(np.array([[0.1, 0.1, 0.4]]), abs=1e-6)


SIZES = [(1, 1), (3, 5), (4, 4), (5, 9), (8, 7), (13, 22)]


@pytest.mark.parametrize("size", SIZES)
def test_symbols_are_those_of_training_but_for_the_dither(size):
    quality = np.random.default_rng(size[0]).random(size).astype(np.float32)
    found = map_symbols(quality)
    wanted = codec.map_symbols(torch.from_numpy(quality)[None, None])
    assert found.shape == (1, -(-size[0] // 4), -(-size[1] // 4))
    assert np.abs(found - wanted[0].numpy()).max() <= 1
    assert found.min() >= -MAP_STEPS // 2
    assert found.max() <= MAP_STEPS // 2


@pytest.mark.parametrize("size", SIZES)
def test_the_spread_map_is_that_of_training(size):
    rows, columns = size
    shape = (1, -(-rows // 4), -(-columns // 4))
    symbols = np.random.default_rng(rows).integers(-8, 9, shape).astype(np.float32)
    found = spread_map(symbols, rows, columns)
    wanted = codec.spread_map(torch.from_numpy(symbols)[None], rows, columns)
    assert found.shape == size
    assert np.allclose(found, wanted[0, 0].numpy(), atol=1e-6)


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_a_flat_map_comes_back_as_it_was(level):
    quality = np.full((6, 11), level, np.float32)
    assert np.array_equal(spread_map(map_symbols(quality), 6, 11), quality)


def test_symbols_out_of_range_are_clamped():
    symbols = np.array([[[-(2.0**30), 2.0**30]]], np.float32)
    assert spread_map(symbols, 1, 8)[0, [0, 7]].tolist() == [0.0, 1.0]


def test_the_dither_leaves_whole_steps_alone_and_keeps_the_mean_of_others():
    for step in range(MAP_STEPS + 1):
        assert (map_symbols(np.full((16, 24), step / MAP_STEPS, np.float32)) == step - MAP_STEPS // 2).all()
    found = map_symbols(np.full((64, 64), 0.4, np.float32))
    assert abs((found.mean() + MAP_STEPS // 2) / MAP_STEPS - 0.4) < 0.5 / 16 / MAP_STEPS
    assert set(np.unique(found)) == {-2.0, -1.0}
