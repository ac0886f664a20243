"""Stage `selfsupervised`: momentum contrast under a rate constraint, with crops that the heat map guides.

Loss: InfoNCE of MoCo v2 plus the weighted rate of the redundancy elimination's bottleneck. The weight is steered until
the rate is what the recipe says: the paper's module adjusts its rate dynamically.

Contrast alone wants days. Where minutes are few, a recipe may add the cross-entropy of the pictures' own labels.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from semapix.training.augment import squeeze
from semapix.training.budget import BudgetedStage
from semapix.training.checkpoint import weights_of
from semapix.training.dicm.encoder import Embedder
from semapix.training.dicm.guidance import WHOLE, boxes_of, guided_view
from semapix.training.dicm.recipe import DicmRecipe
from semapix.training.normalise import normalise

__all__ = ["SelfSupervisedSystem"]

_BATCH = 256  # pictures whose heat maps are made at once
_STEER = 0.01  # change of the logarithm of the rate's weight in a step, at twice the rate wanted


class SelfSupervisedSystem(BudgetedStage):
    """Trains head, redundancy elimination and tail, without labels unless the recipe gives these a weight."""

    def __init__(self, recipe: DicmRecipe, pictures: Tensor, labels: Tensor, minutes: float | None = None) -> None:
        """`pictures`: all that it trains on, uint8 (N, 3, S, S), `labels`: int64 (N,); batches give their numbers."""
        stage = recipe.selfsupervised
        super().__init__(recipe, stage, minutes)
        self.stage, self.side = stage, recipe.model.glance_side
        self.query = Embedder(recipe.model, stage.projection).to(memory_format=torch.channels_last)
        self.key = copy.deepcopy(self.query).requires_grad_(False)
        self._pictures = pictures
        self.register_buffer("labels", labels, persistent=False)
        if stage.label_weight:
            self.classes = nn.Linear(recipe.model.widths[-1], int(labels.max()) + 1)
        self.register_buffer("queue", functional.normalize(torch.randn(stage.queue, stage.projection), dim=1))
        self.register_buffer("next_key", torch.zeros((), dtype=torch.long))
        self.register_buffer("rate_weight", torch.tensor(stage.rate_weight if stage.rate_target else 0.0))
        self.register_buffer("boxes", torch.tensor(WHOLE).repeat(len(pictures), 1))
        self.register_buffer("heat_maps", torch.zeros((), dtype=torch.long))

    def take_weights(self, state: dict[str, Any], training: Iterable[Any]) -> None:
        for name in ("head", "eliminator", "tail"):
            for network in (self.query, self.key):
                getattr(network, name).load_state_dict(weights_of(state["state_dict"], f"query.{name}"))

    def _guide(self) -> None:
        """Make all boxes anew when their time has come."""
        stage = self.stage
        if stage.guide_after >= 1 or self.progress < stage.guide_after:
            return
        due = 1 + int((self.progress - stage.guide_after) / stage.guide_every)
        if int(self.heat_maps) >= due:
            return
        self.query.eval()
        with torch.no_grad():
            for start in range(0, len(self._pictures), _BATCH):
                pictures = self._pictures[start : start + _BATCH].to(self.device).float()
                deepest, _ = self.query.deepest(self._seen(squeeze(pictures, self.side)))
                self.boxes[start : start + len(pictures)] = boxes_of(deepest, stage.guide_level)
        self.query.train()
        self.heat_maps.fill_(due)

    def _seen(self, view: Tensor) -> Tensor:
        return normalise(view).contiguous(memory_format=torch.channels_last)

    @torch.no_grad()
    def _keys(self, view: Tensor) -> Tensor:
        """Keys (B, P), made in shuffled parts."""
        for slow, fast in zip(self.key.parameters(), self.query.parameters(), strict=True):
            slow.lerp_(fast, 1 - self.stage.momentum)
        order = torch.randperm(len(view), generator=self.random).to(view.device, non_blocking=True)
        parts = torch.chunk(order, self.stage.key_parts)
        keys = torch.cat([self.key(self._seen(view[part]))[0] for part in parts])
        return keys[torch.argsort(order)]

    @torch.no_grad()
    def _remember(self, keys: Tensor) -> None:
        """Put keys in place of the oldest ones; those of all devices, so that their queues stay alike."""
        keys = self.all_gather(keys).reshape(-1, keys.shape[1])[: len(self.queue)]
        place = (self.next_key + torch.arange(len(keys), device=keys.device)) % len(self.queue)
        self.queue[place] = keys
        self.next_key.copy_((self.next_key + len(keys)) % len(self.queue))

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        pictures, numbers = batch
        stage = self.stage
        self._guide()
        pictures, boxes = pictures.float(), self.boxes[numbers]
        one, other = (guided_view(pictures, boxes, self.side, stage, self.random) for _ in range(2))
        keys = self._keys(other)
        queries, pooled, bits = self.query(self._seen(one))
        alike = (queries * keys).sum(dim=1, keepdim=True)
        logits = torch.cat([alike, queries @ self.queue.clone().T], dim=1) / stage.temperature
        contrast = functional.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long, device=logits.device))
        self._remember(keys)
        rate = bits.mean() / self.side**2
        if stage.rate_target:
            surplus = (rate.detach() / stage.rate_target - 1).clamp(-1, 1)
            self.rate_weight.mul_(torch.exp(_STEER * surplus))
        if batch_idx % 50 == 0:
            self.note(
                contrast=contrast.detach(),
                top1=(logits.argmax(1) == 0).float().mean(),
                rate=rate.detach(),
                rate_weight=self.rate_weight,
                box=((self.boxes[:, 2] - self.boxes[:, 0]) * (self.boxes[:, 3] - self.boxes[:, 1])).mean(),
            )
        loss = contrast + self.rate_weight * rate
        if stage.label_weight:
            loss = loss + stage.label_weight * self._named(pooled, self.labels[numbers], batch_idx)
        return loss

    def _named(self, pooled: Tensor, labels: Tensor, batch_idx: int) -> Tensor:
        """Cross-entropy of labels (B,) and what a linear layer makes of pooled features (B, C)."""
        logits = self.classes(pooled).float()
        if batch_idx % 50 == 0:
            self.note(label_top1=(logits.argmax(1) == labels).float().mean())
        return functional.cross_entropy(logits, labels, label_smoothing=self.stage.label_smoothing)

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        pictures, coarse, fine = batch
        deepest, bits = self.query.deepest(self._seen(squeeze(pictures.float(), self.side)))
        pooled = functional.normalize(deepest.float().mean(dim=(2, 3)), dim=1)
        self._held_out.append((pooled, coarse, fine, bits))

    def on_validation_epoch_start(self) -> None:
        self._held_out: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []

    def on_validation_epoch_end(self) -> None:
        pooled, coarse, fine, bits = (torch.cat(part) for part in zip(*self._held_out, strict=True))
        alike = pooled @ pooled.T
        nearest = alike.fill_diagonal_(-1.0).argmax(dim=1)
        self.note(
            nearest_coarse=(coarse[nearest] == coarse).float().mean(),
            nearest_fine=(fine[nearest] == fine).float().mean(),
            held_out_rate=bits.mean() / self.side**2,
        )
