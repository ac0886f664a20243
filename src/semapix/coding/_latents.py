"""The entropy model of one latent: hyper-latent, integer hyper-decoder, two-pass checkerboard context.

Scalable paper, section III-B (main and hyper symbols of a RAFC unit); the serial 3-D context is replaced by the
checkerboard of He et al., "Checkerboard context model for efficient learned image compression" (CVPR 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semapix.coding._integer import FRACTION_BITS, IntegerNetwork
from semapix.coding._rangecoder import RangeDecoder, RangeEncoder
from semapix.coding._tables import LEVELS

__all__ = ["HYPER_STRIDE", "LatentModel", "anchors"]

HYPER_STRIDE = 4
"""One hyper-latent position stands for 4x4 latent positions."""

_LARGEST = 2.0**30

_LEVEL_SHIFT = 3  # a network's output of 1.0 (64 units) is eight table levels

_NETWORKS = ("hyper", "first", "context", "second")

_Symbols = Callable[[NDArray[np.uint8], NDArray[Any] | None], NDArray[np.int32]]


def anchors(height: int, width: int) -> NDArray[np.bool_]:
    """Positions (H, W) that are coded first: those where row + column is even."""
    return (np.add.outer(np.arange(height), np.arange(width)) % 2) == 0


@dataclass(frozen=True)
class LatentModel:
    """Codes a latent of C channels, with hyper-latents of Z channels, at one of Q quality levels.

    `hyper_levels`: uint8 (Q, Z), the table of each hyper-latent channel.
    `hyper`: hyper-latents (Z, h, w) to features (F, 4h, 4w).
    `first`: features to means and table levels (2C, H, W) of the anchors.
    `context`: decoded anchors (C, H, W; zero elsewhere) to context features (G, H, W).
    `second`: features and context features (F + G, H, W) to (2C, H, W) of the other positions.
    """

    hyper_levels: NDArray[np.uint8]
    hyper: IntegerNetwork
    first: IntegerNetwork
    context: IntegerNetwork
    second: IntegerNetwork

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """All numbers of the model, as a bundle stores them."""
        arrays = {"hyper_levels": self.hyper_levels}
        for name in _NETWORKS:
            arrays |= {f"{name}.{key}": value for key, value in getattr(self, name).to_arrays().items()}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> LatentModel:
        """The inverse of `to_arrays`; other arrays are passed over."""
        networks = {
            name: IntegerNetwork.from_arrays(
                {key[len(name) + 1 :]: value for key, value in arrays.items() if key.startswith(f"{name}.")}
            )
            for name in _NETWORKS
        }
        return cls(arrays["hyper_levels"], **networks)

    def encode(
        self, coder: RangeEncoder, latent: NDArray[np.float32], hyper_latent: NDArray[np.float32], quality: int
    ) -> NDArray[np.float32]:
        """Code a latent (C, H, W) with its hyper-latent (Z, ceil(H/4), ceil(W/4)); returns the decoded latent."""

        def symbols(levels: NDArray[np.uint8], values: NDArray[Any] | None) -> NDArray[np.int32]:
            assert values is not None
            # What a float network cannot mean (not a number, infinity) must not become garbage in the file.
            rounded = np.rint(np.nan_to_num(values).clip(-_LARGEST, _LARGEST)).astype(np.int32)
            coder.encode(rounded, levels)
            return rounded

        return self._run(symbols, latent.shape, quality, latent, hyper_latent)

    def decode(self, coder: RangeDecoder, shape: tuple[int, int, int], quality: int) -> NDArray[np.float32]:
        """The decoded latent, (C, H, W) = `shape`. Raises CorruptLayer when the bytes do not decode."""

        def symbols(levels: NDArray[np.uint8], values: NDArray[Any] | None) -> NDArray[np.int32]:
            return coder.decode(levels)

        return self._run(symbols, shape, quality, None, None)

    def _run(
        self,
        symbols: _Symbols,
        shape: tuple[int, int, int],
        quality: int,
        latent: NDArray[np.float32] | None,
        hyper_latent: NDArray[np.float32] | None,
    ) -> NDArray[np.float32]:
        """Both directions are one walk, so that they cannot part: `symbols` codes given values, or decodes them."""
        channels, height, width = shape
        rows, columns = -(-height // HYPER_STRIDE), -(-width // HYPER_STRIDE)
        levels = np.repeat(self.hyper_levels[quality], rows * columns)
        hyper = symbols(levels, None if hyper_latent is None else hyper_latent.ravel())
        features = self.hyper(hyper.reshape(-1, rows, columns).astype(np.int64) << FRACTION_BITS)
        features = features[:, :height, :width]

        first = anchors(height, width)
        decoded = np.zeros(shape, np.int64)  # in units of 2^-6
        for mask in (first, ~first):
            if mask is first:
                parameters = self.first(features)
            else:
                parameters = self.second(np.concatenate([features, self.context(decoded)]))
            mean = parameters[:channels, mask].astype(np.int64).ravel()
            level = (parameters[channels:, mask] + (1 << _LEVEL_SHIFT - 1) >> _LEVEL_SHIFT).clip(0, LEVELS - 1)
            residual = None if latent is None else latent[:, mask].ravel() - mean * 2.0**-FRACTION_BITS
            coded = symbols(level.astype(np.uint8).ravel(), residual)
            decoded[:, mask] = ((coded.astype(np.int64) << FRACTION_BITS) + mean).reshape(channels, -1)
        return (decoded * 2.0**-FRACTION_BITS).astype(np.float32)
