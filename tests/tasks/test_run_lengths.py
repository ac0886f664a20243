"""Masks as run lengths: back again, and as the COCO API writes them."""

import numpy as np
import pytest
from faster_coco_eval.core import mask as coco

from semapix.tasks import RunLengths

MASKS = [np.zeros((3, 4), bool), np.ones((3, 4), bool), np.eye(5, dtype=bool), np.ones((1, 1), bool)]
MASKS += [np.random.default_rng(i).random((40 + i, 70)) < share for i, share in enumerate((0.02, 0.5, 0.98))]
MASKS += [np.kron(np.eye(3, dtype=bool), np.ones((300, 200), bool))]


@pytest.mark.parametrize("mask", MASKS, ids=range(len(MASKS)))
def test_a_mask_comes_back_and_is_what_coco_writes(mask):
    height, width = mask.shape
    runs = RunLengths.of(mask, 0, 0, width, height)
    assert (runs.decode() == mask).all()
    assert runs.area == mask.sum()
    assert sum(runs.counts) == mask.size
    wanted = coco.encode(np.asfortranarray(mask, np.uint8))
    said = runs.to_coco()
    counts = wanted["counts"]
    assert said["counts"] == (counts.decode() if isinstance(counts, bytes) else counts)
    assert list(said["size"]) == list(wanted["size"])
    assert (coco.decode(said) == mask).all()


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_part_lies_where_it_was_cut_out(share):
    whole = np.zeros((30, 20), bool)
    part = np.random.default_rng(0).random((7, 5)) < share
    whole[11:18, 3:8] = part
    assert RunLengths.of(part, 3, 11, 20, 30) == RunLengths.of(whole, 0, 0, 20, 30)
