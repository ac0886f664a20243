"""How important each block of a picture is: semantic importance, complexity, and their blends (HEVRC, section III-B).

All maps are float32 (rows, columns), one value for each block of 16x16 pixels, 0 to 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semapix.imaging import pad_to

__all__ = [
    "BLOCK",
    "STRATEGIES",
    "blend",
    "block_means",
    "centre_weighted",
    "complexity",
    "interpolate",
    "otsu_threshold",
    "resample",
    "unit_range",
]

BLOCK = 16
"""Side of a block in pixels."""

STRATEGIES = ("blended", "semantic", "complexity", "simplicity", "uniform")
"""Ways to spread bits over a picture, the default first."""

_STRIP = 16 * BLOCK  # rows that are looked at together; bounds the memory
_BINS = 256
# Of the likelihood of a place, and what every place weighs: chosen on training pictures.
_CENTRE_FALLOFF, _LEAST_EVIDENCE = 2.0, 0.5

Map = NDArray[np.float32]


def unit_range(values: Map) -> Map:
    """Shifted and scaled to 0..1; zeros where all values are the same."""
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return np.zeros_like(values)
    return ((values - low) / (high - low)).astype(np.float32)


def complexity(pixels: NDArray[np.uint8]) -> Map:
    """Spatial information of a picture, uint8 (H, W, 3): magnitude of the Sobel gradient, its mean over blocks.

    Eq. 9 of the paper, whose sum runs over the colours; scaled to 0..1.
    """
    padded = pad_to(pixels, BLOCK)
    rows = [
        block_means(_gradient(padded[max(0, top - 1) : top + _STRIP + 1], top > 0, top + _STRIP < len(padded)))
        for top in range(0, len(padded), _STRIP)
    ]
    return unit_range(np.concatenate(rows))


def _gradient(rows: NDArray[np.uint8], above: bool, below: bool) -> Map:
    """The Sobel magnitude, summed over colours, of rows between their neighbours `above` and `below`, if any."""
    framed = np.pad(rows.astype(np.float32), ((0 if above else 1, 0 if below else 1), (1, 1), (0, 0)), "edge")
    smooth = framed[:-2] + 2 * framed[1:-1] + framed[2:]
    across = smooth[:, 2:] - smooth[:, :-2]
    smooth = framed[:, :-2] + 2 * framed[:, 1:-1] + framed[:, 2:]
    down = smooth[2:] - smooth[:-2]
    return np.sqrt(across**2 + down**2).sum(axis=2)


def block_means(values: Map) -> Map:
    """The mean of each block of (H, W), sides that are multiples of a block."""
    rows, columns = values.shape[0] // BLOCK, values.shape[1] // BLOCK
    return values.reshape(rows, BLOCK, columns, BLOCK).mean(axis=(1, 3), dtype=np.float64).astype(np.float32)


def resample(values: Map, rows: int, columns: int) -> Map:
    """Linear interpolation of a map to another size; values at the border are held."""
    for axis, count in ((0, rows), (1, columns)):
        values = interpolate(values, axis, (np.arange(count) + 0.5) * values.shape[axis] / count - 0.5)
    return values


def interpolate(values: Map, axis: int, positions: NDArray[np.float64]) -> Map:
    """Values (rows, columns) at fractional positions along an axis, linear between them and held beyond the border."""
    last = values.shape[axis] - 1
    positions = positions.clip(0, last)
    below = np.floor(positions).astype(np.intp)
    share = (positions - below).astype(np.float32)
    share = share[:, None] if axis == 0 else share[None]
    before, behind = np.take(values, below, axis), np.take(values, np.minimum(below + 1, last), axis)
    return before * (1 - share) + behind * share


def centre_weighted(semantic: Map) -> Map:
    """Semantic importance where it is likely: subjects of photographs lie near the middle; 0 to 1.

    (1/2 + s) exp(-2 r^2), r^2 the squared distance from the middle with half of each side as its unit. Not of the
    paper, whose classifier sees more: the place alone finds objects better than the evidence of a small classifier.
    See Tatler, "The central fixation bias in scene viewing" (Journal of Vision, 2007).
    """
    y, x = ((np.arange(count) + 0.5) / count * 2 - 1 for count in semantic.shape)
    likely = np.exp(-_CENTRE_FALLOFF * np.add.outer(y**2, x**2)).astype(np.float32)
    return unit_range((_LEAST_EVIDENCE + semantic) * likely)


def otsu_threshold(values: Map) -> float:
    """The threshold between two classes of values in 0..1 whose means lie farthest apart (Otsu, 1979).

    Values of the upper class are above it; 256 bins.
    """
    counts, edges = np.histogram(values, bins=_BINS, range=(0.0, 1.0))
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1].astype(np.float64)
    above = counts.sum() - below
    total = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = total[:-1] / below - (total[-1] - total[:-1]) / above
    variance = np.where((below > 0) & (above > 0), below * above * np.nan_to_num(apart) ** 2, -1.0)
    best = np.flatnonzero(variance == variance.max())  # a plateau where bins between the classes are empty
    return float(edges[1:-1][best].mean())


def blend(semantic: Map, complex_: Map) -> Map:
    """Importance: what is meaningful first, and of the rest what is simple (eq. 10 of the paper).

    v = s B(s) + Norm((1 - c)(1 - B(s))), B being Otsu's binarisation, Norm the scaling to 0 .. the smallest positive
    s B(s). Where nothing is meaningful, that is the simplicity alone.
    """
    chosen = semantic > otsu_threshold(semantic)
    rest = np.where(chosen, 0, 1 - complex_).astype(np.float32)
    if not chosen.any():
        return unit_range(rest)
    least = float(semantic[chosen].min())
    highest = float(rest.max())
    rest = rest * (least / highest) if highest > 0 else rest
    return np.where(chosen, semantic, rest).astype(np.float32)
