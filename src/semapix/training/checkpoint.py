"""Checkpoints of stages: `RUNDIR/STAGE.ckpt`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from semapix.errors import ArgumentError

__all__ = ["load_weights", "need_fit", "read_checkpoint", "weights_of"]


def read_checkpoint(folder: Path, stage: str) -> dict[str, Any]:
    """The checkpoint of a stage. Raises ArgumentError, naming the command that makes it, when there is none."""
    path = folder / f"{stage}.ckpt"
    if not path.is_file():
        raise ArgumentError(f"{path} does not exist; make it with: semapix train RECIPE --stage {stage} -o {folder}")
    try:
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=False)
    except Exception as error:  # unpickling raises anything
        raise ArgumentError(f"{path} is no checkpoint ({error})") from None
    return checkpoint


def weights_of(state: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """The entries of a state dict that belong to its part `name`, by their names in that part."""
    start = f"{name}."
    return {key[len(start) :]: value for key, value in state.items() if key.startswith(start)}


def load_weights(network: nn.Module, weights: Mapping[str, Tensor], source: Path) -> None:
    """Give a network its weights from the checkpoint `source`. Raises ArgumentError when they do not fit."""
    need_fit(network, weights, source)
    network.load_state_dict(weights)


def need_fit(network: nn.Module, weights: Mapping[str, Tensor], source: Path, unsaved: tuple[str, ...] = ()) -> None:
    """Raise ArgumentError, naming the first difference, when a checkpoint's weights are not those of a network.

    `unsaved`: what the names of weights begin with that no checkpoint holds.
    """
    shapes = {k: tuple(v.shape) for k, v in network.state_dict().items() if not k.startswith(unsaved)}
    saved = {key: tuple(value.shape) for key, value in weights.items()}
    for key in [*shapes, *saved]:
        if shapes.get(key) != saved.get(key):
            raise ArgumentError(
                f"{source} does not fit the networks of the recipe ({key}: {saved.get(key, 'none')}, wanted "
                f"{shapes.get(key, 'none')}); go on from a bundle (--from) in another folder, or train from the start"
            )
