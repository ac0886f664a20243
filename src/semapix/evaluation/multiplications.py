"""Multiply-accumulates of PyTorch modules, counted while they run."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["multiplications"]

_COUNTED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


@torch.no_grad()
def multiplications(network: nn.Module, run: Callable[[], object]) -> int:
    """Of the convolutions and linear layers in `network`, for all that `run` does with it."""
    count = 0

    def add(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal count
        assert isinstance(module.weight, Tensor)
        # Each weight meets every position: of the output, or of the input where the module enlarges.
        positions = inputs[0] if isinstance(module, nn.ConvTranspose2d) else output
        count += positions.numel() // positions.shape[1] * module.weight.numel()

    hooks = [module.register_forward_hook(add) for module in network.modules() if isinstance(module, _COUNTED)]
    run()
    for hook in hooks:
        hook.remove()
    return count
