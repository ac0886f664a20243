"""What stages that match features share: where they start from, and checkpoints without the network that looks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor

from semapix.training.adaptive.matching import FeatureMatch
from semapix.training.adaptive.recipe import AdaptiveRecipe, SemanticsStage
from semapix.training.adaptive.signal import SignalSystem

__all__ = ["MatchedSystem"]

_MATCH = "match."


class MatchedSystem(SignalSystem):
    """Goes on from an earlier stage, with a network that looks at pictures."""

    unsaved = (_MATCH,)

    def __init__(
        self,
        recipe: AdaptiveRecipe,
        stage: SemanticsStage,
        start: dict[str, Tensor],
        match: FeatureMatch,
        minutes: float | None = None,
    ) -> None:
        """`start`: weights of `AdaptiveNetwork` after the stage before."""
        super().__init__(recipe, stage, minutes)
        self.network.load_state_dict(start)
        self.match = match

    def take_weights(self, state: dict[str, Any], training: Iterable[Any]) -> None:
        """None: those of the stage before are here already, and a checkpoint from a bundle holds no others."""

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        checkpoint["state_dict"] |= {f"{_MATCH}{key}": value for key, value in self.match.state_dict().items()}
