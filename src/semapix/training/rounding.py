"""Weights as a bundle stores them: the rounded ones are the model, on every executor.

Large weights take eight bits, or fewer of the eight, with one scale for each slice of the first axis; small ones take
half precision, and a few numbers stay as they are. Rounding the rounded changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from semapix.training.entropy import LatentCoder

__all__ = [
    "BITS",
    "EIGHT_BITS",
    "HALF",
    "LARGE",
    "SCALE",
    "SMALL",
    "Quantised",
    "quantised",
    "round_weights",
    "rounded_logarithm",
    "rounded_through",
]

HALF, EIGHT_BITS, SCALE = ".half", ".int8", ".scale"
"""What a graph adds to the name of a weight for its half-precision values, its eight-bit values and their scale."""

LARGE = 1024
"""Weights of so many elements, in two dimensions or more, take eight bits each."""

SMALL = 64
"""Weights of fewer elements stay as they are."""

BITS = 8
"""How many bits large weights have room for."""

_STEPS = 127


@dataclass(frozen=True, eq=False)
class Quantised:
    """Eight-bit `values`, -127 to 127, and the `scale` of each slice of the first axis, shaped to multiply them."""

    values: NDArray[np.int8]
    scale: NDArray[np.float32]

    @property
    def weight(self) -> NDArray[np.float32]:
        """The rounded weight."""
        weight: NDArray[np.float32] = self.values.astype(np.float32) * self.scale
        return weight


def _eight_bits(weight: Tensor, bits: int = BITS) -> tuple[Tensor, Tensor]:
    """Whole numbers that use `bits` of eight bits, and scales, of a weight of two dimensions or more, float32 both."""
    largest = weight.abs().amax(dim=tuple(range(1, weight.ndim)), keepdim=True)
    # Twelve bits of mantissa: then the largest value, 127 times the scale, is exact, and gives the same scale again.
    mantissa, exponent = torch.frexp(largest / _STEPS)
    scale = torch.ldexp(torch.ceil(mantissa * 2.0**12) / 2.0**12, exponent)
    scale = torch.where(scale == 0, 1.0, scale)
    step = 2.0 ** (BITS - bits)
    # From the eight bits: the largest value, a little below 127 times the scale, stays the largest.
    return (torch.round(torch.round(weight / scale) / step) * step).clamp(-_STEPS, _STEPS), scale


def quantised(weight: NDArray[np.float32]) -> Quantised:
    """A weight of two dimensions or more in eight bits."""
    values, scale = _eight_bits(torch.from_numpy(np.array(weight)))  # a copy: those of graphs are read-only
    return Quantised(values.numpy().astype(np.int8), scale.numpy())


def _rounded(weight: Tensor, bits: int = BITS) -> Tensor:
    if weight.numel() < SMALL:
        return weight
    if weight.numel() < LARGE or weight.ndim < 2:
        return weight.half().float()
    values, scale = _eight_bits(weight, bits)
    return values * scale


def rounded_logarithm(values: NDArray[np.float32]) -> Tensor:
    """The weight, rounded before, of which a bundle stores the exponential `values`; rounding it again changes nothing.

    An exponential in float32 knows its logarithm to 2^-24 and no better. Were the largest one of a slice found above
    127 times the scale, the slice would get the next larger scale: so they are looked for a little nearer to 0.
    """
    logarithm = torch.from_numpy(values.astype(np.float64)).log()
    if logarithm.numel() < SMALL:
        return logarithm.float()
    return _rounded((logarithm * (1 - 2.0**-14)).float())


def _floats(part: nn.Module) -> dict[str, nn.Parameter]:
    """The weights that are rounded, by name: the twins of integer networks keep theirs."""
    exact = {id(p) for module in part.modules() if isinstance(module, LatentCoder) for p in module.parameters()}
    return {name: p for name, p in part.named_parameters() if id(p) not in exact}


def rounded_through(part: nn.Module) -> dict[str, Tensor]:
    """The weights of a network as a bundle will hold them, by name, with the gradient of the identity.

    What training works with, by `torch.func.functional_call`, it also learns to bear.
    """
    return {name: p + (_rounded(p.detach()) - p.detach()) for name, p in _floats(part).items()}


def round_weights(part: nn.Module, bits: int = BITS) -> None:
    """Round the float weights of a network in place; `bits`: of large ones, at most eight; fewer pack better.

    The twins of integer networks keep theirs; the bundle stores their integers.
    """
    for parameter in _floats(part).values():
        parameter.data = _rounded(parameter.detach().float(), bits)
