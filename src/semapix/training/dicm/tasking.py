"""Stage `tasks`: tail, classifier and detector on features as they are after coding, the encoder frozen.

Batch norm of the tail keeps the statistics of stage `selfsupervised`: labelled pictures and scenes, of different sizes
and qualities, would pull them apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from semapix.codecs import QUALITIES
from semapix.tasks import Answers, Detections, Frame, find_objects, places
from semapix.training.augment import random_view, recolour, squeeze
from semapix.training.budget import BudgetedStage, clip_gradients
from semapix.training.checkpoint import weights_of
from semapix.training.dicm.model import TrainedDicm
from semapix.training.dicm.nets.heads import DenseAnswers
from semapix.training.dicm.precision_at_half import precision_at_half
from semapix.training.dicm.targets import Wanted, detection_losses
from semapix.training.normalise import normalise

__all__ = ["TasksSystem"]

_SHOWN: tuple[int | None, ...] = (0, 4, 8, None)  # quality levels that are validated; None: not coded
_SCENES = 8  # that are validated at once
_LEAST = 0.05


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


class TasksSystem(BudgetedStage):
    """Trains tail and heads for labels and objects at once, at all qualities and without coding."""

    def __init__(self, coded: TrainedDicm, minutes: float | None = None) -> None:
        """`coded`: the model of stage `compression`."""
        recipe = coded.recipe
        stage = recipe.tasks
        super().__init__(recipe, stage, minutes)
        self.stage, self.labels, self.model = stage, coded.labels, recipe.model
        memory = torch.channels_last
        self.head, self.eliminator, self.compression = (
            part.requires_grad_(False).eval().to(memory_format=memory)
            for part in (coded.head, coded.eliminator, coded.compression)
        )
        self.tail = coded.tail.requires_grad_(stage.tail_rate > 0).to(memory_format=memory)
        self.classifier = coded.classifier.requires_grad_(True)
        self.detector = coded.detector.requires_grad_(True).to(memory_format=memory)

    def take_weights(self, state: dict[str, Any], training: Iterable[Any]) -> None:
        for name in ("tail", "classifier", "detector"):
            getattr(self, name).load_state_dict(weights_of(state["state_dict"], name))

    def train(self, mode: bool = True) -> TasksSystem:
        super().train(mode)
        for part in (self.head, self.eliminator, self.compression):
            part.eval()
        for module in self.tail.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def configure_optimizers(self) -> torch.optim.Optimizer:
        groups = []
        for parts, share in (((self.tail,), self.stage.tail_rate), ((self.classifier, self.detector), 1.0)):
            trained = [p for part in parts for p in part.parameters() if p.requires_grad]
            for decayed in (True, False):
                chosen = [p for p in trained if (p.ndim > 1) == decayed]
                decay = self._weight_decay if decayed else 0.0
                if chosen:
                    groups.append({"params": chosen, "weight_decay": decay, "share": share})
        return torch.optim.AdamW(groups, lr=self._learning_rate, fused=True)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        super().on_train_batch_start(batch, batch_idx)
        for group in self.optimizers().param_groups:
            group["lr"] *= group["share"]

    @torch.no_grad()
    def _features(self, pictures: Tensor, level: Tensor, as_float: Tensor) -> Tensor:
        """Features of pictures, 0 to 255, after coding at quality levels (B,), or where `as_float` (B,) before it."""
        features = self.eliminator(self.head(_channels_last(normalise(pictures)))).float()
        decoded, _ = self.compression(_channels_last(features), level)
        return _channels_last(torch.where(as_float[:, None, None, None], features, decoded.float()))

    def _drawn(self, pictures: Tensor) -> Tensor:
        """Features at random levels."""
        level = torch.randint(0, QUALITIES, (len(pictures),), generator=self.random).to(self.device, non_blocking=True)
        as_float = (
            torch.rand(len(pictures), generator=self.random).to(self.device, non_blocking=True) < self.stage.float_share
        )
        return self._features(pictures, level, as_float)

    def _classes(self, features: Tensor) -> Tensor:
        deepest = self.tail(features)[-1]
        return self.classifier(functional.adaptive_avg_pool2d(deepest, self.model.pool)).float()

    def _answers(self, features: Tensor) -> DenseAnswers:
        answers: DenseAnswers = self.detector(*self.tail(features)[self.model.pyramid_from - 2 :])
        return answers

    def _scene_losses(self, scenes: Tensor, wanted: Wanted) -> dict[str, Tensor]:
        jitter = self.stage.jitter
        low, high = 1 - jitter, 1 + jitter
        factors = [
            torch.rand(len(scenes), generator=self.random).to(self.device, non_blocking=True) * (high - low) + low
            for _ in range(3)
        ]
        answers = self._answers(self._drawn(recolour(scenes.float(), *factors)))
        return detection_losses(answers, wanted, self.model.prototype_stride)

    def training_step(
        self, batch: tuple[tuple[Tensor, Tensor, Tensor], tuple[Tensor, Wanted]], batch_idx: int
    ) -> Tensor:
        (pictures, _, fine), (scenes, wanted) = batch
        stage = self.stage
        view = random_view(pictures.float(), self.model.glance_side, stage, self.random)
        classes = self._classes(self._drawn(view))
        fine_loss = functional.cross_entropy(classes, fine, label_smoothing=stage.label_smoothing)
        losses = self._scene_losses(scenes, wanted)
        if batch_idx % 50 == 0:
            self.note(
                loss_fine=fine_loss.detach(),
                top1_fine=(classes.argmax(1) == fine).float().mean(),
                **{f"loss_{name}": loss.detach() for name, loss in losses.items()},
            )
        found = losses["classes"] + losses["boxes"] + losses["central"]
        return fine_loss + stage.detection_weight * found + stage.mask_weight * losses["masks"]

    def _shown(self, pictures: Tensor, quality: int | None) -> Tensor:
        level = torch.full((len(pictures),), quality or 0, device=self.device)
        return self._features(pictures, level, torch.full_like(level, quality is None, dtype=torch.bool))

    def validation_step(self, batch: list[Tensor], batch_idx: int, dataloader_idx: int = 0) -> None:
        if dataloader_idx == 0:
            pictures, _, fine = batch
            shown = squeeze(pictures.float(), self.model.glance_side)
            rows = [(self._classes(self._shown(shown, quality)).argmax(1) == fine).float() for quality in _SHOWN]
            self._labelled.append(torch.stack(rows))
            return
        pictures, boxes, classes, _ = batch
        for start in range(0, len(pictures), _SCENES):
            chosen = slice(start, start + _SCENES)
            for quality in _SHOWN:
                self._found[quality] += self._detections(pictures[chosen].float(), quality)
        for own, label in zip(boxes.cpu().numpy(), classes.cpu().numpy(), strict=True):
            self._truth.append((own[label > -2], label[label > -2] >= 0))

    def _detections(self, pictures: Tensor, quality: int | None) -> list[Detections]:
        height, width = pictures.shape[2:]
        answers = [x.float().cpu().numpy() for x in self._answers(self._shown(pictures, quality))]
        at = places(height, width, self.model.pyramid_strides)
        frame, names = Frame(width, height, width, height), self.labels["objects"][-1]
        found = []
        for classes, sides, central, mixture, prototypes in zip(*answers, strict=True):
            one = Answers(classes, sides, central[:, 0], mixture, prototypes, self.model.prototype_stride)
            found.append(
                find_objects(one, at, frame, names, "detect", masks=False, least=_LEAST, top=100, distinct=False)
            )
        return found

    def on_validation_epoch_start(self) -> None:
        self._labelled: list[Tensor] = []
        self._found: dict[int | None, list[Detections]] = {quality: [] for quality in _SHOWN}
        self._truth: list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]] = []

    def on_validation_epoch_end(self) -> None:
        kinds = ["float" if quality is None else f"q{quality + 1}" for quality in _SHOWN]
        accuracy = torch.cat(self._labelled, dim=1).mean(dim=1)
        figures = {f"fine_{kind}": value for kind, value in zip(kinds, accuracy, strict=True)}
        for kind, found in zip(kinds, self._found.values(), strict=True):
            figures[f"ap50_{kind}"] = torch.tensor(precision_at_half(found, self._truth))
        self.note(**figures)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["labels"] = self.labels

    def configure_gradient_clipping(self, optimizer: Any, *args: Any, **kwargs: Any) -> None:
        clip_gradients(self, 5.0)  # Lightning refuses to, beside a fused optimiser
