"""Structural similarity, at one scale and at five, by pytorch-msssim.

Z. Wang, A. C. Bovik, H. R. Sheikh and E. P. Simoncelli, "Image quality assessment: from error visibility to structural
similarity" (IEEE Trans. Image Process., 2004); Z. Wang, E. P. Simoncelli and A. C. Bovik, "Multiscale structural
similarity for image quality assessment" (Asilomar, 2003).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semapix.evaluation._extra import extra
from semapix.evaluation.metrics._metric import Pixels, check_pair, luma

__all__ = ["MS_SSIM_SIDE", "SSIM_SIDE", "decibel", "ms_ssim", "ms_ssim_y", "ssim"]

SSIM_SIDE = 11  # of the window
MS_SSIM_SIDE = 161  # five scales with that window need more than 10 * 2^4


def ssim(picture: Pixels, original: Pixels) -> float:
    """Structural similarity, at most 1: the mean of the three channels, and of all places where the window fits.

    The window is a Gaussian of 11x11 with sigma 1.5; nothing is reduced first. Both uint8 (H, W, 3). Raises
    ArgumentError for other arrays, or when a side is shorter than 11 pixels.
    """
    check_pair(picture, original, SSIM_SIDE, "SSIM")
    return _measure("ssim", picture, original)


def ms_ssim(picture: Pixels, original: Pixels) -> float:
    """Multi-scale structural similarity, at most 1: pytorch-msssim with its defaults, the mean of the three channels.

    Both uint8 (H, W, 3). Raises ArgumentError for other arrays, or when a side is shorter than 161 pixels.
    """
    check_pair(picture, original, MS_SSIM_SIDE, "MS-SSIM")
    return _measure("ms_ssim", picture, original)


def ms_ssim_y(picture: Pixels, original: Pixels) -> float:
    """`ms_ssim` of luma alone: Y of BT.601 in full range, not rounded, as in `psnr_y`."""
    check_pair(picture, original, MS_SSIM_SIDE, "MS-SSIM")
    return _measure("ms_ssim", *(luma(pixels)[:, :, None] for pixels in (picture, original)))


def _measure(function: str, picture: NDArray[Any], original: NDArray[Any]) -> float:
    library, torch = extra("pytorch_msssim", "SSIM"), extra("torch", "SSIM")
    pair = [torch.from_numpy(pixels.transpose(2, 0, 1)[None].astype(np.float32)) for pixels in (picture, original)]
    return float(getattr(library, function)(*pair, data_range=255.0))


def decibel(similarity: float) -> float:
    """MS-SSIM on the scale of the literature's curves: -10 log10(1 - similarity)."""
    return math.inf if similarity >= 1 else -10.0 * math.log10(1.0 - similarity)
