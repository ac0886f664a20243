"""Weights as a bundle stores them: the rounded ones are the model, on every executor.

Large weights take eight bits, with one scale for each slice of the first axis; small ones take half precision, and a
few numbers stay as they are. Rounding the rounded changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from semapix.training.entropy import LatentCoder

__all__ = ["EIGHT_BITS", "HALF", "LARGE", "SCALE", "SMALL", "Quantised", "quantised", "round_weights"]

HALF, EIGHT_BITS, SCALE = ".half", ".int8", ".scale"
"""What a graph adds to the name of a weight for its half-precision values, its eight-bit values and their scale."""

LARGE = 1024
"""Weights of so many elements, in two dimensions or more, take eight bits each."""

SMALL = 64
"""Weights of fewer elements stay as they are."""

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


def quantised(weight: NDArray[np.float32]) -> Quantised:
    """A weight of two dimensions or more in eight bits."""
    largest = np.abs(weight).max(axis=tuple(range(1, weight.ndim)), keepdims=True)
    # Twelve bits of mantissa: then the largest value, 127 times the scale, is exact, and gives the same scale again.
    mantissa, exponent = np.frexp(largest.astype(np.float64) / _STEPS)
    scale = np.ldexp(np.ceil(mantissa * 2.0**12) / 2.0**12, exponent).astype(np.float32)
    scale[scale == 0] = 1.0
    return Quantised(np.rint(weight / scale).astype(np.int8), scale)


def _rounded(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    if weight.size < SMALL:
        return weight
    if weight.size < LARGE or weight.ndim < 2:
        return weight.astype(np.float16).astype(np.float32)
    return quantised(weight).weight


def round_weights(part: nn.Module) -> None:
    """Round the float weights of a network in place.

    The twins of integer networks keep theirs; the bundle stores their integers.
    """
    exact = {id(p) for module in part.modules() if isinstance(module, LatentCoder) for p in module.parameters()}
    for parameter in part.parameters():
        if id(parameter) not in exact:
            parameter.data = torch.from_numpy(_rounded(parameter.detach().float().cpu().numpy()).copy())
