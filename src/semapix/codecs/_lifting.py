"""The revertible transform at work: lifting with the Predict and Update graphs of a bundle, in both directions.

What Predict and Update give is rounded to multiples of 2^-10. Pixels are multiples of 2^-7, so all bands are multiples
of 2^-10, and their sums in float64 are exact: the inverse gives back each bit, however large the networks' answers are.
Networks see the bands rounded to float32.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semapix.graphs import Graphs

__all__ = ["Band", "forward_step", "inverse_step", "merge", "split"]

Array = NDArray[np.float32]
Band = NDArray[np.float64]

_GRID = 2.0**10


def split(x: Band) -> tuple[Band, Band]:
    """Main and dual halves, (1, 2C, H/2, W/2) each, of (1, C, H, W): upper and lower row of every 2x2 block."""
    upper, lower = x[:, :, 0::2], x[:, :, 1::2]
    main = np.concatenate([upper[..., 0::2], upper[..., 1::2]], axis=1)
    dual = np.concatenate([lower[..., 0::2], lower[..., 1::2]], axis=1)
    return main, dual


def merge(main: Band, dual: Band) -> Band:
    """The inverse of `split`."""
    channels = main.shape[1] // 2
    x = np.empty((1, channels, 2 * main.shape[2], 2 * main.shape[3]), np.float64)
    for row, half in enumerate((main, dual)):
        x[:, :, row::2, 0::2] = half[:, :channels]
        x[:, :, row::2, 1::2] = half[:, channels:]
    return x


def _answer(graphs: Graphs, name: str, band: Band) -> Band:
    """What a Predict or Update graph gives, on the grid of the bands."""
    return np.rint(graphs.run(name, band.astype(np.float32))[0].astype(np.float64) * _GRID) / _GRID


def forward_step(graphs: Graphs, level: int, x: Band) -> tuple[Band, Band]:
    """Main and dual band of lifting level `level` (1 is the finest); scalable paper, eqs. 6 to 8."""
    main, dual = split(x)
    dual = dual - _answer(graphs, f"predict{level}", main)
    return main + _answer(graphs, f"update{level}", dual), dual


def inverse_step(graphs: Graphs, level: int, main: Band, dual: Band) -> Band:
    """The inverse of `forward_step`; scalable paper, eq. 9."""
    main = main - _answer(graphs, f"update{level}", dual)
    return merge(main, dual + _answer(graphs, f"predict{level}", main))
