"""What probabilities of a model's tasks rest on: measured on held-out pictures, as their features are after coding."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader

from semapix.tasks import evidence_quantiles, fit_temperature
from semapix.training.augment import squeeze
from semapix.training.normalise import normalise
from semapix.training.scalable.model import TrainedScalable
from semapix.training.splits import labelled

__all__ = ["Calibration", "calibrate"]

_BATCH = 64


@dataclass(frozen=True)
class Calibration:
    """Keys of a task in the manifest: its `temperature`, and the quantiles of the `evidence` for its labels."""

    temperature: float
    evidence: list[float]


@torch.inference_mode()
def calibrate(trained: TrainedScalable, data: Path) -> dict[str, Calibration]:
    """The calibration of each task, on the pictures that the recipe holds out from the data sets in `data`.

    Logits are those of decoded features. Raises ArgumentError when there are no such data.
    """
    _, held_out = labelled(trained.recipe.data, data)
    transform, answers = trained.transform, []
    for pictures, coarse, fine in DataLoader(held_out, batch_size=_BATCH):
        main, duals = transform.lifting(normalise(squeeze(pictures.float(), trained.model.core_side)))
        decoded = trained.compression(transform.lifting, main, duals, torch.zeros_like(fine))
        answers.append((*transform.heads(decoded.machine), coarse, fine))
    coarse_logits, fine_logits, coarse, fine = (torch.cat(part).numpy() for part in zip(*answers, strict=True))
    return {
        name: Calibration(round(fit_temperature(logits, labels), 4), evidence_quantiles(logits))
        for name, logits, labels in (
            ("coarse", coarse_logits, coarse.astype(np.int64)),
            ("fine", fine_logits, fine.astype(np.int64)),
        )
    }
