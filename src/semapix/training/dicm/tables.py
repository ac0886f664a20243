"""The tables of a DICM model: those of its latents, and those of each channel of its hyper-latent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from semapix.codecs import QUALITIES
from semapix.coding import LatentModel, TableBank
from semapix.training.augment import squeeze
from semapix.training.dicm.model import TrainedDicm
from semapix.training.fitted_tables import Recorder, all_fitted, own_tables
from semapix.training.normalise import normalise
from semapix.training.splits import labelled, middles, photos

__all__ = ["fit_tables"]

_LABELLED = 900
_PHOTOS = 120
_SIDE = 256  # of the middles of photos
_BATCH = 16


@torch.inference_mode()
def fit_tables(trained: TrainedDicm, data: Path) -> tuple[LatentModel, list[NDArray[np.int32]]]:
    """The entropy model of a trained one with tables counted on training pictures, and these tables.

    `data`: where the data sets of the recipe are. See `own_tables` for which table is whose.
    """
    coder, before = own_tables(trained.compression.coder.export())
    section, model = trained.recipe.data, trained.recipe.model
    training, _ = labelled(section, data)
    chosen = training.take(np.random.default_rng(0).permutation(len(training))[:_LABELLED])
    everything, _ = photos(section, data)
    side = min(_SIDE, *(min(photo.shape[:2]) // model.multiple * model.multiple for photo in everything))
    recorder = Recorder(TableBank(before))
    glances = squeeze(torch.from_numpy(chosen.pictures).float(), model.glance_side)
    for pictures in (glances, middles(everything[:_PHOTOS], side).tensors[0]):
        for start in range(0, len(pictures), _BATCH):
            _record(trained, coder, recorder, pictures[start : start + _BATCH], start)
    return coder, all_fitted(before, recorder)


def _record(trained: TrainedDicm, coder: LatentModel, recorder: Recorder, pictures: Tensor, first: int) -> None:
    """Count the symbols of pictures, each at the next quality."""
    level = (torch.arange(len(pictures)) + first) % QUALITIES
    gain = trained.compression.gain[level].exp()[:, :, None, None]
    latent, hyper = trained.compression.analyse(trained.extractor(normalise(pictures.float())), gain)
    for values, above, quality in zip(latent.numpy(), hyper.numpy(), level.tolist(), strict=True):
        coder.encode([recorder], values, above, quality)
