"""What training needs to know of a system: the interface that `systems.SYSTEMS` lists the implementations of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from torch.utils.data import Dataset, IterableDataset

from semapix.bundle import Bundle
from semapix.training.budget import BudgetedStage

__all__ = ["Prepared", "System", "Wanted"]


class Prepared(NamedTuple):
    """A stage that is ready to run: the Lightning module, its endless training batches, its held-out pictures."""

    stage: BudgetedStage
    training: IterableDataset[Any]
    held_out: Sequence[Dataset[Any]]


class Wanted(NamedTuple):
    """A bundle to be made of the checkpoints in a folder.

    `data`: where the data sets of the recipe are. `stage`: the last one, or one of `System.earlier`. `sibling`: the run
    whose temperatures it gets, for systems with `siblings`. `force`: whether to replace a file.
    """

    folder: Path
    bundle: Path
    data: Path | None
    stage: str
    sibling: Path | None = None
    force: bool = False


class System(ABC):
    """One system as training sees it."""

    stages: ClassVar[tuple[str, ...]]
    """Its stages, in order."""

    aids: ClassVar[tuple[str, ...]] = ()
    """Stages that recipes may lack: they help others, and are no part of a bundle."""

    earlier: ClassVar[tuple[str, ...]] = ()
    """Stages before the last that a bundle can be made after as well, to see what each is good for."""

    siblings: ClassVar[bool] = False
    """Whether another run can give a bundle its temperatures: a sibling, trained in the same way on fewer pictures."""

    @abstractmethod
    def prepare(self, recipe: Any, stage: str, data: Path, folder: Path, minutes: float | None) -> Prepared:
        """A stage of a recipe of this system; `folder` holds the checkpoints of earlier stages."""

    @abstractmethod
    def restore(self, bundle: Bundle, folder: Path) -> None:
        """Write the checkpoints that `folder` lacks with the weights of a bundle, without optimiser state."""

    @abstractmethod
    def export(self, wanted: Wanted) -> dict[str, float]:
        """Make a bundle; with data, calibrate its tasks on held-out pictures.

        Returns the temperature of each task that was calibrated.
        """
