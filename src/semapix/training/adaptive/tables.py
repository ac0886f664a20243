"""The tables of an adaptive model: those of its latent, and those of each channel of its hyper-latent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from semapix.coding import LatentModel, TableBank
from semapix.training.adaptive.maps import random_maps
from semapix.training.adaptive.model import TrainedAdaptive
from semapix.training.adaptive.nets.codec import map_symbols, spread_map
from semapix.training.fitted_tables import Recorder, all_fitted, own_tables
from semapix.training.normalise import normalise
from semapix.training.splits import middles, photos

__all__ = ["fit_tables"]

_SIDE = 256  # of the middles of training photos
_SHARES = (0.5, 0.0, 0.2, 0.3)  # of the kinds of maps
_ROUNDS = 2  # maps for each photo
_BATCH = 16


@torch.inference_mode()
def fit_tables(trained: TrainedAdaptive, data: Path) -> tuple[LatentModel, list[NDArray[np.int32]]]:
    """The entropy model of a trained one with tables counted on training photos, and these tables.

    `data`: where the data sets of the recipe are. See `own_tables` for which table is whose.
    """
    model, network = trained.recipe.model, trained.network
    coder, before = own_tables(network.coder.export())
    pictures, _ = photos(trained.recipe.data, data)
    side = min(_SIDE, *(min(photo.shape[:2]) // 64 * 64 for photo in pictures))
    crops = middles(pictures, side).tensors[0]
    recorder, random = Recorder(TableBank(before)), torch.Generator().manual_seed(0)
    nothing = torch.zeros(_BATCH, side, side, dtype=torch.uint8)
    for start in range(0, _ROUNDS * len(crops), _BATCH):
        batch = normalise(crops[torch.arange(start, start + _BATCH) % len(crops)].float())
        quality = random_maps(nothing, _SHARES, random)
        symbols = map_symbols(quality)
        latent = network.encoder(batch, quality, spread_map(symbols, *quality.shape[2:]))
        hyper = torch.cat([symbols, network.hyper_encoder(latent)], dim=1)
        for values, above, level in zip(latent.numpy(), hyper.numpy(), network.level(quality).tolist(), strict=True):
            coder.encode([recorder], values, above, level, None, model.error_weight)
    return coder, all_fitted(before, recorder)
