"""Views that hold a part of another picture, and the labels that they get."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from semapix.training.augment import mixed
from semapix.training.recipe import load_recipe
from semapix.training.scalable.views import Views, labelled_views


def test_the_share_is_that_of_the_foreign_pixels() -> None:
    generator = torch.Generator().manual_seed(3)
    pictures = torch.arange(8.0).view(8, 1, 1, 1).expand(8, 3, 20, 16)
    shares = []
    for _ in range(20):
        result, other, share = mixed(pictures, generator)
        foreign = result != pictures
        for number in range(8):
            if other[number] != number:
                assert float(foreign[number].float().mean()) == pytest.approx(share)
                assert set(result[number].unique().tolist()) <= {float(number), float(other[number])}
        shares.append(share)
    assert min(shares) < 0.2
    assert max(shares) > 0.8


def test_labels_count_by_their_share() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(4, 5), torch.tensor([0, 1, 2, 3])
    views = Views(torch.zeros(4, 3, 8, 8), torch.tensor([3, 2, 1, 0]), 0.25)
    wanted = 0.75 * functional.cross_entropy(logits, labels) + 0.25 * functional.cross_entropy(logits, labels.flip(0))
    torch.testing.assert_close(views.cross_entropy(logits, labels, 0.0), wanted)


def test_the_recipe_says_how_many_are_mixed() -> None:
    stage, generator = load_recipe("scalable-tiny").lfrnet, torch.Generator().manual_seed(0)
    pictures = 255 * torch.rand(4, 3, 16, 16)
    for share, wanted in ((0.0, {False}), (1.0, {True}), (0.5, {False, True})):
        found = {labelled_views(pictures, 16, replace(stage, mixed=share), generator).share > 0 for _ in range(20)}
        assert found == wanted
