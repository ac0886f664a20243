"""The label layer of pre-semantic files."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semapix.codecs._labels import MOST_LABELS, LabelSpace, StatedLabel
from semapix.errors import CorruptLayer

SPACE = LabelSpace(3, (0, 0, 1, 1, 1, 2))


def test_five_labels_of_a_large_space_take_few_bytes():
    space = LabelSpace(21, tuple(i % 21 for i in range(212)))
    shares = np.full(212, 1e-4)
    shares[[3, 50, 99, 150, 211]] = [0.5, 0.2, 0.15, 0.1, 0.04]
    labels = space.best(shares)
    payload = space.pack(labels)
    assert [label.fine for label in labels] == [3, 50, 99, 150, 211]
    assert len(payload) <= 9 < 12
    read = space.unpack(payload)
    assert [(label.group, label.fine) for label in read] == [(label.group, label.fine) for label in labels]
    for stated, label in zip(labels, read, strict=True):
        assert abs(np.log2(stated.share / label.share)) <= 0.25


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 15)), max_size=MOST_LABELS))
def test_round_trip(drawn):
    labels = [
        StatedLabel(SPACE.parents[fine], None if group_alone else fine, 2.0 ** (-0.5 * level))
        for fine, group_alone, level in drawn
    ]
    assert SPACE.unpack(SPACE.pack(labels)) == labels


def test_probabilities_are_those_of_the_labels_and_the_rest_is_spread():
    shares = SPACE.shares([StatedLabel(1, 3, 0.5), StatedLabel(0, 1, 0.25)])
    assert shares.tolist() == pytest.approx([0.0625, 0.25, 0.0625, 0.5, 0.0625, 0.0625], abs=1e-3)


def test_a_group_alone_is_shared_by_its_classes():
    shares = SPACE.shares([StatedLabel(1, None, 1.0)])
    assert shares.tolist() == pytest.approx([0, 0, 1 / 3, 1 / 3, 1 / 3, 0], abs=1e-5)


def test_labels_that_are_hardly_there_are_left_out():
    labels = SPACE.best(np.array([0.9, 0.09, 0.004, 0.003, 0.002, 0.001]))
    assert [label.fine for label in labels] == [0, 1]
    assert SPACE.best(np.full(6, 1e-3))[:1] == [StatedLabel(0, 0, 1e-3)]


def test_nothing_may_be_left_over():
    payload = SPACE.pack([StatedLabel(1, 3, 0.5)])
    with pytest.raises(CorruptLayer, match="holds more than its 1 labels"):
        SPACE.unpack(payload + b"\0")
    with pytest.raises(CorruptLayer, match="holds more than its 0 labels"):
        SPACE.unpack((6).to_bytes(1, "little"))
    assert SPACE.unpack(b"") == []


def test_a_group_whose_classes_are_all_named_keeps_its_probability():
    shares = SPACE.shares([StatedLabel(2, 5, 0.5), StatedLabel(2, None, 0.5)])
    assert shares[5] == pytest.approx(1.0, abs=1e-3)
