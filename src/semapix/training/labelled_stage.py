"""What stages that learn labels share: how often held-out pictures get the right ones."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from semapix.training.budget import BudgetedStage

__all__ = ["LabelledStage"]


class LabelledStage(BudgetedStage):
    """A stage whose batches are pictures with a coarse and a fine label; notes top-1 of both on held-out pictures."""

    @abstractmethod
    def logits(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Coarse and fine logits (B, classes) of whole pictures (B, 3, H, W), float, 0 to 255."""

    def validation_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> None:
        pictures, coarse, fine = batch
        coarse_logits, fine_logits = self.logits(pictures.float())
        right = torch.stack([coarse_logits.argmax(1) == coarse, fine_logits.argmax(1) == fine])
        self._held_out.append(right.float())

    def on_validation_epoch_start(self) -> None:
        self._held_out: list[Tensor] = []

    def on_validation_epoch_end(self) -> None:
        coarse, fine = torch.cat(self._held_out, dim=1).mean(dim=1)
        self.note(held_out_coarse=coarse, held_out_fine=fine)
