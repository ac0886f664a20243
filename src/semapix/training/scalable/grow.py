"""Smaller networks inside larger ones: training goes on with more capacity, from what was learned already.

After Chen et al., "Net2Net: Accelerating Learning via Knowledge Transfer" (ICLR 2016), with new channels that are read
with weight zero in place of copied ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from semapix.errors import ArgumentError
from semapix.training.scalable.nets.lifting import ExtractionBlock, Lifting
from semapix.training.scalable.nets.outer import OuterUnit

__all__ = ["grown_lifting", "grown_outer"]

_STAGES = 3  # convolution, batch norm, ReLU


def grown_lifting(
    old: dict[str, Tensor], old_depth: Sequence[int], lifting: Lifting, old_blocks: Sequence[int] = ()
) -> dict[str, Tensor]:
    """Weights with which `lifting` computes what a smaller one with the state `old` computes.

    `old_depth`, `old_blocks`: feature extraction layers and residual blocks of the smaller one at each level. Layers
    that it lacks become identities behind its last ReLU, blocks are identities from the start; channels that it lacks
    keep their random weights, and what reads them starts at zero. Raises ArgumentError when `lifting` is narrower or
    shallower somewhere.
    """
    state = {key: value.clone() for key, value in lifting.state_dict().items()}
    known = old_blocks or [0] * len(old_depth)
    for level, (step, before, blocks_before) in enumerate(zip(lifting.steps, old_depth, known, strict=True)):
        for name in ("predict", "update"):
            network = getattr(step, name)
            start = f"steps.{level}.{name}."
            blocks = sum(isinstance(part, ExtractionBlock) for part in network)
            depth = (len(network) - 2 - blocks) // _STAGES
            if depth < before or blocks < blocks_before:
                raise ArgumentError(
                    f"level {level + 1} has {depth} extraction layers and {blocks} blocks; "
                    f"the smaller transform has {before} and {blocks_before}"
                )
            behind_before, behind = 1 + _STAGES * before, 1 + _STAGES * depth
            for layer in range(before, depth):
                _identity(state, f"{start}{1 + _STAGES * layer}.", f"{start}{2 + _STAGES * layer}.")
            for key, value in old.items():
                if key.startswith(start):
                    position, _, rest = key[len(start) :].partition(".")
                    moved = int(position)
                    if moved == behind_before + blocks_before:
                        moved = behind + blocks  # the shrinkage
                    elif moved >= behind_before:
                        moved += behind - behind_before
                    _place(state, f"{start}{moved}.{rest}", value)
    return state


def grown_outer(old: dict[str, Tensor], unit: OuterUnit) -> dict[str, Tensor]:
    """Weights with which `unit` computes what one with fewer blocks or a smaller state, `old`, computes.

    Blocks that the smaller one lacks are identities from the start; channels of the state and within blocks are read
    with weight zero. Raises ArgumentError when `unit` is smaller somewhere, or has other widths or latents.
    """
    state = {key: value.clone() for key, value in unit.state_dict().items()}
    for name, what in (("gain", "latents"), ("analysis_scale", "channels at all resolutions")):
        if old[name].shape != state[name].shape:
            raise ArgumentError(
                f"the unit has {state[name].shape[1]} {what}, the one to start from {old[name].shape[1]}; "
                "their number must stay"
            )
    for key, value in old.items():
        if key not in state:
            raise ArgumentError(f"{key} of the model to start from has no place in the unit; it can only grow")
        if key.endswith("second.0.weight"):  # reads the state, and behind it what the context gives
            value = _apart(value, state[key].shape[1] // 2)
        _place(state, key, value)
    return state


def _apart(weight: Tensor, inputs: int) -> Tensor:
    """A weight of two inputs of equal sizes for two of `inputs` channels each; those that are new weigh nothing."""
    halves = weight.chunk(2, dim=1)
    missing = inputs - halves[0].shape[1]
    return torch.cat([functional.pad(half, (0, 0, 0, 0, 0, max(missing, 0))) for half in halves], dim=1)


def _identity(state: dict[str, Tensor], convolution: str, norm: str) -> None:
    nn.init.dirac_(state[f"{convolution}weight"])
    state[f"{norm}running_var"].fill_(1.0 - nn.BatchNorm2d(1).eps)


def _place(state: dict[str, Tensor], key: str, old: Tensor) -> None:
    """Put a smaller tensor into the first channels of a larger one; what those read beyond it becomes zero."""
    new = state[key]
    if any(a < b for a, b in zip(new.shape, old.shape, strict=True)):
        raise ArgumentError(
            f"{key} has the shape {tuple(new.shape)}, in the model to start from {tuple(old.shape)}; it can only grow"
        )
    if old.ndim == 4:
        with torch.no_grad():
            new[: old.shape[0]] = 0
    new[tuple(slice(n) for n in old.shape)] = old
