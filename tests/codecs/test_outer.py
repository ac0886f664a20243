"""Outer scales: their sizes, and results that do not depend on the tiling."""

import numpy as np
import pytest

from semapix.bundle import Bundle
from semapix.codecs import _outer
from semapix.codecs._outer import OuterCodec, scale_sizes
from semapix.codecs._unit import load_tables
from semapix.graphs import OnnxGraphs
from semapix.imaging import resize
from tests.pictures import picture


@pytest.mark.parametrize(
    ("width", "height", "sizes"),
    [
        (64, 64, []),
        (1, 1, []),
        (65, 3, [(65, 3)]),
        (768, 512, [(96, 64), (192, 128), (384, 256), (768, 512)]),
        (257, 100, [(65, 25), (129, 50), (257, 100)]),
    ],
)
def test_sizes_double_from_the_core_on(width, height, sizes):
    assert scale_sizes(width, height, 64) == sizes


def test_tiles_do_not_show(tiny_bundle, monkeypatch):
    bundle = Bundle(tiny_bundle)
    outer = OuterCodec(bundle, OnnxGraphs(bundle), load_tables(bundle))
    pixels = picture(300, 210)
    below = resize(pixels, (150, 105), "box")
    sizes = [(300, 210)]
    whole = outer.encode(pixels, below, sizes, 9)
    picture_of_whole = outer.decode(whole, below, sizes, 9)
    monkeypatch.setattr(_outer, "_TILE", 64)
    tiled = outer.encode(pixels, below, sizes, 9)
    assert abs(len(tiled[0]) - len(whole[0])) <= 8  # encoders may differ at rounding ties
    again = outer.decode(whole, below, sizes, 9)
    assert np.abs(again.astype(int) - picture_of_whole.astype(int)).max() <= 1
