"""Outer scales: their sizes, and results that do not depend on the tiling."""

import numpy as np
import pytest
import torch

from semapix.bundle import Bundle
from semapix.codecs import _outer
from semapix.codecs._outer import OuterCodec, scale_sizes
from semapix.codecs._unit import load_tables
from semapix.graphs import OnnxGraphs
from semapix.training.scalable.export import export_scalable
from semapix.training.scalable.model import new_scalable
from tests.pictures import picture


@pytest.mark.parametrize(
    ("width", "height", "factor", "reach", "sizes"),
    [
        (64, 64, 8, 16, []),
        (1, 1, 8, 16, []),
        (65, 3, 8, 16, [(65, 3)]),
        (1024, 768, 8, 16, [(1024, 768)]),
        (1032, 100, 8, 16, [(129, 13), (1032, 100)]),
        (8193, 6144, 8, 16, [(129, 96), (1025, 768), (8193, 6144)]),
        (512, 512, 8, 8, [(512, 512)]),
        (768, 512, 2, 2, [(96, 64), (192, 128), (384, 256), (768, 512)]),
        (257, 100, 2, 2, [(65, 25), (129, 50), (257, 100)]),
    ],
)
def test_sizes_grow_from_the_core_on(width, height, factor, reach, sizes):
    assert scale_sizes(width, height, 64, factor, reach) == sizes


def test_tiles_do_not_show(tiny_trained, monkeypatch, tmp_path):
    # Weights far from the identity, so that a margin that is too small would show.
    trained = new_scalable(tiny_trained.recipe, {"coarse": ["a"], "fine": ["b"], "parents": [0]})
    torch.manual_seed(0)
    for parameter in trained.outer.parameters():
        if parameter.ndim == 4:
            parameter.data = torch.randn_like(parameter) / np.sqrt(parameter[0].numel())
    export_scalable(trained, tmp_path / "random.spxm")
    bundle = Bundle(tmp_path / "random.spxm")
    outer = OuterCodec(bundle, OnnxGraphs(bundle), load_tables(bundle))
    scale, prediction = picture(300, 210), picture(300, 210, seed=1)
    latent = outer._analyse(scale, prediction, 8)
    decoded = outer._synthesise(latent, prediction, 8)
    monkeypatch.setattr(_outer, "_TILE", 64)
    spread = np.abs(latent).max()
    assert np.abs(outer._analyse(scale, prediction, 8) - latent).max() < 1e-4 * spread
    assert np.abs(outer._synthesise(latent, prediction, 8).astype(int) - decoded).max() <= 1
    outer._margin = 16
    assert np.abs(outer._analyse(scale, prediction, 8) - latent).max() > 1e-3 * spread
    assert np.abs(outer._synthesise(latent, prediction, 8).astype(int) - decoded).max() > 1
