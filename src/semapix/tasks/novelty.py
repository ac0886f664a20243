"""Pictures that hold none of the labels: how foreign a picture is to a label space, beside what is known to hold one.

The score is the energy of the logits (W. Liu, X. Wang, J. Owens, Y. Li, "Energy-based out-of-distribution detection",
NeurIPS 2020), turned into a share of held-out pictures of the labels, which needs no foreign pictures to be set.
`semapix bench labels` compares it with others: none is strong for the shipped model.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from semapix.errors import ArgumentError

__all__ = ["FOREIGN", "evidence", "evidence_quantiles", "none_of_these"]

Array = NDArray[np.float32]

FOREIGN = 0.95
"""Above this, call a picture foreign: of those that hold one of the labels, 5 % are as well."""

_QUANTILES = 21


def evidence(logits: Array) -> NDArray[np.float64]:
    """How much speaks for any of the labels: the logarithm of the sum of exponentials of logits (..., classes).

    The energy is this with the other sign.
    """
    values = logits.astype(np.float64)
    highest = values.max(-1, keepdims=True)
    return np.asarray((highest + np.log(np.exp(values - highest).sum(-1, keepdims=True)))[..., 0])


def evidence_quantiles(logits: Array) -> list[float]:
    """The evidence in held-out logits (N, classes) of pictures of the labels: 21 quantiles, from 0 to 100 %.

    Raises ArgumentError when there are none.
    """
    if len(logits) == 0:
        raise ArgumentError("quantiles need held-out logits; there are none")
    return [round(float(x), 4) for x in np.quantile(evidence(logits), np.linspace(0, 1, _QUANTILES))]


def none_of_these(logits: Array, quantiles: Sequence[float]) -> float:
    """The share, 0 to 1, of pictures of the labels with more evidence than logits (classes,) hold.

    `quantiles`: those of `evidence_quantiles`, or any others that are spread evenly from 0 to 100 %.
    """
    return 1 - float(np.interp(evidence(logits), quantiles, np.linspace(0, 1, len(quantiles))))
