"""Networks of integers: the only way from decoded symbols to the tables and means of further symbols.

Activations are integers that stand for multiples of 2^-6, weights for multiples of 2^-12. A convolution is im2col and
a float64 matrix product in which every number is an integer below 2^53, so that each partial sum is exact, whatever
the order of summation, the library, the thread count or the machine. The result is rounded to a multiple of 2^-6 with
a shift (floor), then clamped. See Ballé et al., "Integer networks for data compression with latent-variable models"
(ICLR 2019), for the idea.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ACTIVATION_LIMIT", "FRACTION_BITS", "WEIGHT_BITS", "IntegerConv", "IntegerNetwork", "PixelShuffle"]

FRACTION_BITS = 6
"""Activations are multiples of 2^-6."""

WEIGHT_BITS = 12
"""Weights are multiples of 2^-12."""

ACTIVATION_LIMIT = 2**15 - 1
"""Activations lie between -limit and limit (in units of 2^-6)."""

_STRIP = 2**14  # positions in one matrix product; bounds the memory of im2col


@dataclass(frozen=True)
class IntegerConv:
    """A convolution of stride 1 that keeps height and width (zero padding), with an optional ReLU.

    `weight`: int16 (O, I, k, k), k odd, in units of 2^-12. `bias`: int32 (O,), in units of 2^-18.
    """

    weight: NDArray[np.int16]
    bias: NDArray[np.int32]
    relu: bool

    def __post_init__(self) -> None:
        largest = np.abs(self.weight.astype(np.float64)).sum(axis=(1, 2, 3)) * ACTIVATION_LIMIT
        largest += np.abs(self.bias.astype(np.float64))
        if largest.max() >= 2**52:
            raise ValueError(f"sums of up to {largest.max():.3g} would not be exact in float64 (limit 2^52)")

    @cached_property
    def _matrix(self) -> NDArray[np.float64]:
        return self.weight.reshape(len(self.weight), -1).astype(np.float64)

    @cached_property
    def _offsets(self) -> NDArray[np.float64]:
        return self.bias.astype(np.float64)[:, None]

    def __call__(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """(I, H, W) to (O, H, W)."""
        size = self.weight.shape[2]
        _, height, width = x.shape
        padded = self._padded(x)
        result = np.empty((len(self.weight), height, width))
        columns = max(1, min(width, _STRIP))  # a picture of one position has none for the second pass
        rows = max(1, _STRIP // columns)
        for top in range(0, height, rows):
            for left in range(0, width, columns):
                tall, wide = min(rows, height - top), min(columns, width - left)
                unrolled = np.empty((len(x), size * size, tall, wide))
                for tap in range(size * size):
                    y, z = top + tap // size, left + tap % size
                    unrolled[:, tap] = padded[:, y : y + tall, z : z + wide]
                sums = self._sums(unrolled.reshape(-1, tall * wide))
                result[:, top : top + tall, left : left + wide] = sums.reshape(-1, tall, wide)
        return result

    def at(self, x: NDArray[np.float64], where: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The same at the positions of a mask (H, W) alone: (O, N), in raster order."""
        size = self.weight.shape[2]
        padded = self._padded(x)
        rows, columns = np.nonzero(where)
        result = np.empty((len(self.weight), len(rows)))
        for start in range(0, len(rows), _STRIP):
            y, z = rows[start : start + _STRIP], columns[start : start + _STRIP]
            unrolled = np.empty((len(x), size * size, len(y)))
            for tap in range(size * size):
                unrolled[:, tap] = padded[:, y + tap // size, z + tap % size]
            result[:, start : start + len(y)] = self._sums(unrolled.reshape(-1, len(y)))
        return result

    def _padded(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """With as many zeros on all sides as the middle of the kernel has neighbours."""
        margin = self.weight.shape[2] // 2
        if not margin:
            return x
        channels, height, width = x.shape
        padded = np.zeros((channels, height + 2 * margin, width + 2 * margin))
        padded[:, margin : margin + height, margin : margin + width] = x
        return padded

    def _sums(self, unrolled: NDArray[np.float64]) -> NDArray[np.float64]:
        """What the convolution gives for columns of what it sees, (I k k, N): (O, N)."""
        sums = self._matrix @ unrolled + self._offsets
        # Powers of two scale exactly, so this is the integer shift (sum + half) >> WEIGHT_BITS.
        sums *= 2.0**-WEIGHT_BITS
        sums += 0.5
        np.floor(sums, out=sums)
        return sums.clip(0.0 if self.relu else -float(ACTIVATION_LIMIT), ACTIVATION_LIMIT, out=sums)


@dataclass(frozen=True)
class PixelShuffle:
    """Depth to space by 2: (4C, H, W) to (C, 2H, 2W), channel c*4 + 2*row + column."""

    def __call__(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        channels, height, width = x.shape[0] // 4, x.shape[1], x.shape[2]
        blocks = x.reshape(channels, 2, 2, height, width)
        return blocks.transpose(0, 3, 1, 4, 2).reshape(channels, 2 * height, 2 * width)


class IntegerNetwork:
    """A chain of `IntegerConv` and `PixelShuffle`.

    Called with (C, H, W) integers (any dtype; clamped to the activation limit), gives (C', H', W') int32.
    """

    def __init__(self, stages: Sequence[IntegerConv | PixelShuffle]) -> None:
        self._stages = tuple(stages)

    def __call__(self, x: NDArray[Any]) -> NDArray[np.int32]:
        values = x.astype(np.float64).clip(-ACTIVATION_LIMIT, ACTIVATION_LIMIT)
        for stage in self._stages:
            values = stage(values)
        return values.astype(np.int32)

    def at(self, x: NDArray[Any], where: NDArray[np.bool_]) -> NDArray[np.int32]:
        """The same at the positions of a mask (H', W') alone, (C', N) in raster order, if it ends in a convolution."""
        values = x.astype(np.float64).clip(-ACTIVATION_LIMIT, ACTIVATION_LIMIT)
        *earlier, last = self._stages
        for stage in earlier:
            values = stage(values)
        assert isinstance(last, IntegerConv)
        return last.at(values, where).astype(np.int32)

    @property
    def pointwise(self) -> bool:
        """Whether each position depends on that position alone."""
        return all(isinstance(stage, IntegerConv) and stage.weight.shape[2] == 1 for stage in self._stages)

    @property
    def ends_in_convolution(self) -> bool:
        """Whether the last stage is one."""
        return bool(self._stages) and isinstance(self._stages[-1], IntegerConv)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """All numbers of the network, by stage: `N.weight`, `N.bias`, `N.relu` of a convolution, `N.shuffle`."""
        arrays: dict[str, NDArray[Any]] = {}
        for number, stage in enumerate(self._stages):
            if isinstance(stage, PixelShuffle):
                arrays[f"{number}.shuffle"] = np.uint8(2)
            else:
                arrays[f"{number}.weight"], arrays[f"{number}.bias"] = stage.weight, stage.bias
                arrays[f"{number}.relu"] = np.uint8(stage.relu)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> IntegerNetwork:
        """The inverse of `to_arrays`."""
        stages: list[IntegerConv | PixelShuffle] = []
        while True:
            number = len(stages)
            if f"{number}.shuffle" in arrays:
                stages.append(PixelShuffle())
            elif f"{number}.weight" in arrays:
                weight, bias = arrays[f"{number}.weight"], arrays[f"{number}.bias"]
                stages.append(IntegerConv(weight, bias, bool(arrays[f"{number}.relu"])))
            else:
                return cls(stages)
