"""Rows of training batches: what differs between processes that make them, and their first pictures."""

import numpy as np
import pytest
import torch

from semapix.training.data import Patches, first_pictures
from semapix.training.run import _loader

PHOTO = np.random.default_rng(0).integers(0, 256, (80, 90, 3), np.uint8)


# Python warns of every fork beside threads; these processes use none of what those hold.
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("workers", [0, 2])
def test_no_two_batches_are_the_same(workers, monkeypatch):
    monkeypatch.setattr("time.time_ns", lambda: 1)
    batches = iter(_loader(Patches([PHOTO], 2, 32, 0), workers))
    seen = [next(batches) for _ in range(6)]
    assert all(batch.shape == (2, 3, 32, 32) for batch in seen)
    assert len({batch.numpy().tobytes() for batch in seen}) == 6


def test_first_pictures_have_the_number_asked_for():
    batches = (torch.full((4, 3, 2, 2), number) for number in range(9))
    first = first_pictures(batches, 10)
    assert first[:, 0, 0, 0].tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]
    assert int(next(batches)[0, 0, 0, 0]) == 3  # no more were made
    assert len(first_pictures([torch.zeros(4, 3, 2, 2)], 10)) == 4
