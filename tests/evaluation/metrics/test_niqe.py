"""NIQE against another implementation, and where it could break."""

import math

import numpy as np
import pytest

from semapix.errors import ArgumentError
from semapix.evaluation.metrics import niqe
from tests.evaluation.metrics.pairs import pair
from tests.pictures import picture

# `niqe` of basicsr/metrics/niqe.py, BasicSR 1.4.2, which agrees with the authors' MATLAB program to four digits, on
# rounded luma: first as it is, then with two changes: it halves the picture in double instead of single precision, and
# counts differences from the local mean below 1e-6, which are rounding errors of flat areas, as zero.
FIGURES = {
    "blocks": ((4.096793, 2.478282), (4.058571542, 2.478281495)),  # the distorted picture, the original
    "blur": ((16.754480, 16.911921), (16.741031364, 16.906308834)),
    "noise": ((5.559901, 2.493913), (5.560198647, 2.493910983)),
}


@pytest.mark.parametrize("name", FIGURES)
def test_as_basicsr_says(name):
    figures = tuple(map(niqe, pair(name)))
    as_it_is, changed = FIGURES[name]
    assert figures == pytest.approx(as_it_is, rel=0.01)
    assert figures == pytest.approx(changed, abs=1e-4)


def test_what_does_not_fill_a_block_is_not_seen():
    original = pair("noise")[1]
    cut = original[: 2 * 96, : 3 * 96]
    assert original.shape == (273, 333, 3)
    assert niqe(original) == niqe(cut)


def test_flat_parts_are_left_out():
    with_sky = pair("blocks")[1][:384, :384].copy()
    with_sky[:96] = 200
    assert 1 < niqe(with_sky) < 10


@pytest.mark.parametrize("seen", [0, 1])
def test_nothing_to_see(seen):
    flat = np.full((192, 288, 3), 90, np.uint8)
    flat[:90, : 90 * seen] = picture(90, 90)[:, : 90 * seen]
    assert math.isnan(niqe(flat))


def test_pictures_that_cannot_be_judged():
    with pytest.raises(ArgumentError, match=r"NIQE needs sides of 192 pixels or more, not \(191, 300\)"):
        niqe(picture(300, 191))
    with pytest.raises(ArgumentError, match=r"uint8 of shape \(H, W, 3\), not uint8 \(300, 300\)"):
        niqe(np.zeros((300, 300), np.uint8))
