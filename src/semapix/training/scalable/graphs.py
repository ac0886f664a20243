"""The graphs of a scalable model: which callable makes up each named graph, and the shapes that it is exported with."""

from __future__ import annotations

import torch

from semapix.training.graph_part import GraphPart, MethodModule
from semapix.training.scalable.model import TrainedScalable

__all__ = ["scalable_graphs"]


def scalable_graphs(trained: TrainedScalable) -> dict[str, GraphPart]:
    """All graphs by name. The arrays that go in are those that `semapix.codecs.scalable` gives."""
    parts: dict[str, GraphPart] = {}
    side = trained.model.core_side
    lifting, compression = trained.transform.lifting, trained.compression

    bands = []
    for level, step in enumerate(lifting.steps, start=1):
        band = torch.zeros(1, 3 * 2**level, side >> level, side >> level)
        bands.append(band)
        parts[f"predict{level}"] = GraphPart(step.predict, (band,))
        parts[f"update{level}"] = GraphPart(step.update, (band,))

    for layer, (unit, band, latent) in enumerate(
        zip(compression.units, trained.band_shapes, trained.latent_shapes, strict=True), start=1
    ):
        gain = torch.ones(1, latent[0], 1, 1)
        parts[f"s{layer}.analysis"] = GraphPart(MethodModule(unit, unit.analyse), (torch.zeros(1, *band), gain))
        parts[f"s{layer}.synthesis"] = GraphPart(MethodModule(unit, unit.synthesise), (torch.zeros(1, *latent), gain))
    seen = [bands[-1][:, : trained.model.coarse_channels], *reversed(bands)]
    for layer, (predictor, band) in enumerate(zip(compression.predictors, seen, strict=True), start=2):
        parts[f"predict.s{layer}"] = GraphPart(predictor, (band,))
    parts["post"] = GraphPart(compression.post, (torch.zeros(1, 3, side, side),))
    parts["head.coarse"] = GraphPart(trained.transform.coarse, (seen[0],))
    parts["head.fine"] = GraphPart(trained.transform.fine, (bands[-1],))

    outer, model = trained.outer, trained.model
    picture = torch.zeros(1, 3, 64, 64)
    latents = sum(model.outer_groups)
    latent_map, gain = torch.zeros(1, latents, 4, 4), torch.ones(1, latents, 1, 1)
    channels = torch.ones(1, sum(model.outer_widths), 1, 1)
    parts["outer.analysis"] = GraphPart(MethodModule(outer, outer.analyse), (picture, picture, channels, gain), True)
    parts["outer.hyper"] = GraphPart(outer.hyper_analysis, (latent_map,), True)
    parts["outer.synthesis"] = GraphPart(
        MethodModule(outer, outer.synthesise), (latent_map, picture, channels, gain), True
    )
    return parts
