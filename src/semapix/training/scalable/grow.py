"""A smaller transform inside a larger one: training goes on with more capacity, from what was learned already.

After Chen et al., "Net2Net: Accelerating Learning via Knowledge Transfer" (ICLR 2016), with new channels that are read
with weight zero in place of copied ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from semapix.errors import ArgumentError
from semapix.training.scalable.nets.lifting import Lifting

__all__ = ["grown_lifting"]

_STAGES = 3  # convolution, batch norm, ReLU


def grown_lifting(old: dict[str, Tensor], old_depth: Sequence[int], lifting: Lifting) -> dict[str, Tensor]:
    """Weights with which `lifting` computes what a smaller one with the state `old` computes.

    `old_depth`: feature extraction layers of the smaller one at each level. Layers that it lacks become identities
    behind its last ReLU; channels that it lacks keep their random weights, and what reads them starts at zero.
    Raises ArgumentError when `lifting` is narrower or shallower somewhere.
    """
    state = {key: value.clone() for key, value in lifting.state_dict().items()}
    for level, (step, before) in enumerate(zip(lifting.steps, old_depth, strict=True)):
        for name in ("predict", "update"):
            network = getattr(step, name)
            start = f"steps.{level}.{name}."
            depth = (len(network) - 2) // _STAGES
            if depth < before:
                raise ArgumentError(
                    f"level {level + 1} has {depth} extraction layers; the smaller transform has {before}"
                )
            shrink_before, shrink = 1 + _STAGES * before, 1 + _STAGES * depth
            for layer in range(before, depth):
                _identity(state, f"{start}{1 + _STAGES * layer}.", f"{start}{2 + _STAGES * layer}.")
            for key, value in old.items():
                if key.startswith(start):
                    position, _, rest = key[len(start) :].partition(".")
                    moved = shrink if int(position) == shrink_before else int(position)
                    _place(state, f"{start}{moved}.{rest}", value)
    return state


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
