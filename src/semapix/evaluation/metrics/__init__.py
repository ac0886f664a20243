"""How far a decoded picture is from the original, or how natural it looks: pixels as stored, 0 to 255, to one figure.

The figure of a data set is the mean of the figures of its pictures, never the figure of the mean error.
"""

from semapix.evaluation.metrics._fsim import fsim, fsim_c
from semapix.evaluation.metrics._lpips import lpips
from semapix.evaluation.metrics._metric import Metric, luma
from semapix.evaluation.metrics._niqe import niqe
from semapix.evaluation.metrics._psnr import psnr, psnr_y
from semapix.evaluation.metrics._registry import METRICS, find_metrics
from semapix.evaluation.metrics._ssim import decibel, ms_ssim, ms_ssim_y, ssim

__all__ = [
    "METRICS",
    "Metric",
    "decibel",
    "find_metrics",
    "fsim",
    "fsim_c",
    "lpips",
    "luma",
    "ms_ssim",
    "ms_ssim_y",
    "niqe",
    "psnr",
    "psnr_y",
    "ssim",
]
