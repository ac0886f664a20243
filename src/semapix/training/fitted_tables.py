"""Probability tables as training pictures have it, in place of ideal Gaussians.

What a latent is beyond its mean is more peaked than a Gaussian of the predicted scale, and a hyper-latent follows no
Gaussian at all: counting what a trained model codes, once, before it becomes a bundle, costs nothing at run time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semapix.coding import LEVELS, LatentModel, TableBank, gaussian_counts
from semapix.errors import ArgumentError

__all__ = ["Recorder", "all_fitted", "bands_of", "fitted_counts", "own_tables"]

_PRECISION = 24
_TRUST = 400.0  # how many symbols a table that stood before is worth


_MOST_TABLES = 256 - LEVELS  # of hyper-latents: the number of a table takes one byte


def bands_of(qualities: int, channels: int) -> list[int]:
    """For each quality level its band: levels of a band share the tables of hyper-latents, as there is room for few.

    Raises ArgumentError for more channels than there is room for.
    """
    if not 1 <= channels <= _MOST_TABLES:
        raise ArgumentError(f"hyper_latents (={channels}) must lie between 1 and {_MOST_TABLES}: each has a table")
    bands = min(qualities, _MOST_TABLES // channels)
    return [quality * bands // qualities for quality in range(qualities)]


def own_tables(coder: LatentModel) -> tuple[LatentModel, list[NDArray[np.int32]]]:
    """An entropy model whose hyper-latents have tables of their own, and all tables as they are before counting.

    Tables 0 to 63 are those of latents, by their scales; behind them each channel of the hyper-latent has one for each
    band of qualities, which starts as the Gaussian that `coder` names.
    """
    gaussian = gaussian_counts()
    qualities, channels = coder.hyper_levels.shape
    bands = np.array(bands_of(qualities, channels))
    first = [int(np.flatnonzero(bands == band)[0]) for band in range(bands[-1] + 1)]
    before = [*gaussian, *(gaussian[level] for quality in first for level in coder.hyper_levels[quality])]
    own = LEVELS + bands[:, None] * channels + np.arange(channels)
    return replace(coder, hyper_levels=own.astype(np.uint8)), before


class Recorder:
    """Counts symbols by their tables, in place of a range encoder or beside one (`coding.shown_symbols`).

    `tables`: those that it is used with. `counts`: of each table the symbols -R..R and, last, escapes.
    """

    def __init__(self, tables: TableBank) -> None:
        self.tables = tables
        self.counts = [np.zeros(2 * tables.reach(table) + 2) for table in range(len(tables))]

    def encode(self, values: NDArray[np.integer[Any]], levels: NDArray[np.uint8]) -> None:
        """Count `values` under tables `levels`, arrays of equal length."""
        for table in np.unique(levels):
            reach = self.tables.reach(table)
            group = values[levels == table].astype(np.int64)
            symbols = np.where(np.abs(group) > reach, 2 * reach + 1, group + reach)
            self.counts[table] += np.bincount(symbols, minlength=2 * reach + 2)


def fitted_counts(
    before: Sequence[NDArray[np.int32]], seen: Sequence[NDArray[np.float64]], *, symmetric: bool
) -> list[NDArray[np.int32]]:
    """Tables made of those `before` and of counts `seen` under them, as `TableBank` takes them.

    `symmetric`: whether a value and its negative are equally likely, as beyond a mean.
    """
    fitted = []
    for old, counts in zip(before, seen, strict=True):
        if symmetric:
            counts = np.append((counts[:-1] + counts[-2::-1]) / 2, counts[-1])
        shares = counts + _TRUST * old / 2.0**_PRECISION
        whole = np.maximum(1, np.floor(shares / shares.sum() * (2**_PRECISION - len(shares)))).astype(np.int64)
        whole[len(whole) // 2 - 1] += 2**_PRECISION - whole.sum()  # the middle: no table has more of another
        fitted.append(whole.astype(np.int32))
    return fitted


def all_fitted(before: Sequence[NDArray[np.int32]], recorder: Recorder) -> list[NDArray[np.int32]]:
    """`fitted_counts` of tables as `own_tables` has them: those of latents are symmetric, those behind them are not."""
    seen = recorder.counts
    latents = fitted_counts(before[:LEVELS], seen[:LEVELS], symmetric=True)
    return latents + fitted_counts(before[LEVELS:], seen[LEVELS:], symmetric=False)
