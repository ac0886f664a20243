"""A separable filter over a plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from semapix.evaluation.metrics._metric import Plane

__all__ = ["correlate"]


def correlate(plane: Plane, down: Sequence[float], across: Sequence[float], beyond: Literal["zero", "edge"]) -> Plane:
    """Correlate (H, W) with the product of two odd-sized kernels: `down` along columns, `across` along rows.

    Same size; `beyond` the border lie zeros, or the pixels of the edge.
    """
    padding = ((len(down) // 2,) * 2, (len(across) // 2,) * 2)
    padded = np.pad(plane, padding, "edge" if beyond == "edge" else "constant")
    height, width = plane.shape
    rows: Plane = sum((weight * padded[i : i + height] for i, weight in enumerate(down)), np.zeros(()))
    return sum((weight * rows[:, i : i + width] for i, weight in enumerate(across)), np.zeros(()))
