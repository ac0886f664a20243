"""NIQE: how natural a picture looks, without its original.

A. Mittal, R. Soundararajan and A. C. Bovik, "Making a 'completely blind' image quality analyzer" (IEEE Signal Process.
Lett., 2013). Written here because no package of the extra `eval` has it. The statistics of pristine photos in
`niqe_pristine.npz` are the authors'; origin and terms stand in `niqe_pristine.md` beside it.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import numpy as np

from semapix.evaluation.metrics._filters import correlate
from semapix.evaluation.metrics._metric import Pixels, Plane, check, luma

__all__ = ["NIQE_SIDE", "niqe"]

_BLOCK = 96  # pixels a side, 48 at the second scale
NIQE_SIDE = 2 * _BLOCK  # statistics of less than four blocks say little

_BELL = [math.exp(-(x**2) / (2 * (7 / 6) ** 2)) for x in range(-3, 4)]
_WINDOW = [value / sum(_BELL) for value in _BELL]
_FLAT = 1e-6  # grey levels; one pixel that differs by one level moves the mean by 1e-4 or more
_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))


def niqe(picture: Pixels) -> float:
    """The distance of a picture's statistics from those of pristine photos: 2 to 4 for good photos; lower is better.

    Looks at luma (Y of BT.601 in full range, rounded), at whole blocks of 96x96 pixels from the upper left; what is
    left at the right and below is not seen. NaN when less than two blocks show anything. uint8 (H, W, 3). Raises
    ArgumentError for another array, or when a side is shorter than 192 pixels.
    """
    check(picture, NIQE_SIDE, "NIQE")
    rows, columns = picture.shape[0] // _BLOCK, picture.shape[1] // _BLOCK
    plane = np.rint(luma(picture[: rows * _BLOCK, : columns * _BLOCK]))
    scales = [_features(_normalised(scale), rows, columns) for scale in (plane, _halved(plane))]
    features = np.concatenate(scales, axis=1)
    whole = features[~np.isnan(features).any(axis=1)]
    if len(whole) < 2:
        return math.nan
    # As the authors have it: the means of all that is known, the covariance of the blocks of which all is known.
    mean, covariance = np.nanmean(features, axis=0), np.cov(whole, rowvar=False)
    pristine_mean, pristine_covariance = _pristine()
    away = mean - pristine_mean
    return math.sqrt(away @ np.linalg.pinv((covariance + pristine_covariance) / 2) @ away)


@cache
def _pristine() -> tuple[Plane, Plane]:
    """Mean (36,) and covariance (36, 36) of the features of pristine photos."""
    with np.load(Path(__file__).with_name("niqe_pristine.npz")) as file:
        return file["mean"], file["covariance"]


def _normalised(plane: Plane) -> Plane:
    """Pixels less their local mean, over their local deviation."""
    mean = correlate(plane, _WINDOW, _WINDOW, "edge")
    square = correlate(plane * plane, _WINDOW, _WINDOW, "edge")
    # Where the plane is flat, rounding would decide between below and above zero, both of which are counted.
    away = np.where(np.abs(plane - mean) < _FLAT, 0.0, plane - mean)
    return away / (np.sqrt(np.abs(square - mean * mean)) + 1)


def _halved(plane: Plane) -> Plane:
    """Half the size by Keys' cubic, widened twice, mirrored at the border: MATLAB's imresize(plane, 0.5)."""
    t = np.abs(np.arange(-7, 8, 2)) / 4  # distances of eight pixels from the middle of the new one, in new pixels
    taps = np.where(t <= 1, 1.5 * t**3 - 2.5 * t**2 + 1, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2) / 2
    for _ in range(2):
        padded = np.pad(plane, ((3, 3), (0, 0)), "symmetric")
        height = plane.shape[0] // 2
        plane = sum((tap * padded[i : i + 2 * height : 2] for i, tap in enumerate(taps)), np.zeros(())).T
    return plane


def _features(normalised: Plane, rows: int, columns: int) -> Plane:
    """18 features of each block, (rows * columns, 18); NaN where a block is too flat for them."""
    height, width = normalised.shape[0] // rows, normalised.shape[1] // columns
    blocks = normalised.reshape(rows, height, columns, width).swapaxes(1, 2).reshape(-1, height, width)
    shape, left, right = _asymmetric_gaussian(blocks)
    features = [shape, (left + right) / 2]
    for shift in _NEIGHBOURS:
        shape, left, right = _asymmetric_gaussian(blocks * np.roll(blocks, shift, axis=(1, 2)))
        features += [shape, (right - left) * _gamma(2 / shape) / _gamma(1 / shape), left, right]
    return np.stack(features, axis=1)


_gamma = np.vectorize(math.gamma, otypes=[np.float64])


@cache
def _shapes() -> tuple[Plane, Plane]:
    """Shapes of a generalised Gaussian, and for each the squared mean size over the mean square; both rise."""
    shape = np.arange(200, 10_001) / 1000
    return shape, _gamma(2 / shape) ** 2 / (_gamma(1 / shape) * _gamma(3 / shape))


def _asymmetric_gaussian(blocks: Plane) -> tuple[Plane, Plane, Plane]:
    """Shape, left and right scale of the asymmetric generalised Gaussian with the moments of each block (n, H, W)."""
    values = blocks.reshape(len(blocks), -1)
    with np.errstate(divide="ignore", invalid="ignore"):  # a flat block has nothing below zero, or nothing above
        left, right = (np.sqrt((values**2 * side).sum(axis=1) / side.sum(axis=1)) for side in (values < 0, values > 0))
        skew = left / right
        ratio = np.abs(values).mean(axis=1) ** 2 / (values**2).mean(axis=1)
        ratio = ratio * (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
    shapes, ratios = _shapes()
    # The nearest of the shapes, as the authors have it: between them, figures would be up to 0.02 others.
    nearest = np.rint(np.interp(np.nan_to_num(ratio), ratios, np.arange(len(shapes)))).astype(int)
    shape = np.where(np.isnan(ratio), np.nan, shapes[nearest])
    scale = np.sqrt(_gamma(1 / shape) / _gamma(3 / shape))
    return shape, left * scale, right * scale
