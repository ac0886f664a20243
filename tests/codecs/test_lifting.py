"""The transform: revertible level by level, in NumPy as in PyTorch."""

import numpy as np
import pytest
import torch

from semapix.bundle import Bundle
from semapix.codecs._lifting import forward_step, inverse_step, merge, split
from semapix.codecs._pixels import denormalise, normalise
from semapix.graphs import OnnxGraphs
from semapix.training.scalable.nets import lifting
from tests.pictures import picture


def test_split_takes_the_upper_row_of_each_block():
    x = np.arange(16, dtype=np.float64).reshape(1, 1, 4, 4)
    main, dual = split(x)
    assert main[0].tolist() == [[[0, 2], [8, 10]], [[1, 3], [9, 11]]]
    assert dual[0].tolist() == [[[4, 6], [12, 14]], [[5, 7], [13, 15]]]
    assert np.array_equal(merge(main, dual), x)


def test_split_and_merge_are_those_of_training():
    x = np.random.default_rng(0).normal(size=(1, 3, 8, 4))
    ours, theirs = split(x), lifting.split(torch.from_numpy(x))
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(ours, theirs, strict=True))
    assert np.array_equal(lifting.merge(*theirs).numpy(), x)


def test_every_level_reverts(tiny_bundle):
    bundle = Bundle(tiny_bundle)
    graphs = OnnxGraphs(bundle)
    band = normalise(picture(16, 16)).astype(np.float64)
    steps = []
    for level in (1, 2):
        main, dual = forward_step(graphs, level, band)
        assert np.array_equal(inverse_step(graphs, level, main, dual), band), "not a bit is lost"
        steps.append((level, dual))
        band = main
    for level, dual in reversed(steps):
        band = inverse_step(graphs, level, band, dual)
    assert np.array_equal(denormalise(band), picture(16, 16))


@pytest.mark.parametrize(("recipe", "parameters"), [("scalable-paper", 45_774_612)])
def test_the_paper_recipe_has_the_papers_sizes(recipe, parameters):
    from semapix.training.recipe import load_recipe

    model = load_recipe(recipe).model
    with torch.device("meta"):
        net = lifting.Lifting(model.lifting_hidden, model.lifting_depth)
        main, duals = net(torch.zeros(1, 3, 256, 256))
    assert sum(p.numel() for p in net.parameters()) == parameters
    assert main.shape == (1, 96, 8, 8)
    assert [tuple(dual.shape[1:]) for dual in duals] == [
        (6, 128, 128),
        (12, 64, 64),
        (24, 32, 32),
        (48, 16, 16),
        (96, 8, 8),
    ]
