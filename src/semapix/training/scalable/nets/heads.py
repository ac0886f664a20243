"""Task heads: three fully connected layers on the features of the machine layers (scalable paper, section III-A)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

__all__ = ["Head"]


class Head(nn.Sequential):
    """Three fully connected layers with ReLU and dropout.

    (B, C, S, S) features of the core's deepest main band to (B, classes) logits.
    """

    def __init__(self, features: int, hidden: Sequence[int], classes: int, dropout: float) -> None:
        first, second = hidden
        super().__init__(
            nn.Flatten(),
            nn.Linear(features, first),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(first, second),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(second, classes),
        )
