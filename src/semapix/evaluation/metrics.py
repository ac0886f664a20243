"""How far a decoded picture is from the original: PSNR and MS-SSIM, both on RGB as stored, 0 to 255.

The figure of a data set is the mean of the figures of its pictures, never the figure of the mean error.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from semapix.errors import ArgumentError

__all__ = ["decibel", "ms_ssim", "psnr"]

Pixels = NDArray[np.uint8]

_MS_SSIM_SIDE = 161  # five scales with a window of 11 pixels need more than 10 * 2^4


def _check(picture: Pixels, original: Pixels) -> None:
    for pixels in (picture, original):
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            raise ArgumentError(f"pixels must be uint8 of shape (H, W, 3), not {pixels.dtype} {pixels.shape}")
    if picture.shape != original.shape:
        raise ArgumentError(f"the pictures differ in size: {picture.shape} and {original.shape}")


def psnr(picture: Pixels, original: Pixels) -> float:
    """Peak signal-to-noise ratio in dB, the squared error averaged over all pixels and the three channels.

    Both uint8 (H, W, 3). Infinite when they are equal. Raises ArgumentError for other arrays.

    >>> psnr(np.full((4, 4, 3), 100, np.uint8), np.full((4, 4, 3), 101, np.uint8))
    48.1308...
    """
    _check(picture, original)
    difference = picture.astype(np.int32) - original.astype(np.int32)
    error = float(np.mean(difference * difference))
    return math.inf if error == 0 else 10.0 * math.log10(255.0**2 / error)


def ms_ssim(picture: Pixels, original: Pixels) -> float:
    """Multi-scale structural similarity, at most 1: pytorch-msssim with its defaults, the mean of the three channels.

    Both uint8 (H, W, 3). Raises ArgumentError for other arrays, or when a side is shorter than 161 pixels.
    """
    import torch  # here, because PSNR needs none of it
    from pytorch_msssim import ms_ssim as measure

    _check(picture, original)
    if min(picture.shape[:2]) < _MS_SSIM_SIDE:
        raise ArgumentError(f"MS-SSIM needs sides of {_MS_SSIM_SIDE} pixels or more, not {picture.shape[:2]}")
    pair = [torch.from_numpy(pixels.transpose(2, 0, 1)[None].astype(np.float32)) for pixels in (picture, original)]
    return float(measure(*pair, data_range=255.0))


def decibel(similarity: float) -> float:
    """MS-SSIM on the scale of the literature's curves: -10 log10(1 - similarity)."""
    return math.inf if similarity >= 1 else -10.0 * math.log10(1.0 - similarity)
