"""The lifting transform against networks of equal work (protocols/transforms.yaml; scalable paper, Tables 4 to 6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from semapix.errors import ArgumentError
from semapix.evaluation.bootstrap import Interval, paired_difference
from semapix.evaluation.datasets import Dataset, open_dataset, some_of
from semapix.evaluation.experiments._run import Run
from semapix.evaluation.findings import Findings
from semapix.evaluation.machine import rank_of
from semapix.evaluation.multiplications import multiplications
from semapix.evaluation.records import Record, Table
from semapix.imaging import load, resize
from semapix.training.budget import BudgetedStage
from semapix.training.data import Batches
from semapix.training.normalise import normalise
from semapix.training.recipe import load_recipe
from semapix.training.run import fit
from semapix.training.scalable.lfrnet import LfrnetSystem
from semapix.training.scalable.nets.rivals import RIVALS
from semapix.training.scalable.recipe import ScalableRecipe
from semapix.training.scalable.rival import RivalSystem
from semapix.training.splits import label_spaces, labelled

__all__ = ["TransformsProtocol", "measure_transforms"]

_LIFTING = "lifting"
_BATCH = 100

Logits = Callable[[Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class TransformsProtocol:
    """The keys of protocols/transforms.yaml, which says what each is."""

    recipe: str
    networks: Sequence[str]
    batch: int
    learning_rate: float


def measure_transforms(data: Path, protocol: TransformsProtocol, run: Run, minutes: float, steps: int = -1) -> Findings:
    """Train each network for `minutes` (and at most `steps` steps), then ask it about the test pictures.

    `data`: the folder above that of the labelled pictures. Figures of each source of the pictures apart.
    Raises ArgumentError for an unknown network, and for missing data.
    """
    known = [_LIFTING, *RIVALS]
    unknown = sorted(set(protocol.networks) - set(known))
    if unknown:
        raise ArgumentError(f"networks {unknown} must be among: {', '.join(known)}")
    recipe = load_recipe(protocol.recipe)
    if not isinstance(recipe, ScalableRecipe):
        raise ArgumentError(f"recipe {recipe.name} is one of system {recipe.system}; only scalable has a transform")
    recipe = _for_all(recipe, protocol)
    training, held_out = labelled(recipe.data, data)
    names = label_spaces(training)
    tests = open_dataset(data / recipe.data.labelled)
    columns = {task: space.column for task in ("coarse", "fine") if (space := tests.space_of(names[task]))}
    if set(columns) != {"coarse", "fine"}:
        raise ArgumentError(f"{tests.folder}: labels of its test part are not those of its training part")
    pictures = _pictures(tests, run.limit, recipe.model.core_side)
    core = torch.zeros(1, 3, recipe.model.core_side, recipe.model.core_side)
    rows: list[list[Any]] = []
    costs = {}
    for name in protocol.networks:
        system: BudgetedStage = (
            LfrnetSystem(recipe, names, minutes) if name == _LIFTING else RivalSystem(name, recipe, names, minutes)
        )
        folder = run.out / "runs"
        folder.mkdir(parents=True, exist_ok=True)
        batches = Batches(training, recipe.lfrnet.batch, recipe.lfrnet.seed)
        fit(system, batches, [held_out], folder / f"{name}.ckpt", every=recipe.lfrnet.validate_every, steps=steps)
        logits, network = _network(system)
        costs[name] = {
            "steps": system.global_step,
            "minutes": round(system.minutes_used, 1),
            "parameters": sum(p.numel() for p in network.parameters()),
            "macs": multiplications(network, partial(logits, core)),
        }
        rows += _rank(name, logits, pictures, tests, columns, run.limit)
    figures = _figures(rows, protocol.networks, costs)
    return Findings(
        Record(
            "transforms",
            run.command,
            [],
            settings={
                "networks": "the same data, views, losses of labels, schedule and minutes, no teacher; lifting: s1 to "
                "the coarse head, the whole deepest main band to the fine one; the others: all features to both",
                "protocol": asdict(protocol),
                "minutes": f"{minutes} asked for; a network that was trained before keeps what it got",
                "macs": "of convolutions and linear layers, heads included, for one picture",
                "of lifting": "top-1 less that of lifting; 95 % by paired bootstrap over pictures; one training",
            },
            results={"figures": figures, "costs": costs},
            tables={"pictures": Table(["network", "picture", "source", "task", "rank"], rows)},
        ),
        {"Networks": _table(figures)},
    )


def _for_all(recipe: ScalableRecipe, protocol: TransformsProtocol) -> ScalableRecipe:
    """A recipe with the protocol's batches, without the losses that lifting alone could have: others have no s1."""
    stage = replace(recipe.lfrnet, batch=protocol.batch, learning_rate=protocol.learning_rate)
    return replace(recipe, lfrnet=replace(stage, first_fine_weight=0.0, teacher_weight=0.0))


def _pictures(tests: Dataset, limit: int | None, side: int) -> NDArray[np.uint8]:
    """All test pictures at the side of the core, (N, 3, S, S)."""
    pictures = some_of(tests.pictures, limit)
    return np.stack([resize(load(p.image).pixels, (side, side), "lanczos").transpose(2, 0, 1) for p in pictures])


def _network(system: BudgetedStage) -> tuple[Logits, nn.Module]:
    system.eval()
    if isinstance(system, LfrnetSystem):
        transform = system.transform

        def logits(pictures: Tensor) -> tuple[Tensor, Tensor]:
            return transform.heads(transform.lifting(normalise(pictures))[0])

        return logits, transform
    assert isinstance(system, RivalSystem)
    return system.network, system.network


@torch.no_grad()
def _rank(
    name: str, logits: Logits, pictures: NDArray[np.uint8], tests: Dataset, columns: dict[str, str], limit: int | None
) -> list[list[Any]]:
    """Rows (network, picture, source, task, rank of the true label)."""
    rows: list[list[Any]] = []
    asked = some_of(tests.pictures, limit)
    for start in range(0, len(pictures), _BATCH):
        answers = logits(torch.from_numpy(pictures[start : start + _BATCH]).float())
        for task, scores in zip(("coarse", "fine"), answers, strict=True):
            for picture, values in zip(asked[start : start + _BATCH], scores.numpy(), strict=True):
                rank = rank_of(picture.columns[columns[task]], values)
                rows.append([name, picture.name, str(picture.columns.get("source", "")), task, rank])
    return rows


def _figures(rows: Sequence[Sequence[Any]], networks: Sequence[str], costs: dict[str, Any]) -> list[dict[str, Any]]:
    figures = []
    for source, task in dict.fromkeys((row[2], row[3]) for row in rows):
        ranks = {n: [row[4] for row in rows if (row[0], row[2], row[3]) == (n, source, task)] for n in networks}
        for network in networks:
            right = [100.0 * (rank < 1) for rank in ranks[network]]
            difference = None
            if _LIFTING in ranks and network != _LIFTING and len(right) > 1:
                difference = paired_difference(right, [100.0 * (rank < 1) for rank in ranks[_LIFTING]])
            figures.append(
                {
                    "network": network,
                    "source": source,
                    "task": task,
                    "pictures": len(right),
                    "top1": float(np.mean(right)),
                    "top5": 100 * float(np.mean([rank < 5 for rank in ranks[network]])),
                    "of_lifting": _as_list(difference),
                    **costs[network],
                }
            )
    return figures


def _as_list(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.value, interval.low, interval.high]


def _table(figures: Sequence[dict[str, Any]]) -> list[list[str]]:
    table = [
        [
            "network",
            "task",
            "of",
            "pictures",
            "top-1 %",
            "top-5 %",
            "of lifting",
            "minutes",
            "steps",
            "parameters",
            "MMAC",
        ]
    ]
    for row in figures:
        difference = row["of_lifting"]
        against = "" if difference is None else f"{difference[0]:+.1f} ({difference[1]:+.1f} to {difference[2]:+.1f})"
        cells = [
            f"{row['top1']:.1f}",
            f"{row['top5']:.1f}",
            against,
            f"{row['minutes']:.1f}",
            f"{row['steps']:,}",
            f"{row['parameters']:,}",
        ]
        macs = f"{row['macs'] / 1e6:.1f}"
        table.append([row["network"], row["task"], row["source"] or "all", str(row["pictures"]), *cells, macs])
    return table
