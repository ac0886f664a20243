"""What callers may say about where bits go."""

import numpy as np
import pytest

from semapix.codecs import Region, Steering
from semapix.errors import ArgumentError


def test_a_map_of_ones_own_becomes_means_of_blocks():
    values = np.zeros((20, 40), np.uint8)
    values[:, 16:32] = 255
    values[:16, 32:] = 51
    found = Steering(importance=values).own_map(40, 20)
    assert found.dtype == np.float32
    assert found == pytest.approx(np.array([[0, 1, 0.2], [0, 1, 0]]), abs=1e-6)


def test_floats_are_taken_as_they_are_and_so_are_flags():
    assert Steering(importance=np.full((5, 7), 0.3)).own_map(7, 5) == pytest.approx(np.array([[0.3]]))
    assert Steering(importance=np.ones((5, 7), bool)).own_map(7, 5).tolist() == [[1.0]]
    assert Steering().own_map(7, 5) is None


def test_regions_raise_the_blocks_that_they_touch():
    values = np.full((3, 4), 0.8, np.float32)
    steering = Steering(regions=(Region(15, 17, 2, 1), Region(63, 0, 1, 1)))
    found = steering.with_regions(values, 64, 48)
    assert found == pytest.approx(np.array([[0.4, 0.4, 0.4, 1], [1, 1, 0.4, 0.4], [0.4, 0.4, 0.4, 0.4]]))
    assert Steering().with_regions(values, 64, 48) is values


def test_an_unknown_strategy_is_named_with_those_that_there_are():
    rule = "must be one of: blended, semantic, complexity, simplicity, uniform"
    with pytest.raises(ArgumentError, match=rf"strategy \(='best'\) {rule}"):
        Steering("best")


def test_a_strategy_and_a_map_exclude_each_other():
    with pytest.raises(ArgumentError, match=r"strategy \(='uniform'\) and a quality map exclude each other; give one"):
        Steering("uniform", np.zeros((4, 4)))


@pytest.mark.parametrize(
    ("values", "shape"), [(np.zeros((5, 6)), "6x5"), (np.zeros(35), "35"), (np.zeros((5, 7, 3)), "3x7x5")]
)
def test_a_map_of_another_size_is_refused(values, shape):
    with pytest.raises(ArgumentError, match=rf"the quality map is {shape}, the picture 7x5: they must be of one size"):
        Steering(importance=values).own_map(7, 5)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.full((5, 7), 1.5), "1.5 to 1.5"),
        (np.full((5, 7), -0.25), "-0.25 to -0.25"),
        (np.full((5, 7), np.nan), "nan to nan"),
        (np.full((5, 7), np.inf), "inf to inf"),
        (np.full((5, 7), 200, np.int64), "200 to 200"),
    ],
)
def test_a_map_out_of_range_is_refused(values, said):
    with pytest.raises(ArgumentError, match=f"the quality map has values from {said}; uint8, or floats from 0 to 1"):
        Steering(importance=values).own_map(7, 5)


@pytest.mark.parametrize(
    "box", [(-1, 0, 4, 4), (0, -1, 4, 4), (0, 0, 0, 4), (0, 0, 4, 0), (60, 0, 5, 4), (0, 45, 4, 4), (64, 48, 1, 1)]
)
def test_a_region_outside_of_the_picture_is_refused(box):
    steering = Steering(regions=(Region(0, 0, 64, 48), Region(*box)))
    said = ",".join(map(str, box))
    with pytest.raises(ArgumentError, match=rf"region {said} \(x, y, width, height\) must be of 1x1 .*, 64x48"):
        steering.with_regions(np.ones((3, 4), np.float32), 64, 48)
