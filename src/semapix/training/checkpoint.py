"""Checkpoints of stages: `RUNDIR/STAGE.ckpt`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from semapix.errors import ArgumentError

__all__ = ["read_checkpoint", "weights_of"]


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
