"""From the checkpoints of a run to a bundle, whatever the system."""

from __future__ import annotations

from pathlib import Path

from semapix.errors import ArgumentError
from semapix.training.system import Wanted
from semapix.training.systems import SYSTEMS

__all__ = ["export"]


def export(
    folder: Path,
    bundle: Path,
    data: Path | None = None,
    *,
    stage: str | None = None,
    sibling: Path | None = None,
    force: bool = False,
) -> dict[str, float]:
    """Make a bundle of the checkpoints in `folder`, and return the temperature of each task that was calibrated.

    `data`: where the data sets of the recipe are; tasks are calibrated on their held-out pictures. `stage`: the stage
    after which the model is taken, by default the last. `sibling`: the folder of a run whose held-out pictures and
    networks give this model its temperatures. Raises ArgumentError when `folder` lacks the checkpoint of a stage,
    `stage` makes no model or `sibling` is of no use, OutputError when `bundle` exists, unless `force`.
    """
    firsts = {name: next(x for x in system.stages if x not in system.aids) for name, system in SYSTEMS.items()}
    begun = {name: SYSTEMS[name] for name, stage in firsts.items() if (folder / f"{stage}.ckpt").is_file()}
    if not begun:
        first = ", or ".join(f"{stage}.ckpt" for stage in firsts.values())
        raise ArgumentError(f"{folder} has no checkpoint of a first stage ({first}); make it with: semapix train")
    if len(begun) > 1:
        raise ArgumentError(f"{folder} has checkpoints of several systems ({', '.join(begun)}); keep each in its own")
    ((name, system),) = begun.items()
    able = (*system.earlier, system.stages[-1])
    if stage is not None and stage not in able:
        raise ArgumentError(f"stage (={stage!r}) of {name} must be one that makes a model: {', '.join(able)}")
    if sibling is not None and not system.siblings:
        able_systems = ", ".join(other for other, system in SYSTEMS.items() if system.siblings)
        raise ArgumentError(f"sibling (={sibling}) is of no use to {name}; it calibrates models of: {able_systems}")
    if sibling is not None and data is None:
        raise ArgumentError(f"sibling (={sibling}) calibrates on held-out pictures; say with data where they are")
    return system.export(Wanted(folder, bundle, data, stage or able[-1], sibling, force))
