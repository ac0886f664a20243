"""Runs one training stage of a recipe: Lightning trainer, checkpoints, resume."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.data import DataLoader, Dataset, IterableDataset

from semapix.bundle import Bundle
from semapix.errors import ArgumentError
from semapix.training.budget import BudgetedStage
from semapix.training.checkpoint import need_fit, read_checkpoint
from semapix.training.recipe import Recipe
from semapix.training.systems import system_of

__all__ = ["fit", "train"]


class _PrintedLines(Callback):
    """The figures of each validation as a line: the progress of a run whose output goes to a file."""

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, BudgetedStage)
        if pl_module.record:
            print(" ".join(f"{name} {value:.4g}" for name, value in pl_module.record[-1].items()), flush=True)


def _fast_bfloat16() -> bool:
    """Whether the device that trains has bfloat16 arithmetic; emulated, it is a hundred times slower than float32."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported()


_MOST_WORKERS = 6


def _workers() -> int:
    """How many processes make batches: none without CUDA, for there the networks take the cores themselves."""
    return min(_MOST_WORKERS, os.cpu_count() or 1) if torch.cuda.is_available() else 0


def _exact_float32() -> None:
    """Let CUDA compute float32 as float32, and choose the fastest algorithm for each shape that it meets.

    By default it rounds the inputs of convolutions to 10 bits (TF32). The twins of integer networks and what
    `in_float32` runs need all 23.
    """
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.benchmark = True


def fit(
    system: BudgetedStage,
    training: IterableDataset[Any],
    held_out: Sequence[Dataset[Any]],
    checkpoint: Path,
    *,
    every: int,
    steps: int = -1,
) -> None:
    """Run a stage until its budget is used up, validate every `every` steps, and leave `checkpoint` behind.

    A checkpoint that is there already is resumed; of one without optimiser state only the weights are taken. Raises
    ArgumentError when its weights do not fit the recipe's networks.
    """
    folder, stage = checkpoint.parent, checkpoint.stem
    _exact_float32()
    saver = ModelCheckpoint(
        folder, stage, every_n_train_steps=every, save_on_exception=True, enable_version_counter=False
    )
    trainer = lightning.Trainer(
        max_epochs=-1,
        max_steps=steps,
        precision=system.precision if _fast_bfloat16() else "32-true",
        logger=TensorBoardLogger(folder, name=None, version=stage),
        callbacks=[saver, RichProgressBar(refresh_rate=10) if sys.stdout.isatty() else _PrintedLines()],
        enable_progress_bar=sys.stdout.isatty(),
        enable_model_summary=False,
        val_check_interval=every,
        num_sanity_val_steps=0,
        check_val_every_n_epoch=None,
    )
    resumed = False
    if checkpoint.exists():
        state = read_checkpoint(folder, stage)
        resumed = "optimizer_states" in state
        if resumed:
            need_fit(system, state["state_dict"], checkpoint, system.unsaved)
        else:  # from a bundle: weights alone
            _take_weights(system, state, training)
    trainer.fit(
        system,
        _loader(training, _workers()),
        [DataLoader(pictures, batch_size=64) for pictures in held_out],
        ckpt_path=checkpoint if resumed else None,
        weights_only=False,
    )
    trainer.save_checkpoint(checkpoint)


def _loader(training: IterableDataset[Any], workers: int) -> DataLoader[Any]:
    """Batches of an endless row, made by `workers` processes; 0: as they are asked for."""
    return DataLoader(
        training,
        batch_size=None,
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        persistent_workers=workers > 0,
    )


def _take_weights(system: BudgetedStage, state: dict[str, Any], training: IterableDataset[Any]) -> None:
    try:
        system.take_weights(state, training)
    except RuntimeError as error:  # how PyTorch says that a shape differs
        raise ArgumentError(
            f"recipe {system.recipe.name} has other networks than the model to start from "
            f"({' '.join(str(error).split())}); what can grow are the transform and the outer unit of scalable, blocks "
            "and the linear path of adaptive; all else must keep its sizes"
        ) from None


def train(
    recipe: Recipe,
    stage: str,
    data: Path,
    folder: Path,
    *,
    minutes: float | None = None,
    steps: int = -1,
    start: Bundle | None = None,
) -> None:
    """Train one stage of a recipe's system and leave `folder`/STAGE.ckpt behind.

    `minutes`: the whole time budget of the stage, in place of the recipe's. `steps`: stop after so many steps, for a
    rehearsal. A stage whose checkpoint stands in `folder` is resumed. `start`: a bundle whose weights take the place of
    checkpoints that are missing. The run trains on all devices that Lightning finds.

    Raises ArgumentError for an unknown stage, missing data, or a stage that needs one that was not trained.
    """
    system = system_of(recipe.system)
    stages = [name for name in system.stages if getattr(recipe, name) is not None]
    if stage not in stages:
        raise ArgumentError(f"stage (={stage!r}) must be one of: {', '.join(stages)}")
    folder.mkdir(parents=True, exist_ok=True)
    if start is not None:
        system.restore(start, folder)
    prepared = system.prepare(recipe, stage, data, folder, minutes)
    every = getattr(recipe, stage).validate_every
    fit(prepared.stage, prepared.training, prepared.held_out, folder / f"{stage}.ckpt", every=every, steps=steps)
