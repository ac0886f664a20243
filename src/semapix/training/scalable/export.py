"""From a scalable model to a bundle: graphs, integer tables, manifest, fingerprint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semapix.bundle import save_bundle
from semapix.codecs import QUALITIES
from semapix.coding import TableBank, gaussian_counts
from semapix.training.onnx_graph import to_onnx
from semapix.training.scalable.calibrate import Calibration
from semapix.training.scalable.graphs import scalable_graphs
from semapix.training.scalable.model import TrainedScalable
from semapix.training.scalable.nets.outer import OUTER_FACTOR, OUTER_LEVELS, OUTER_REACH, OUTER_STRIDE
from semapix.training.scalable.tables import fit_tables

__all__ = ["export_scalable"]


def _unit(unit: Any, *scales: str) -> dict[str, NDArray[Any]]:
    """The entropy model, the gains and the `scales` of a unit.

    Exponentials in double precision, so that processors and restored checkpoints agree on every bit.
    """
    gains = {name: np.exp(getattr(unit, name).detach().double().numpy()) for name in ("gain", "inverse_gain")}
    return {
        **unit.coder.export().to_arrays(),
        **{name: values.astype(np.float32) for name, values in gains.items()},
        **{name: getattr(unit, name).detach().numpy() for name in scales},
    }


def _arrays(trained: TrainedScalable) -> dict[str, dict[str, NDArray[Any]]]:
    """All groups by name, `outer` before the layers of the core: so its tables have the same numbers in every model."""
    groups = {"tables": {"gaussian": TableBank.pack(gaussian_counts())}}
    groups["outer"] = _unit(trained.outer, "analysis_scale", "synthesis_scale")
    return groups | {f"s{layer}": _unit(unit) for layer, unit in enumerate(trained.compression.units, start=1)}


def _task(
    name: str, labels: list[str], layers: int, channels: int, calibrations: Mapping[str, Calibration]
) -> dict[str, Any]:
    calibration = calibrations.get(name)
    return {
        "name": name,
        "labels": labels,
        "layers": layers,
        "channels": channels,
        "head": f"head.{name}",
        **({"temperature": 1.0} if calibration is None else asdict(calibration)),
    }


def export_scalable(
    trained: TrainedScalable,
    path: Path,
    calibrations: Mapping[str, Calibration] | None = None,
    *,
    data: Path | None = None,
    force: bool = False,
) -> None:
    """Write the bundle of a scalable model.

    `calibrations`: of tasks by their names; of a task that has none the temperature is 1, and it does not tell foreign
    pictures. `data`: where the data sets of the recipe are, for tables counted on them; without, they are Gaussians.
    Raises OutputError if `path` exists and `force` is not set.
    """
    model = trained.model
    known = calibrations or {}
    levels = len(model.lifting_hidden)
    manifest = {
        "name": path.stem,
        "codec": "scalable",
        "recipe": asdict(trained.recipe),
        "tasks": [
            _task("coarse", trained.coarse_names, 1, model.coarse_channels, known),
            _task("fine", trained.fine_names, 2, 3 * 2**levels, known),
        ],
        "parents": trained.parents,
        "core": {
            "side": model.core_side,
            "levels": levels,
            "qualities": QUALITIES,
            "coarse_channels": model.coarse_channels,
            "band_shapes": trained.band_shapes,
            "latent_shapes": trained.latent_shapes,
            "finer_under_scales": model.core_finer_under_scales,
        },
        "outer": {
            "latents": sum(model.outer_groups),
            "groups": len(model.outer_groups),
            "split_pixels": model.outer_split_pixels,
            "error_weight": model.outer_error_weight,
            "levels": OUTER_LEVELS,
            "factor": OUTER_FACTOR,
            "reach": OUTER_REACH,
            "stride": OUTER_STRIDE,
            "finer_by_scale": model.outer_finer_by_scale,
            "margin": trained.outer.margin,
        },
    }
    graphs = {name: to_onnx(part) for name, part in scalable_graphs(trained).items()}

    def save(where: Path, arrays: Mapping[str, Mapping[str, NDArray[Any]]]) -> None:
        save_bundle(where, manifest, graphs, arrays, force=force)

    arrays: Mapping[str, Mapping[str, NDArray[Any]]] = _arrays(trained)
    if data is not None:
        with TemporaryDirectory() as folder:
            arrays = fit_tables(trained.recipe, arrays, data, save, Path(folder))
    save(path, arrays)
