"""From a DICM model to a bundle: graphs, entropy model, calibrated tasks."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from torch.utils.data import DataLoader

from semapix.bundle import save_bundle
from semapix.codecs import QUALITIES
from semapix.coding import TableBank
from semapix.tasks import evidence_quantiles, fit_temperature
from semapix.training.augment import squeeze
from semapix.training.dicm.model import TrainedDicm, dicm_graphs
from semapix.training.dicm.tables import fit_tables
from semapix.training.fitted_tables import own_tables
from semapix.training.normalise import normalise
from semapix.training.onnx_graph import to_onnx
from semapix.training.splits import labelled

__all__ = ["export_dicm"]

_BATCH = 64


def export_dicm(trained: TrainedDicm, path: Path, data: Path | None = None, *, force: bool = False) -> dict[str, float]:
    """Write the bundle of a DICM model, and return the temperature of each task that has one.

    `data`: where the data sets of the recipe are; labels are calibrated on held-out pictures, and tables counted on
    training pictures; without, they are Gaussians. Raises OutputError if `path` exists and `force` is not set.
    """
    recipe, model = trained.recipe, trained.recipe.model
    measured = _calibrated(trained, data) if data is not None else {}
    width = model.widths[-1]
    manifest = {
        "name": path.stem,
        "codec": "dicm",
        "recipe": asdict(recipe),
        "tasks": [
            {
                "name": task,
                "labels": trained.labels[task],
                "layers": 1,
                "channels": width,
                "head": "classifier",
                "temperature": 1.0,
                **(measured if task == "fine" else {}),
            }
            for task in ("coarse", "fine")
        ]
        + [
            {
                "name": task,
                "labels": trained.labels["objects"][place],
                "layers": 2,
                "channels": width,
                "head": "detector",
                "temperature": 1.0,
                "kind": task,
            }
            for task, place in (("detect", 0), ("segment", -1))
        ],
        "parents": trained.labels["parents"],
        "objects": trained.labels["objects"],
        "glance_side": model.glance_side,
        "scene_side": model.scene_side,
        "multiple": model.multiple,
        "latent_stride": model.latent_stride,
        "latents": model.latents,
        "pool": model.pool,
        "detector": {
            "first_map": model.pyramid_from - 2,
            "strides": model.pyramid_strides,
            "prototype_stride": model.prototype_stride,
        },
    }
    compression = trained.compression
    coder, tables = own_tables(compression.coder.export()) if data is None else fit_tables(trained, data)
    arrays: dict[str, dict[str, Any]] = {
        "tables": {"gaussian": TableBank.pack(tables)},
        "codec": {
            **coder.to_arrays(),
            "gain": compression.gain.detach().exp().numpy(),
            "inverse_gain": compression.inverse_gain.detach().exp().numpy(),
        },
    }
    graphs = {name: to_onnx(part) for name, part in dicm_graphs(trained).items()}
    save_bundle(path, manifest, graphs, arrays, force=force)
    return {"fine": measured["temperature"]} if measured else {}


@torch.inference_mode()
def _calibrated(trained: TrainedDicm, data: Path) -> dict[str, Any]:
    """Temperature and evidence of classes, on held-out pictures after coding at the middle quality.

    Groups are sums over the probabilities of classes, and want none of their own.
    """
    _, held_out = labelled(trained.recipe.data, data)
    model, logits, labels = trained.recipe.model, [], []
    for pictures, _, fine in DataLoader(held_out, batch_size=_BATCH):
        features = trained.extractor(normalise(squeeze(pictures.float(), model.glance_side)))
        decoded, _ = trained.compression(features, torch.full_like(fine, QUALITIES // 2))
        pooled = functional.adaptive_avg_pool2d(trained.tail(decoded)[-1], model.pool)
        logits.append(trained.classifier(pooled))
        labels.append(fine)
    found = torch.cat(logits).numpy()
    temperature = fit_temperature(found, torch.cat(labels).numpy().astype(np.int64))
    return {"temperature": round(temperature, 4), "evidence": evidence_quantiles(found)}
