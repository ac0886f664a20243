"""FSIM against another implementation, and where it could break."""

import numpy as np
import pytest

from semapix.errors import ArgumentError
from semapix.evaluation.metrics import fsim, fsim_c
from tests.evaluation.metrics.pairs import pair
from tests.pictures import picture


@pytest.mark.parametrize(
    ("name", "similarity", "with_chroma"),
    [
        ("blocks", 0.960243566, 0.958377935),  # halved before it is looked at
        ("blur", 0.970112277, 0.969986306),
        ("noise", 0.949124238, 0.938664382),  # odd sides
    ],
)
def test_as_piq_says(name, similarity, with_chroma):
    """piq 0.8 in double precision."""
    assert fsim(*pair(name)) == pytest.approx(similarity, abs=1e-4)
    assert fsim_c(*pair(name)) == pytest.approx(with_chroma, abs=1e-4)


def test_equal_pictures():
    original = picture(120, 90)
    assert fsim(original, original) == pytest.approx(1)
    assert fsim_c(original, original) == pytest.approx(1)


def test_both_directions_agree():
    picture, original = pair("noise")
    assert fsim(picture, original) == pytest.approx(fsim(original, picture))


def test_chroma_is_seen_by_fsim_c_alone():
    original = np.full((64, 64, 3), 128, np.uint8)
    original[:, 32:] = 160
    coloured = original.copy()
    coloured[..., 0] += 57  # luma changes by 57 * 0.299 - 30 * 0.587 + 5 * 0.114 = 0.003
    coloured[..., 1] -= 30
    coloured[..., 2] += 5
    assert fsim(coloured, original) == pytest.approx(1, abs=1e-6)
    assert 0.5 < fsim_c(coloured, original) < 0.995


def test_pictures_without_any_structure():
    black, white = np.zeros((64, 64, 3), np.uint8), np.full((64, 64, 3), 255, np.uint8)
    assert fsim(black, black) == pytest.approx(1)
    assert 0.9 < fsim(black, white) < 1  # the border alone differs: beyond it lies black


@pytest.mark.parametrize("measure", [fsim, fsim_c])
def test_some_pixels_are_needed(measure):
    with pytest.raises(ArgumentError, match=r"FSIM needs sides of 48 pixels or more, not \(47, 300\)"):
        measure(picture(300, 47), picture(300, 47))
    assert measure(picture(300, 48), picture(300, 48)) == pytest.approx(1)
