"""From a DeepSIC model to a bundle: graphs, gains, contexts of the bit-plane coder, calibrated tasks."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from semapix.bundle import save_bundle
from semapix.codecs import QUALITIES
from semapix.coding import whole_values
from semapix.tasks import fit_temperature
from semapix.training.augment import squeeze
from semapix.training.deepsic.contexts import fit_contexts, node_means
from semapix.training.deepsic.model import TrainedDeepsic, deepsic_graphs
from semapix.training.normalise import normalise
from semapix.training.onnx_graph import to_onnx
from semapix.training.splits import labelled, middles, photos

__all__ = ["export_deepsic"]

_BATCH = 64
_CONTEXT_LABELLED = 150  # squeezed pictures that contexts are counted on, beside photos


def export_deepsic(trained: TrainedDeepsic, path: Path, data: Path, *, force: bool = False) -> dict[str, float]:
    """Write the bundle of a DeepSIC model, and return the temperature of each task that has one.

    `data`: where the data sets of the recipe are. The bit-plane coder's contexts are counted on training pictures,
    temperatures fitted on held-out ones. Raises OutputError if `path` exists and `force` is not set.
    """
    recipe, model = trained.recipe, trained.recipe.model
    samples = _samples(trained, data)
    contexts = fit_contexts(samples, model.plane_groups)
    temperatures = _temperatures(trained, data)
    manifest = {
        "name": path.stem,
        "codec": "deepsic",
        "recipe": asdict(recipe),
        "tasks": [
            {
                "name": task,
                "labels": trained.labels[task],
                "layers": 1,
                "channels": model.head_widths[-1],
                "head": "head",
                "temperature": temperatures.get(task, 1.0),
            }
            for task in ("coarse", "fine")
        ],
        "parents": trained.labels["parents"],
        "core_side": model.core_side,
        "stride": trained.stride,
        "margin": _margin(trained),
        "dead_zone": model.dead_zone,
        "split_pixels": model.split_pixels,
    }
    quantiser = trained.quantiser
    gains: dict[str, NDArray[np.floating]] = {
        "gain": quantiser.gain.detach().exp().numpy(),
        "inverse_gain": quantiser.inverse_gain.detach().exp().numpy(),
        "means": np.stack([node_means(level) for level in samples]),
    }
    graphs = {name: to_onnx(part) for name, part in deepsic_graphs(trained).items()}
    save_bundle(path, manifest, graphs, {"contexts": contexts.to_arrays(), "gains": gains}, force=force)
    return temperatures


def _margin(trained: TrainedDeepsic) -> int:
    """How many pixels beyond a tile the networks see, rounded up to whole features."""
    model, stride = trained.recipe.model, trained.stride
    reach, step = 0, 1
    for kernel, factor in zip(model.kernels, model.strides, strict=True):
        reach += step * (kernel // 2)
        step *= factor
    seen = 0
    for kernel, factor in zip([*reversed(model.kernels[1:]), 3], reversed(model.strides), strict=True):
        # The kernel, what a deconvolution spreads, and the reach of linear interpolation.
        seen += step * (kernel // 2) + (step if factor > 1 else 0)
        step //= factor
    seen += model.strides[0]  # the 3x3 detail before the pixels
    return -(-max(reach, seen) // stride) * stride


@torch.inference_mode()
def _samples(trained: TrainedDeepsic, data: Path) -> list[list[NDArray[np.uint8]]]:
    """Quantised features (C, h, w) of training pictures, at each quality level."""
    recipe = trained.recipe
    training, _ = labelled(recipe.data, data)
    chosen = training.take(np.random.default_rng(0).permutation(len(training))[:_CONTEXT_LABELLED])
    pictures, _ = photos(recipe.data, data)
    side = min(recipe.model.context_side, *(min(photo.shape[:2]) for photo in pictures))
    crops = middles(pictures[: recipe.model.context_photos], side).tensors[0]
    small = squeeze(torch.from_numpy(chosen.pictures).float(), recipe.model.core_side)
    found: list[list[NDArray[np.uint8]]] = [[] for _ in range(QUALITIES)]
    for group in (crops.float(), small):
        for start in range(0, len(group), _BATCH):
            features = trained.features(normalise(group[start : start + _BATCH]))
            for level, values in enumerate(found):
                scaled = features * trained.quantiser.gain[level].exp()[:, None, None]
                values += list(whole_values(scaled.numpy(), recipe.model.dead_zone))
    return found


@torch.inference_mode()
def _temperatures(trained: TrainedDeepsic, data: Path) -> dict[str, float]:
    """Of classes, on held-out pictures, as their features are after coding at the middle quality.

    Groups are sums over the probabilities of classes, and want none of their own.
    """
    _, held_out = labelled(trained.recipe.data, data)
    side, logits, labels = trained.recipe.model.core_side, [], []
    for pictures, _, fine in DataLoader(held_out, batch_size=_BATCH):
        features = trained.features(normalise(squeeze(pictures.float(), side)))
        decoded, _ = trained.quantiser(features, torch.full_like(fine, QUALITIES // 2))
        logits.append(trained.semantics(decoded))
        labels.append(fine)
    temperature = fit_temperature(torch.cat(logits).numpy(), torch.cat(labels).numpy().astype(np.int64))
    return {"fine": round(temperature, 4)}
