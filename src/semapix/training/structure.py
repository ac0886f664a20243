"""How far apart two pictures are in structure, as a loss: 1 - MS-SSIM, by pytorch-msssim."""

from __future__ import annotations

import torch
from pytorch_msssim import ms_ssim
from torch import Tensor

from semapix.training.normalise import denormalise_float

__all__ = ["STRUCTURE_SIDE", "structural_distance"]

STRUCTURE_SIDE = 161
"""Shortest side in pixels of the pictures that five scales with a window of 11x11 fit into."""


def structural_distance(decoded: Tensor, original: Tensor) -> Tensor:
    """1 - MS-SSIM (B,) of pictures (B, 3, H, W) in the range of `normalise`, sides at least `STRUCTURE_SIDE`.

    Z. Wang, E. P. Simoncelli and A. C. Bovik, "Multiscale structural similarity for image quality assessment"
    (Asilomar, 2003).
    """
    with torch.autocast(decoded.device.type, enabled=False):  # variances are differences of squares
        # channels_last: its windows slide three times as fast on processors.
        pair = (denormalise_float(x.float()).contiguous(memory_format=torch.channels_last) for x in (decoded, original))
        similarity: Tensor = ms_ssim(*pair, data_range=255.0, size_average=False)
    return 1.0 - similarity
