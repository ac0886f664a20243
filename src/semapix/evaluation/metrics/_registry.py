"""All metrics by name."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable

from semapix.errors import ArgumentError
from semapix.evaluation.metrics import _lpips
from semapix.evaluation.metrics._fsim import FSIM_SIDE, fsim, fsim_c
from semapix.evaluation.metrics._metric import Metric, Pixels
from semapix.evaluation.metrics._niqe import NIQE_SIDE, niqe
from semapix.evaluation.metrics._psnr import psnr, psnr_y
from semapix.evaluation.metrics._ssim import MS_SSIM_SIDE, SSIM_SIDE, decibel, ms_ssim, ms_ssim_y, ssim

__all__ = ["METRICS", "find_metrics"]


def _niqe(picture: Pixels, original: Pixels) -> float:
    return niqe(picture)


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in [
        Metric("psnr", "PSNR (RGB)", "dB", "higher", 1, True, psnr),
        Metric("psnr-y", "PSNR (luma)", "dB", "higher", 1, True, psnr_y),
        Metric("ssim", "SSIM", "", "higher", SSIM_SIDE, True, ssim),
        Metric(
            *("ms-ssim", "MS-SSIM", "", "higher", MS_SSIM_SIDE, True, ms_ssim),
            scale=decibel,
            axis="MS-SSIM (dB: -10 log10(1 - MS-SSIM))",
        ),
        Metric(
            *("ms-ssim-y", "MS-SSIM (luma)", "", "higher", MS_SSIM_SIDE, True, ms_ssim_y),
            scale=decibel,
            axis="MS-SSIM of luma (dB: -10 log10(1 - MS-SSIM))",
        ),
        Metric("fsim", "FSIM", "", "higher", FSIM_SIDE, True, fsim),
        Metric("fsim-c", "FSIMc", "", "higher", FSIM_SIDE, True, fsim_c),
        Metric("niqe", "NIQE", "", "lower", NIQE_SIDE, False, _niqe, scale=operator.neg, axis="-NIQE"),
    ]
}
"""The metrics that need nothing from the user, by name. `lpips` makes one more from a network."""


def find_metrics(names: Iterable[str], lpips: str | os.PathLike[str] | None = None) -> list[Metric]:
    """The metrics of these names, in their order; "lpips" among them needs the path of its network (see `lpips`).

    Raises ArgumentError for a name that there is not, and as `lpips` does.
    """
    found = []
    for name in names:
        if name == "lpips":
            found.append(_lpips.lpips(lpips))
        elif name in METRICS:
            found.append(METRICS[name])
        else:
            raise ArgumentError(f"metric (={name!r}) must be one of {', '.join(METRICS)}, lpips")
    return found
