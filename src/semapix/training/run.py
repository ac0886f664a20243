"""Runs one training stage of a recipe: data, Lightning trainer, checkpoints, resume."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from semapix.bundle import Bundle
from semapix.errors import ArgumentError
from semapix.training.augment import squeeze
from semapix.training.data import Batches, LabelledPictures, Patches, load_labelled, load_photos
from semapix.training.grow import grown_lifting
from semapix.training.recipe import Recipe
from semapix.training.restore import refresh_batch_norm, restore_run
from semapix.training.scalable_model import load_transform, read_checkpoint
from semapix.training.systems.budget import BudgetedStage
from semapix.training.systems.lcnet import LcnetSystem
from semapix.training.systems.lfrnet import LfrnetSystem
from semapix.training.systems.normalise import normalise
from semapix.training.systems.outer import OuterSystem, moved_levels

__all__ = ["STAGES", "fit", "labelled", "train"]

STAGES = ("lfrnet", "lcnet", "outer")
"""The stages of the scalable system, in order; `outer` does not depend on the others."""

_START_BATCHES = 60
_HELD_OUT_SIDE = 256  # of the middles of held-out photos, for stage `outer`


class _PrintedLines(Callback):
    """The figures of each validation as a line: the progress of a run whose output goes to a file."""

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, BudgetedStage)
        if pl_module.record:
            print(" ".join(f"{name} {value:.4g}" for name, value in pl_module.record[-1].items()), flush=True)


def _split(data: LabelledPictures, every: int) -> tuple[LabelledPictures, LabelledPictures]:
    """Training part and held-out part: every n-th picture of a fixed random order is held out."""
    order = np.random.default_rng(0).permutation(len(data))
    held_out = np.zeros(len(data), bool)
    held_out[order[::every]] = True
    return data.take(np.flatnonzero(~held_out)), data.take(np.flatnonzero(held_out))


def labelled(recipe: Recipe, data: Path) -> tuple[LabelledPictures, TensorDataset]:
    """The training part, and the held-out part as tensors."""
    pictures = load_labelled(data / recipe.data.labelled, recipe.data.labelled_files, recipe.data.labelled_side)
    training, held_out = _split(pictures, recipe.data.held_out)
    tensors = (torch.from_numpy(x) for x in (held_out.pictures, held_out.coarse, held_out.fine))
    return training, TensorDataset(*tensors)


def _centres(photos: list[NDArray[np.uint8]], side: int) -> TensorDataset:
    """The middle of every photo, (N, 3, side, side)."""
    crops = []
    for photo in photos:
        if min(photo.shape[:2]) < side:
            raise ArgumentError(
                f"a photo of {photo.shape[1]}x{photo.shape[0]} pixels is too small; the recipe needs {side} a side"
            )
        top, left = (photo.shape[0] - side) // 2, (photo.shape[1] - side) // 2
        crops.append(photo[top : top + side, left : left + side].transpose(2, 0, 1))
    return TensorDataset(torch.from_numpy(np.stack(crops)))


def _prepare(
    recipe: Recipe, stage: str, data: Path, folder: Path, minutes: float | None
) -> tuple[BudgetedStage, IterableDataset[Any], Dataset[Any]]:
    """The stage, its training batches and its held-out pictures."""
    if stage == "outer":
        photos = load_photos(data / recipe.data.photos)
        every, outer = recipe.data.held_out_photos, recipe.outer
        patches = Patches([p for i, p in enumerate(photos) if i % every], outer.batch, outer.side, outer.seed)
        system = OuterSystem(recipe, minutes)
        system.start(torch.cat([batch for batch, _ in zip(patches, range(_START_BATCHES), strict=False)]))
        return system, patches, _centres(photos[::every], min(2 * outer.side, _HELD_OUT_SIDE))
    training, held_out = labelled(recipe, data)
    if stage == "lfrnet":
        lfrnet = recipe.lfrnet
        labels = {"coarse": training.coarse_names, "fine": training.fine_names, "parents": training.parents}
        return (
            LfrnetSystem(recipe, labels, minutes),
            Batches(training, lfrnet.batch, lfrnet.seed),
            held_out,
        )
    lcnet = recipe.lcnet
    return (
        LcnetSystem(recipe, load_transform(folder), minutes),
        Batches(training, lcnet.batch, lcnet.seed),
        held_out,
    )


def _start_from_weights(system: BudgetedStage, state: dict[str, Any], training: IterableDataset[Any]) -> None:
    """Take the weights of a restored model, as far as the recipe's networks have them.

    A transform grows when the recipe's is larger; heads of other label spaces and a frozen transform are passed over.
    Raises ArgumentError when weights do not fit the recipe's networks.
    """
    try:
        _take_weights(system, state, training)
    except RuntimeError as error:  # how PyTorch says that a shape differs
        raise ArgumentError(
            f"recipe {system.recipe.name} has other networks than the model to start from "
            f"({' '.join(str(error).split())}); only a transform can grow, all else must keep its sizes"
        ) from None


def _take_weights(system: BudgetedStage, state: dict[str, Any], training: IterableDataset[Any]) -> None:
    weights = state["state_dict"]
    if isinstance(system, OuterSystem):
        trained, wanted = state["recipe"]["outer"], system.recipe.outer
        ranges = (trained["lambda_low"], trained["lambda_high"]), (wanted.lambda_low, wanted.lambda_high)
        system.load_state_dict(moved_levels(weights, *ranges), strict=False)
    elif isinstance(system, LcnetSystem):
        system.compression.load_state_dict(_part(weights, "compression"))
    elif isinstance(system, LfrnetSystem):
        transform = system.transform
        depth = state["recipe"]["model"]["lifting_depth"]
        transform.lifting.load_state_dict(grown_lifting(_part(weights, "transform.lifting"), depth, transform.lifting))
        if state["labels"] == system.labels:
            transform.coarse.load_state_dict(_part(weights, "transform.coarse"))
            transform.fine.load_state_dict(_part(weights, "transform.fine"))
        pictures, _, _ = next(iter(training))
        refresh_batch_norm(transform, transform.lifting, normalise(squeeze(pictures.float(), system.side)))


def _part(weights: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {key.removeprefix(f"{name}."): value for key, value in weights.items() if key.startswith(f"{name}.")}


def _fast_bfloat16() -> bool:
    """Whether the device that trains has bfloat16 arithmetic; emulated, it is a hundred times slower than float32."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported()


def fit(
    system: BudgetedStage,
    training: IterableDataset[Any],
    held_out: Dataset[Any],
    checkpoint: Path,
    *,
    every: int,
    steps: int = -1,
) -> None:
    """Run a stage until its budget is used up, validate every `every` steps, and leave `checkpoint` behind.

    A checkpoint that is there already is resumed; of one without optimiser state only the weights are taken.
    """
    folder, stage = checkpoint.parent, checkpoint.stem
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
        if not resumed:  # from a bundle: weights alone
            _start_from_weights(system, state, training)
    trainer.fit(
        system,
        DataLoader(training, batch_size=None),
        DataLoader(held_out, batch_size=64),
        ckpt_path=checkpoint if resumed else None,
        weights_only=False,
    )
    trainer.save_checkpoint(checkpoint)


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
    """Train one stage (`lfrnet`, `lcnet` or `outer`) and leave `folder`/STAGE.ckpt behind.

    `minutes`: the whole time budget of the stage, in place of the recipe's. `steps`: stop after so many steps, for a
    rehearsal. A stage whose checkpoint stands in `folder` is resumed. `start`: a bundle whose weights take the place of
    checkpoints that are missing. The run trains on all devices that Lightning finds.

    Raises ArgumentError for an unknown stage, missing data, or a stage that needs one that was not trained.
    """
    if stage not in STAGES:
        raise ArgumentError(f"stage (={stage!r}) must be one of: {', '.join(STAGES)}")
    folder.mkdir(parents=True, exist_ok=True)
    if start is not None:
        restore_run(start, folder)
    system, training, held_out = _prepare(recipe, stage, data, folder, minutes)
    every = getattr(recipe, stage).validate_every
    fit(system, training, held_out, folder / f"{stage}.ckpt", every=every, steps=steps)
