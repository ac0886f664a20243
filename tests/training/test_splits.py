"""Which pictures are held out: single ones at random, or whole groups of look-alikes."""

import dataclasses
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from semapix.errors import ArgumentError
from semapix.training.recipe import load_recipe
from semapix.training.splits import labelled

CLASSES, SHELVES, SHOTS = 2, 6, 4


@pytest.fixture
def shelves(tmp_path):
    """A data folder: every shelf of a class is a pattern of colours that its shots share, but for a little noise."""
    random = np.random.default_rng(5)
    encoded = []
    for _ in range(CLASSES * SHELVES):
        pattern = random.integers(0, 256, (6, 6, 3)).repeat(4, 0).repeat(4, 1)
        for _ in range(SHOTS):
            buffer = io.BytesIO()
            shot = np.clip(pattern + random.integers(-6, 7, pattern.shape), 0, 255).astype(np.uint8)
            Image.fromarray(shot).save(buffer, "PNG")
            encoded.append(buffer.getvalue())
    (tmp_path / "objects").mkdir()
    names = {"groups": ["all"], "labels": [{"id": i, "name": f"thing {i}", "group": 0} for i in range(CLASSES)]}
    (tmp_path / "objects" / "labels.json").write_text(json.dumps(names))
    table = {"image": encoded, "label": np.repeat(np.arange(CLASSES), SHELVES * SHOTS).tolist()}
    pq.write_table(pa.table(table), tmp_path / "objects" / "train-0.parquet")
    return tmp_path


def parts(data, **changes):
    """What trains and what is held out: fine labels, and pictures as (N, values)."""
    section = dataclasses.replace(load_recipe("scalable-tiny").data, labelled_side=24, held_out=4, **changes)
    training, held_out = labelled(section, data)
    pictures, _, fine = (tensor.numpy() for tensor in held_out.tensors)
    flat = (x.reshape(len(x), 3 * 24 * 24).astype(float) for x in (training.pictures, pictures))
    return training.fine, fine, *flat


def nearest(pictures, others):
    """The distance of each picture to the nearest of the others."""
    return np.sqrt(np.square(pictures[:, None] - others).mean(2)).min(1)


def test_look_alikes_are_held_out_together(shelves):
    fine, held_fine, training, held_out = parts(shelves, held_out_alike=True)
    assert len(training) + len(held_out) == CLASSES * SHELVES * SHOTS
    for label in range(CLASSES):
        assert 0 < (held_fine == label).sum() < SHELVES * SHOTS / 2
    assert nearest(held_out, training).min() > 40  # patterns are far apart
    assert set(fine) == set(range(CLASSES))


def test_single_pictures_resemble_those_that_train(shelves):
    _, _, training, held_out = parts(shelves)
    assert len(held_out) == CLASSES * SHELVES * SHOTS // 4
    assert np.median(nearest(held_out, training)) < 10


def test_the_same_pictures_are_held_out_each_time(shelves):
    first, again = (parts(shelves, held_out_alike=True)[3] for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_one_group_of_a_class_trains(shelves):
    path = shelves / "objects" / "train-0.parquet"
    pq.write_table(pq.read_table(path).slice(0, SHOTS), path)  # one shelf of one class
    with pytest.raises(ArgumentError, match=r"held_out \(=1 in 4\): no class has a group of look-alikes to spare"):
        parts(shelves, held_out_alike=True)
