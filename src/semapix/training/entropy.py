"""Trainable twins of the integer networks and latent models in `semapix.coding`: same numbers, with gradients.

Activations are kept at multiples of 2^-6 and weights at multiples of 2^-8 in every forward pass (straight-through
gradients), so that training meets the rounding that coding runs with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from semapix.coding import (
    ACTIVATION_LIMIT,
    FRACTION_BITS,
    LEVELS,
    SCALE_HIGH,
    SCALE_LOW,
    WEIGHT_BITS,
    IntegerConv,
    IntegerNetwork,
    LatentGroup,
    LatentModel,
    PixelShuffle,
)
from semapix.training.counted_density import CountedDensity

__all__ = ["FixedConv", "FixedNetwork", "LatentCoder", "Rates", "round_through"]


_START, _FORGOTTEN = 3.0, 1.0  # in units of eight table levels: 24 and 8, standard deviations of 1.24 and 0.25

_GRID_BITS = 8  # of weights: four less than integers have, and less to store of each; it costs 0.1 % of the rate
_LARGEST = 2 ** (15 - WEIGHT_BITS + _GRID_BITS) - 1  # weight, in steps of the grid: 16 bits hold it


def round_through(x: Tensor) -> Tensor:
    """Round to integers, with the gradient of the identity."""
    return x + (torch.round(x) - x).detach()


def _to_grid(x: Tensor, bits: int) -> Tensor:
    """Round to multiples of 2^-bits (half up, as the integer networks do), with the gradient of the identity."""
    return x + (torch.floor(x * 2.0**bits + 0.5) * 2.0**-bits - x).detach()


class FixedConv(nn.Conv2d):
    """The twin of `IntegerConv`: (B, I, H, W) to (B, O, H, W)."""

    def __init__(self, inputs: int, outputs: int, size: int, relu: bool) -> None:
        super().__init__(inputs, outputs, size, padding=size // 2)
        self.relu = relu

    def forward(self, input: Tensor) -> Tensor:
        limit = _LARGEST * 2.0**-_GRID_BITS
        weight = _to_grid(self.weight.clamp(-limit, limit), _GRID_BITS)
        assert self.bias is not None
        bias = _to_grid(self.bias, WEIGHT_BITS + FRACTION_BITS)
        result = _to_grid(functional.conv2d(input, weight, bias, padding=self.padding), FRACTION_BITS)
        largest = ACTIVATION_LIMIT * 2.0**-FRACTION_BITS
        return result.clamp(0.0 if self.relu else -largest, largest)

    def export(self) -> IntegerConv:
        """The integers that `forward` works with."""
        assert self.bias is not None
        steps = torch.floor(self.weight.detach().double() * 2.0**_GRID_BITS + 0.5).clamp(-_LARGEST, _LARGEST)
        weight = steps * 2.0 ** (WEIGHT_BITS - _GRID_BITS)
        bias = torch.floor(self.bias.detach().double() * 2.0 ** (WEIGHT_BITS + FRACTION_BITS) + 0.5)
        bias = bias.clamp(-(2.0**31) + 1, 2.0**31 - 1)
        return IntegerConv(weight.cpu().numpy().astype(np.int16), bias.cpu().numpy().astype(np.int32), self.relu)


class FixedNetwork(nn.Sequential):
    """A chain of `FixedConv` and `nn.PixelShuffle(2)`."""

    def export(self) -> IntegerNetwork:
        """The integer network of this chain."""
        return IntegerNetwork([PixelShuffle() if isinstance(x, nn.PixelShuffle) else x.export() for x in self])


@dataclass(frozen=True)
class Rates:
    """Bits of each picture of a batch, (B,) each: `main` of the latent, `hyper` of the hyper-latent."""

    main: Tensor
    hyper: Tensor

    @property
    def total(self) -> Tensor:
        return self.main + self.hyper


def _scale(level: Tensor) -> Tensor:
    """Standard deviation of table `level`, with gradients."""
    return torch.exp(math.log(SCALE_LOW) + level * (math.log(SCALE_HIGH / SCALE_LOW) / (LEVELS - 1)))


def _bits(residual: Tensor, level: Tensor) -> Tensor:
    """-log2 of a zero-mean Gaussian integrated over unit bins around `residual`."""
    inverse = math.sqrt(0.5) / _scale(level)
    magnitude = residual.abs()
    mass = 0.5 * (torch.erfc((magnitude - 0.5) * inverse) - torch.erfc((magnitude + 0.5) * inverse))
    return -torch.log2(mass.clamp(min=2.0**-20))


class _Group(nn.Module):
    """The networks of one group of latent channels; see `semapix.coding.LatentGroup`. `update`: whether it has one."""

    def __init__(self, latents: int, features: int, update: bool) -> None:
        super().__init__()
        self.first = FixedNetwork(
            FixedConv(features, features, 1, relu=True), FixedConv(features, 2 * latents, 1, relu=False)
        )
        self.context = FixedNetwork(FixedConv(latents, features, 3, relu=True))
        self.second = FixedNetwork(
            FixedConv(2 * features, features, 1, relu=True), FixedConv(features, 2 * latents, 1, relu=False)
        )
        self.update = FixedNetwork(FixedConv(latents, features, 3, relu=False)) if update else None
        for network in (self.first, self.second):
            last = network[-1]
            assert isinstance(last, FixedConv)
            assert last.bias is not None
            nn.init.normal_(last.weight, std=0.01)
            nn.init.zeros_(last.bias)
            last.bias.data[latents:] = _START

    def export(self) -> LatentGroup:
        update = None if self.update is None else self.update.export()
        return LatentGroup(self.first.export(), self.context.export(), self.second.export(), update)


class LatentCoder(nn.Module):
    """The twin of `semapix.coding.LatentModel`.

    `groups`: latent channels of each group, in the order of coding. `hyper_latents`: channels Z of the hyper-latent.
    `features`: channels F of the state. `levels`: number of quality levels Q. `carried`: channels of the state of an
    earlier layer that this one sees, 0 for none; `enlarge`: whether that state has half of the resolution. `counted`:
    whether the hyper-latent has tables that are counted, of every few levels, in place of Gaussians. `last_update`:
    False where nobody reads the state when all groups are decoded; the last of them then changes it no more.
    """

    def __init__(
        self,
        groups: Sequence[int],
        hyper_latents: int,
        features: int,
        levels: int,
        carried: int = 0,
        *,
        enlarge: bool = False,
        counted: bool = False,
        last_update: bool = True,
    ) -> None:
        super().__init__()
        self.hyper_density = CountedDensity(levels, hyper_latents) if counted else None
        if not counted:
            self.hyper_level = nn.Parameter(torch.full((levels, hyper_latents), 28.0))
        # Fixed by the system that has some, so no checkpoint needs to hold it.
        self.register_buffer("hyper_mean", torch.zeros(levels, hyper_latents), persistent=False)
        self.hyper = FixedNetwork(
            FixedConv(hyper_latents, 4 * features, 3, relu=True),
            nn.PixelShuffle(2),
            FixedConv(features, 4 * features, 3, relu=True),
            nn.PixelShuffle(2),
        )
        self.carry: FixedNetwork | None = None
        if carried:
            larger = [FixedConv(carried, 4 * features, 3, relu=False), nn.PixelShuffle(2)]
            self.carry = FixedNetwork(*(larger if enlarge else [FixedConv(carried, features, 1, relu=False)]))
        self.sizes = list(groups)
        self.groups = nn.ModuleList(
            _Group(latents, features, last_update or number < len(groups) - 1) for number, latents in enumerate(groups)
        )

    def forward(
        self, latent: Tensor, hyper_latent: Tensor, quality: Tensor, carried: Tensor | None = None
    ) -> tuple[Tensor, Rates, Tensor]:
        """Decoded latent (rounded, with straight-through gradients), rates (relaxed with uniform noise), and state.

        `latent`: (B, C, H, W). `hyper_latent`: (B, Z, ceil(H/4), ceil(W/4)). `quality`: int64 (B,), below Q.
        `carried`: the state of an earlier layer, if there is one. The state is (B, F, H, W).
        """
        # Integers up to 2^15 and probabilities need all of float32, whatever precision the stage trains in.
        with torch.autocast(latent.device.type, enabled=False):
            return self._forward(latent.float(), hyper_latent.float(), quality, carried)

    def _forward(
        self, latent: Tensor, hyper_latent: Tensor, quality: Tensor, carried: Tensor | None
    ) -> tuple[Tensor, Rates, Tensor]:
        hyper_bits = self._hyper_bits(hyper_latent, quality)

        height, width = latent.shape[2:]
        state = self.hyper(round_through(hyper_latent))[:, :, :height, :width]
        if self.carry is not None and carried is not None:
            state = _added(state, self.carry(carried)[:, :, :height, :width])
        first = _anchors(height, width, latent.device)
        decoded: list[Tensor] = []
        bits = torch.zeros_like(hyper_bits)
        for group, part in zip(self.groups, torch.split(latent, self.sizes, dim=1), strict=True):
            half, bits_first = self._pass(part, group.first(state), first)
            seen = torch.cat([state, group.context(half)], dim=1)
            rest, bits_second = self._pass(part, group.second(seen), ~first)
            decoded.append(half + rest)
            bits = bits + bits_first + bits_second
            if group.update is not None:
                state = _added(state, group.update(decoded[-1]))
        return torch.cat(decoded, dim=1), Rates(bits, hyper_bits), state

    def _hyper_bits(self, hyper_latent: Tensor, quality: Tensor) -> Tensor:
        centred = hyper_latent - self.hyper_mean[quality][:, :, None, None]
        noisy = centred + torch.rand_like(centred) - 0.5 if self.training else torch.round(centred)
        if self.hyper_density is not None:
            if self.training and torch.is_grad_enabled():
                self.hyper_density.count(torch.round(centred), quality)
            return self.hyper_density(noisy, quality)
        level = self.hyper_level[quality].clamp(0, LEVELS - 1)[:, :, None, None]
        return _bits(noisy, level).sum(dim=(1, 2, 3))

    def _pass(self, latent: Tensor, parameters: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        mean, level = parameters.chunk(2, dim=1)
        level = _to_grid(level * 8, 0).clamp(0, LEVELS - 1)
        residual = latent - mean
        decoded = (round_through(residual) + mean) * mask
        noisy = residual + torch.rand_like(residual) - 0.5 if self.training else torch.round(residual)
        return decoded, (_bits(noisy, level) * mask).sum(dim=(1, 2, 3))

    @torch.no_grad()
    def forget(self, count: int) -> None:
        """Let nothing be expected of the last `count` channels of the latent, nor follow of them.

        They must lie within the last group.
        """
        group, kept = self.groups[-1], self.sizes[-1] - count
        for reader in (group.context, group.update):
            if reader is not None:
                reader[0].weight[:, kept:] = 0
        for writer in (group.first[-1], group.second[-1]):
            means_and_levels = zip(writer.weight.chunk(2), writer.bias.chunk(2), (0.0, _FORGOTTEN), strict=True)
            for weight, bias, start in means_and_levels:
                weight[kept:] = 0
                bias[kept:] = start

    def export(self) -> LatentModel:
        """The runtime's entropy model with this one's numbers."""
        if self.hyper_density is not None:
            levels = self.hyper_density.levels()
        else:
            levels = torch.round(self.hyper_level.detach()).clamp(0, LEVELS - 1).cpu().numpy().astype(np.uint8)
        means = self.hyper_mean.cpu().numpy().astype(np.int32)
        carry = None if self.carry is None else self.carry.export()
        groups = tuple(group.export() for group in self.groups)
        return LatentModel(levels, self.hyper.export(), carry, groups, means if means.any() else None)


def _anchors(height: int, width: int, device: torch.device) -> Tensor:
    """`semapix.coding.anchors`, made on the device: a copy to it would wait for all that it has to do."""
    row, column = torch.arange(height, device=device), torch.arange(width, device=device)
    return (row[:, None] + column) % 2 == 0


def _added(state: Tensor, change: Tensor) -> Tensor:
    return (state + change).clamp(0.0, ACTIVATION_LIMIT * 2.0**-FRACTION_BITS)
