"""FSIM: similarity of phase congruency and of gradients, weighted by phase congruency.

L. Zhang, L. Zhang, X. Mou and D. Zhang, "FSIM: a feature similarity index for image quality assessment" (IEEE Trans.
Image Process., 2011); phase congruency after P. Kovesi, "Image features from phase congruency" (Videre, 1999). Written
here because no package of the extra `eval` has it. All constants are those of the authors' MATLAB program.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from semapix.evaluation.metrics._filters import correlate
from semapix.evaluation.metrics._metric import Pixels, Plane, check_pair

__all__ = ["FSIM_SIDE", "fsim", "fsim_c"]

FSIM_SIDE = 48  # the wave of the coarsest filter

_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_REDUCED_SIDE = 256  # of the picture that is looked at, about

_ORIENTATIONS = 4
_WAVES = (6, 12, 24, 48)  # pixels
_BANDWIDTH = 0.55  # sigma of a log-Gabor filter over its frequency
_SPREAD = math.pi / _ORIENTATIONS / 1.2  # sigma of a filter over angles
_CUTOFF, _SHARPNESS = 0.45, 15  # of the low-pass that keeps the corners of the spectrum out
_NOISE_DEVIATIONS = 2.0  # above the mean of noise, a response counts
_NOISE_OVERESTIMATE = 1.7  # Kovesi's, found by trial
_TINY = 1e-4  # keeps a plane without structure at zero

_CONGRUENCY, _GRADIENT, _CHROMA = 0.85, 160.0, 200.0  # constants of the similarities T1, T2, and T3 = T4
_CHROMA_EXPONENT = 0.03


def fsim(picture: Pixels, original: Pixels) -> float:
    """Feature similarity of luma (Y of BT.601 in full range), at most 1.

    Pictures with a short side of 384 pixels or more are first reduced to about 256: by the means of whole blocks, where
    the authors' program, for sides above 640, centres its means on the pixels that it keeps. Two pictures without any
    structure, which leave nothing to weigh by, are compared with equal weights. Both uint8 (H, W, 3). Raises
    ArgumentError for other arrays, or when a side is shorter than 48 pixels.
    """
    return _fsim(picture, original, with_chroma=False)


def fsim_c(picture: Pixels, original: Pixels) -> float:
    """FSIMc: `fsim`, times the similarity of the chroma I and Q of YIQ to the power of 0.03."""
    return _fsim(picture, original, with_chroma=True)


def _fsim(picture: Pixels, original: Pixels, with_chroma: bool) -> float:
    check_pair(picture, original, FSIM_SIDE, "FSIM")
    (y, *chroma), (original_y, *original_chroma) = _reduced_yiq(picture), _reduced_yiq(original)
    congruency, original_congruency = _phase_congruency(y), _phase_congruency(original_y)
    alike = _similarity(congruency, original_congruency, _CONGRUENCY)
    alike *= _similarity(_gradient(y), _gradient(original_y), _GRADIENT)
    if with_chroma:
        first, second = (_similarity(a, b, _CHROMA) for a, b in zip(chroma, original_chroma, strict=True))
        # A negative product has a complex power, of which the authors take the real part.
        alike *= ((first * second).astype(np.complex128) ** _CHROMA_EXPONENT).real
    weight = np.maximum(congruency, original_congruency)
    return float(np.average(alike, weights=weight if weight.any() else None))


def _similarity(a: Plane, b: Plane, constant: float) -> Plane:
    return (2 * a * b + constant) / (a * a + b * b + constant)


def _reduced_yiq(pixels: Pixels) -> Plane:
    """float64 (3, H / n, W / n): the means of whole blocks of n x n pixels."""
    n = max(1, math.floor(min(pixels.shape[:2]) / _REDUCED_SIDE + 0.5))
    height, width = pixels.shape[0] // n, pixels.shape[1] // n
    blocks = pixels[: height * n, : width * n].reshape(height, n, width, n, 3)
    return np.moveaxis(blocks.mean(axis=(1, 3)) @ _YIQ.T, -1, 0)


def _gradient(plane: Plane) -> Plane:
    """The length of Scharr's gradient."""
    smooth, slope = (3 / 16, 10 / 16, 3 / 16), (-1.0, 0.0, 1.0)
    return np.hypot(correlate(plane, smooth, slope, "zero"), correlate(plane, slope, smooth, "zero"))


class _Orientation(NamedTuple):
    """The filters of one orientation. The noise constants say what noise of unit power would leave behind."""

    filters: Plane
    """(scales, H, W), over frequencies."""
    finest_energy: float
    """The sum of squares of the finest filter."""
    noise_gain: float
    """The energy that noise has in the sum of all scales, for noise that has `finest_energy` in the finest."""


def _phase_congruency(plane: Plane) -> Plane:
    """How far the waves at each pixel agree in phase: float64 (H, W), 0 to 1."""
    spectrum = np.fft.fft2(plane)
    energy, amplitude = np.zeros(plane.shape), np.zeros(plane.shape)
    for filters, finest_energy, noise_gain in _filter_bank(*plane.shape):
        waves = np.fft.ifft2(spectrum * filters)  # even responses are real, odd ones imaginary
        total = waves.sum(axis=0)
        turned = waves * (total.conj() / (np.abs(total) + _TINY))  # so that the mean phase is 0
        sizes = np.abs(waves)
        # In noise, the square of a response has an exponential distribution: its mean is its median over ln 2.
        noise = float(np.median(sizes[0] ** 2)) / math.log(2) / finest_energy
        rayleigh = math.sqrt(noise * noise_gain)
        threshold = rayleigh * (math.sqrt(math.pi / 2) + _NOISE_DEVIATIONS * math.sqrt(2 - math.pi / 2))
        agreeing = (turned.real - np.abs(turned.imag)).sum(axis=0)
        energy += np.maximum(agreeing - threshold / _NOISE_OVERESTIMATE, 0)
        amplitude += sizes.sum(axis=0)
    return energy / (amplitude + _TINY)


@lru_cache(maxsize=2)  # pictures of a data set are often of one size, upright or not
def _filter_bank(height: int, width: int) -> list[_Orientation]:
    """Log-Gabor filters of each orientation, the zero frequency at [0, 0]."""
    x, y = np.meshgrid(_frequencies(width), _frequencies(height))
    radius, angle = np.hypot(x, y), np.arctan2(-y, x)
    low_pass = 1 / (1 + (radius / _CUTOFF) ** (2 * _SHARPNESS))
    radius[0, 0] = 1.0  # has a logarithm; the filters are zero there
    radial = np.stack([np.exp(-(np.log(radius * wave) ** 2) / (2 * math.log(_BANDWIDTH) ** 2)) for wave in _WAVES])
    radial *= low_pass
    radial[:, 0, 0] = 0.0
    bank = []
    for centre in np.arange(_ORIENTATIONS) * math.pi / _ORIENTATIONS:
        away = np.abs((angle - centre + math.pi) % (2 * math.pi) - math.pi)
        filters = radial * np.exp(-(away**2) / (2 * _SPREAD**2))
        kernel = np.fft.ifft2(filters.sum(axis=0), norm="ortho").real
        bank.append(_Orientation(filters, float((filters[0] ** 2).sum()), float((kernel**2).sum())))
    return bank


def _frequencies(size: int) -> NDArray[np.float64]:
    """Cycles per pixel, zero first. For an odd size they reach 0.5, as Kovesi has them."""
    return np.fft.ifftshift((np.arange(size) - size // 2) / (size - size % 2))
