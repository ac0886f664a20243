"""From an adaptive model to a bundle: graphs, integer networks, tables, typical rates, calibrated labels."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from semapix.bundle import save_bundle
from semapix.codecs import QUALITIES
from semapix.coding import TableBank
from semapix.tasks import fit_temperature
from semapix.training.adaptive.model import TrainedAdaptive, adaptive_graphs
from semapix.training.adaptive.nets.codec import STRIDE
from semapix.training.adaptive.tables import fit_tables
from semapix.training.augment import squeeze
from semapix.training.normalise import normalise
from semapix.training.onnx_graph import to_onnx
from semapix.training.splits import labelled, middles, photos

__all__ = ["export_adaptive"]

_BATCH = 64
_RATE_SIDE = 256  # of the middles of held-out photos
_MARGIN = 192  # pixels beyond a tile; see `tests/training/test_adaptive.py` for what the networks see


def export_adaptive(trained: TrainedAdaptive, path: Path, data: Path, *, force: bool = False) -> dict[str, float]:
    """Write the bundle of an adaptive model, and return the temperature of its labels.

    `data`: where the data sets of the recipe are; typical rates and the temperature are measured on held-out pictures.
    Raises OutputError if `path` exists and `force` is not set.
    """
    recipe, model = trained.recipe, trained.recipe.model
    temperatures = {"fine": _temperature(trained, data)}
    manifest: dict[str, Any] = {
        "name": path.stem,
        "codec": "adaptive",
        "recipe": asdict(recipe),
        "tasks": [
            {
                "name": task,
                "labels": trained.labels[task],
                "layers": 1,
                "channels": model.classifier_widths[-1],
                "head": "classifier",
                "temperature": temperatures.get(task, 1.0),
            }
            for task in ("coarse", "fine")
        ],
        "parents": trained.labels["parents"],
        "core_side": model.classifier_side,
        "look_side": model.look_side,
        "latents": model.latents,
        "groups": len(model.groups),
        "margin": _MARGIN,
        "error_weight": model.error_weight,
        "split_pixels": model.split_pixels,
        "rates": _rates(trained, data),
    }
    coder, tables = fit_tables(trained, data)
    arrays: dict[str, dict[str, NDArray[Any]]] = {
        "tables": {"gaussian": TableBank.pack(tables)},  # under the name that all bundles use
        "latent": coder.to_arrays(),
    }
    graphs = {name: to_onnx(part) for name, part in adaptive_graphs(trained).items()}
    save_bundle(path, manifest, graphs, arrays, force=force)
    return temperatures


@torch.inference_mode()
def _rates(trained: TrainedAdaptive, data: Path) -> list[float]:
    """Bits per pixel of held-out photos under the uniform map of each quality: where a search for a rate begins."""
    side = _RATE_SIDE
    _, held_out = photos(trained.recipe.data, data)
    side = min(side, *(min(photo.shape[:2]) // STRIDE * STRIDE for photo in held_out))
    pictures = normalise(middles(held_out, side).tensors[0].float())
    rates = []
    for level in np.linspace(0, 1, QUALITIES):
        quality = torch.full((len(pictures), 1, side // STRIDE, side // STRIDE), float(level))
        rates.append(float(trained.network(pictures, quality).rates.total.mean()) / side**2)
    return [round(rate, 4) for rate in np.maximum.accumulate(rates).tolist()]


@torch.inference_mode()
def _temperature(trained: TrainedAdaptive, data: Path) -> float:
    """Of classes, on held-out pictures. Groups are sums over the probabilities of classes, and want none."""
    _, held_out = labelled(trained.recipe.data, data)
    side, logits, labels = trained.recipe.model.classifier_side, [], []
    for pictures, _, fine in DataLoader(held_out, batch_size=_BATCH):
        logits.append(trained.classifier(normalise(squeeze(pictures.float(), side))))
        labels.append(fine)
    return round(fit_temperature(torch.cat(logits).numpy(), torch.cat(labels).numpy().astype(np.int64)), 4)
