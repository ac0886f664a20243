"""From the checkpoints of a run to a bundle, whatever the system."""

from __future__ import annotations

from pathlib import Path

from semapix.errors import ArgumentError
from semapix.training.systems import SYSTEMS

__all__ = ["export"]


def export(folder: Path, bundle: Path, data: Path | None = None, *, force: bool = False) -> dict[str, float]:
    """Make a bundle of the checkpoints in `folder`, and return the temperature of each task that was calibrated.

    `data`: where the data sets of the recipe are; tasks are calibrated on their held-out pictures. Raises ArgumentError
    when `folder` lacks the checkpoint of a stage, OutputError when `bundle` exists, unless `force`.
    """
    begun = {name: system for name, system in SYSTEMS.items() if (folder / f"{system.stages[0]}.ckpt").is_file()}
    if not begun:
        first = ", or ".join(f"{system.stages[0]}.ckpt" for system in SYSTEMS.values())
        raise ArgumentError(f"{folder} has no checkpoint of a first stage ({first}); make it with: semapix train")
    if len(begun) > 1:
        raise ArgumentError(f"{folder} has checkpoints of several systems ({', '.join(begun)}); keep each in its own")
    (system,) = begun.values()
    return system.export(folder, bundle, data, force=force)
