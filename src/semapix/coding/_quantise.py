"""Which integer stands for a number: the nearest one, or the next smaller one where that saves more than it spoils.

Rate-distortion optimised quantisation, one symbol at a time: decoders need not know of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from semapix.coding._tables import TableBank

__all__ = ["quantise", "round_to_nearest"]

_LARGEST = 2.0**30


def quantise(
    values: NDArray[Any], levels: NDArray[np.uint8], tables: TableBank, error_weight: float | None
) -> NDArray[np.int32]:
    """Integers, int32 (N,), for `values` (N,) under the tables `levels` (N,).

    `error_weight`: what a squared error of 1 costs in bits; None for the nearest integers.
    """
    nearest = round_to_nearest(values)
    if error_weight is None:
        return nearest
    bits = tables.magnitude_bits
    magnitude = np.abs(nearest)
    (where,) = np.nonzero((magnitude > 0) & (magnitude <= tables.reaches[levels]))  # escapes stay as they are
    value, nearer, level = np.abs(values[where]), magnitude[where], levels[where]
    spoilt = error_weight * ((value - (nearer - 1)) ** 2 - (value - nearer) ** 2)
    saved = bits[level, nearer] - bits[level, nearer - 1]
    smaller = where[spoilt < saved]
    nearest[smaller] -= np.sign(nearest[smaller])
    return nearest


def round_to_nearest(values: NDArray[Any]) -> NDArray[np.int32]:
    """The nearest integers of any numbers: what is not a number becomes 0, what is too large 2^30."""
    # What a float network cannot mean (not a number, infinity) must not become garbage in the file.
    return np.rint(np.nan_to_num(values).clip(-_LARGEST, _LARGEST)).astype(np.int32)
