"""Views of labelled pictures for stages `teacher` and `lfrnet`, some with a part of another picture in them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from semapix.training.augment import mixed, random_view
from semapix.training.scalable.recipe import LfrnetStage, TeacherStage

__all__ = ["Views", "labelled_views"]


@dataclass(frozen=True)
class Views:
    """A batch of views. `pictures`: (B, 3, S, S), 0 to 255.

    `other`: the position of the picture that each one has a part of, (B,); `share`: of the area, 0 where none has.
    """

    pictures: Tensor
    other: Tensor
    share: float

    def cross_entropy(self, logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
        """Of `logits` (B, C), with the labels (B,) of both pictures of a view by their share, smoothed."""
        own = functional.cross_entropy(logits, labels, label_smoothing=smoothing)
        if self.share == 0.0:
            return own
        return torch.lerp(
            own, functional.cross_entropy(logits, labels[self.other], label_smoothing=smoothing), self.share
        )


def labelled_views(pictures: Tensor, side: int, stage: LfrnetStage | TeacherStage, generator: torch.Generator) -> Views:
    """Random views of pictures (B, 3, H, W), 0 to 255; with the probability `stage.mixed` cut into each other."""
    view = random_view(pictures, side, stage, generator)
    if float(torch.rand((), generator=generator)) >= stage.mixed:
        return Views(view, torch.arange(len(view)), 0.0)
    return Views(*mixed(view, generator))
