"""Peak signal-to-noise ratio, of RGB as stored and of luma."""

from __future__ import annotations

import math

import numpy as np

from semapix.evaluation.metrics._metric import Pixels, Plane, check_pair, luma

__all__ = ["psnr", "psnr_y"]


def psnr(picture: Pixels, original: Pixels) -> float:
    """Peak signal-to-noise ratio in dB, the squared error averaged over all pixels and the three channels.

    Both uint8 (H, W, 3). Infinite when they are equal. Raises ArgumentError for other arrays.

    >>> psnr(np.full((4, 4, 3), 100, np.uint8), np.full((4, 4, 3), 101, np.uint8))
    48.1308...
    """
    check_pair(picture, original)
    return _decibel(picture.astype(np.float64) - original)


def psnr_y(picture: Pixels, original: Pixels) -> float:
    """PSNR in dB of luma: Y of BT.601 in full range (JPEG's), not rounded, with a peak of 255.

    MATLAB's rgb2ycbcr squeezes luma into 16 to 235; figures with it and a peak of 255 are 1.32 dB higher.
    Both uint8 (H, W, 3). Infinite when their luma is equal. Raises ArgumentError for other arrays.
    """
    check_pair(picture, original)
    return _decibel(luma(picture) - luma(original))


def _decibel(difference: Plane) -> float:
    error = float(np.mean(difference**2))
    return math.inf if error == 0 else 10.0 * math.log10(255.0**2 / error)
