"""Distillation: what a larger network says of a view is what a smaller one learns to say of it.

After Beyer et al., "Knowledge distillation: A good teacher is patient and consistent" (CVPR 2022, section 3): both see
the same views, cut strongly and mixed, for many epochs, and the loss is the Kullback-Leibler divergence from the
teacher's probabilities to the student's, at temperature 1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from semapix.training.scalable.nets.teacher import Teacher

__all__ = ["Distillation", "divergence"]


def divergence(wanted: Tensor, found: Tensor) -> Tensor:
    """Mean Kullback-Leibler divergence in nats: how far `found` is from `wanted`, both logits (B, C)."""
    target, student = (torch.log_softmax(logits.float(), dim=1) for logits in (wanted, found))
    return functional.kl_div(student, target, reduction="batchmean", log_target=True)


class Distillation(nn.Module):
    """A frozen teacher. `forward`: its coarse and fine logits of views (B, 3, S, S), 0 to 255, without gradients."""

    def __init__(self, teacher: Teacher) -> None:
        super().__init__()
        self.teacher = teacher.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Distillation:
        """Leaves the teacher as it is: batch norm must keep its statistics."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, views: Tensor) -> tuple[Tensor, Tensor]:
        logits: tuple[Tensor, Tensor] = self.teacher(views)
        return logits
