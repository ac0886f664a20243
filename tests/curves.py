"""Curves of bytes over quality, made up for tests of searches."""

import math
from collections.abc import Callable


def bent(least: float, growth: float, bend: float, wiggle: float = 0.0) -> Callable[[float], float]:
    """A rising curve from `least` bytes to `growth` times as many, its logarithm bent, with a small ripple."""
    return lambda x: least * math.exp(math.log(growth) * (x + bend * x * (1 - x)) + wiggle * math.sin(25 * x))
