"""What self-supervised training makes: head, redundancy elimination and tail as one network with an embedding."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from semapix.training.dicm.nets.backbone import Head, Tail
from semapix.training.dicm.nets.eliminator import Eliminator, FactorisedDensity
from semapix.training.dicm.recipe import DicmModel

__all__ = ["Embedder"]


class Embedder(nn.Module):
    """Head, redundancy elimination with its bottleneck's rate, tail, and a projection to a unit vector.

    X. Chen, H. Fan, R. Girshick, K. He, "Improved baselines with momentum contrastive learning" (2020).
    """

    def __init__(self, model: DicmModel, projection: int) -> None:
        super().__init__()
        self.head = Head(model)
        self.eliminator = Eliminator(model)
        self.density = FactorisedDensity(model.eliminator_widths[-1])
        self.tail = Tail(model)
        width = model.widths[-1]
        self.projection = nn.Sequential(nn.Linear(width, width), nn.ReLU(inplace=True), nn.Linear(width, projection))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Unit vectors (B, P) of normalised pictures (B, 3, H, W), what they are made of, (B, C), and bits (B,).

        Bits are those of each one's bottleneck.
        """
        deepest, bits = self.deepest(pictures)
        pooled = deepest.mean(dim=(2, 3))
        return functional.normalize(self.projection(pooled).float(), dim=1), pooled, bits

    def deepest(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """The last map of the tail (B, C, h, w), and bits of each bottleneck (B,)."""
        kept, bits = self.density(self.eliminator.encoder(self.head(pictures)))
        kept = kept.contiguous(memory_format=torch.channels_last)
        return self.tail(self.eliminator.decoder(kept))[-1], bits
