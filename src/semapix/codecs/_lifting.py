"""The revertible transform at work: lifting with the Predict and Update graphs of a bundle, in both directions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semapix.graphs import Graphs

__all__ = ["forward_step", "inverse_step", "merge", "split"]

Array = NDArray[np.float32]


def split(x: Array) -> tuple[Array, Array]:
    """Main and dual halves, (1, 2C, H/2, W/2) each, of (1, C, H, W): upper and lower row of every 2x2 block."""
    upper, lower = x[:, :, 0::2], x[:, :, 1::2]
    main = np.concatenate([upper[..., 0::2], upper[..., 1::2]], axis=1)
    dual = np.concatenate([lower[..., 0::2], lower[..., 1::2]], axis=1)
    return main, dual


def merge(main: Array, dual: Array) -> Array:
    """The inverse of `split`."""
    channels = main.shape[1] // 2
    x = np.empty((1, channels, 2 * main.shape[2], 2 * main.shape[3]), np.float32)
    for row, half in enumerate((main, dual)):
        x[:, :, row::2, 0::2] = half[:, :channels]
        x[:, :, row::2, 1::2] = half[:, channels:]
    return x


def forward_step(graphs: Graphs, level: int, x: Array) -> tuple[Array, Array]:
    """Main and dual band of lifting level `level` (1 is the finest); scalable paper, eqs. 6 to 8."""
    main, dual = split(x)
    dual = dual - graphs.run(f"predict{level}", main)[0]
    return main + graphs.run(f"update{level}", dual)[0], dual


def inverse_step(graphs: Graphs, level: int, main: Array, dual: Array) -> Array:
    """The inverse of `forward_step`; scalable paper, eq. 9."""
    main = main - graphs.run(f"update{level}", dual)[0]
    return merge(main, dual + graphs.run(f"predict{level}", main)[0])
