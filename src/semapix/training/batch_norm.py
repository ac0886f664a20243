"""Batch norm where it stands in the way: folded into convolutions for export, given statistics after a restoration."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import Tensor, nn

__all__ = ["fold_batch_norm", "refresh_batch_norm", "unfold_batch_norm"]

Network = TypeVar("Network", bound=nn.Module)


def fold_batch_norm(network: Network) -> Network:
    """Move every batch norm into the convolution before it, and leave an identity in its place."""
    for module in network.modules():
        if not isinstance(module, nn.Sequential):
            continue
        for position in range(len(module) - 1):
            convolution, norm = module[position], module[position + 1]
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                module[position] = nn.utils.fuse_conv_bn_eval(convolution, norm)
                module[position + 1] = nn.Identity()
    return network


@torch.no_grad()
def refresh_batch_norm(transform: nn.Module, run: Any, batch: Tensor) -> None:
    """Give every batch norm the statistics of a batch without changing what it computes in evaluation.

    `run`: the function of `batch` that passes through all of them, in order.
    """

    def refresh(norm: nn.BatchNorm2d, inputs: tuple[Tensor]) -> None:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        mean, variance = inputs[0].mean(dim=(0, 2, 3)), inputs[0].var(dim=(0, 2, 3), unbiased=False)
        old = (norm.running_var + norm.eps).sqrt()
        scale, shift = norm.weight / old, norm.bias - norm.running_mean * norm.weight / old
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_(scale * (variance + norm.eps).sqrt())
        norm.bias.copy_(shift + scale * mean)

    norms = [module for module in transform.modules() if isinstance(module, nn.BatchNorm2d)]
    handles = [norm.register_forward_pre_hook(refresh) for norm in norms]
    transform.eval()
    run(batch)
    transform.train()
    for handle in handles:
        handle.remove()


def unfold_batch_norm(network: nn.Module, folded: nn.Module) -> None:
    """Copy a folded network into one with batch norm: the norm becomes an identity that adds the bias."""
    sources = dict(folded.named_modules())
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            source = sources[name]
            module.weight.data = source.weight.data
            if module.bias is not None:
                module.bias.data = source.bias.data
        elif isinstance(module, nn.BatchNorm2d):
            before = name.rsplit(".", 1)[0] + f".{int(name.rsplit('.', 1)[1]) - 1}"
            module.weight.data.fill_(1.0)
            module.bias.data = sources[before].bias.data
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.zero_()
            module.running_var.fill_(1.0 - module.eps)
