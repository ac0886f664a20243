"""A training stage that fits its learning-rate schedule into a budget of minutes."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, ClassVar, Protocol

import lightning
import torch
from torch import Tensor

__all__ = ["BudgetedStage", "Schedule", "clip_gradients"]


class Schedule(Protocol):
    """What the section of a recipe says of every stage. `precision`: as Lightning names it."""

    @property
    def minutes(self) -> float: ...
    @property
    def precision(self) -> str: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def seed(self) -> int: ...


class _NamedRecipe(Protocol):
    """A recipe of any system, a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def name(self) -> str: ...


class BudgetedStage(lightning.LightningModule):
    """The base of all stages: AdamW whose learning rate follows the share of the time budget that is used up.

    Linear warm-up over the first 2 %, then half a cosine to zero. Time used is kept in the checkpoint, so that a
    stage that is resumed goes on where its schedule stood; with more minutes than before, the rate rises again to
    where the longer schedule has it.
    """

    unsaved: ClassVar[tuple[str, ...]] = ()
    """What the names of weights begin with that have a checkpoint of their own."""

    def __init__(self, recipe: _NamedRecipe, stage: Schedule, minutes: float | None) -> None:
        """`recipe`: kept in the checkpoint. `minutes`: the time budget, by default that of the recipe's `stage`."""
        super().__init__()
        self.recipe = recipe
        self._budget = 60.0 * (stage.minutes if minutes is None else minutes)
        self.precision = stage.precision
        self._learning_rate, self._weight_decay = stage.learning_rate, stage.weight_decay
        self._used = 0.0
        self._tick: float | None = None
        self.random = torch.Generator().manual_seed(stage.seed)
        self.record: list[dict[str, float]] = []

    @property
    def progress(self) -> float:
        """Share of the budget that is used up, 0 to 1."""
        return min(1.0, self._used / self._budget)

    @property
    def minutes_used(self) -> float:
        """Minutes of training so far, those before a resumption as well."""
        return self._used / 60

    def take_weights(self, state: dict[str, Any], training: Iterable[Any]) -> None:
        """Start from the weights of a restored checkpoint, here all of them.

        `training`: the batches to come. Raises RuntimeError when weights do not fit.
        """
        self.load_state_dict(state["state_dict"])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        trained = [p for p in self.parameters() if p.requires_grad]
        decayed = [p for p in trained if p.ndim > 1]
        plain = [p for p in trained if p.ndim <= 1]
        return torch.optim.AdamW(
            [{"params": decayed, "weight_decay": self._weight_decay}, {"params": plain, "weight_decay": 0.0}],
            lr=self._learning_rate,
            fused=True,
        )

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        now = time.monotonic()
        if self._tick is not None:
            self._used += now - self._tick
        self._tick = now
        rate = self._learning_rate * min(1.0, self.progress / 0.02 + 0.01)
        rate *= 0.5 * (1 + math.cos(math.pi * self.progress))
        for group in self.optimizers().param_groups:
            group["lr"] = rate

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        # All devices stop at the same step, whatever their clocks say.
        if self.trainer.strategy.reduce_boolean_decision(self.progress >= 1.0, all=False):
            self.trainer.should_stop = True

    def on_validation_start(self) -> None:
        self._tick = None  # validation does not count as training time

    def note(self, **values: float | Tensor) -> None:
        """Log figures to TensorBoard and keep them for the model card's loss curve."""
        row = {name: float(torch.as_tensor(value).detach()) for name, value in values.items()}
        self.log_dict(row, prog_bar=True, batch_size=1)
        self.record.append({"minutes": round(self._used / 60, 2), "step": float(self.global_step), **row})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        kept = {key: value for key, value in checkpoint["state_dict"].items() if not key.startswith(self.unsaved)}
        checkpoint["state_dict"] = kept
        checkpoint["recipe"] = asdict(self.recipe)
        checkpoint["seconds_used"] = self._used
        checkpoint["record"] = self.record

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._used = checkpoint["seconds_used"]
        self.record = checkpoint["record"]


def clip_gradients(network: torch.nn.Module, largest: float = 1.0) -> bool:
    """Shorten the gradient of a network to a norm of at most `largest`; whether it was finite.

    One that is not is dropped, for the optimiser would pass it on to every weight: a step is lost, and not the run.
    """
    norm = torch.nn.utils.clip_grad_norm_(network.parameters(), largest)
    if torch.isfinite(norm):
        return True
    for parameter in network.parameters():
        parameter.grad = None
    return False
