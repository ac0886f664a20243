"""All systems that can be trained, by name: the only place that lists them."""

from __future__ import annotations

from semapix.errors import ArgumentError
from semapix.training.adaptive.system import AdaptiveSystem
from semapix.training.deepsic.system import DeepsicSystem
from semapix.training.dicm.system import DicmSystem
from semapix.training.scalable.system import ScalableSystem
from semapix.training.system import System

__all__ = ["SYSTEMS", "system_of"]

SYSTEMS: dict[str, System] = {
    "scalable": ScalableSystem(),
    "adaptive": AdaptiveSystem(),
    "dicm": DicmSystem(),
    "deepsic": DeepsicSystem(),
}
"""The systems of this release, by name."""


def system_of(name: str) -> System:
    """The system of a recipe. Raises ArgumentError for one that this release cannot train."""
    if name not in SYSTEMS:
        raise ArgumentError(f"system (={name!r}) must be one of: {', '.join(SYSTEMS)}")
    return SYSTEMS[name]
