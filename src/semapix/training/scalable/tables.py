"""The tables of a scalable model: those of its latents, and one for each channel of every hyper-latent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semapix.bundle import Bundle
from semapix.codecs import QUALITIES, open_codec
from semapix.coding import LEVELS, TableBank, gaussian_counts, shown_symbols
from semapix.training.fitted_tables import Recorder, fitted_counts
from semapix.training.scalable.recipe import ScalableRecipe
from semapix.training.splits import labelled, middles, photos

__all__ = ["fit_tables", "own_hyper_tables"]

Arrays = Mapping[str, Mapping[str, NDArray[Any]]]

_PHOTOS = 100
_SIDE = 320  # of their middles
_LABELLED = 600
_MACHINE_SHARE = 4  # of the labelled pictures, one in so many is coded for people too


def own_hyper_tables(arrays: Arrays) -> tuple[dict[str, dict[str, NDArray[Any]]], list[NDArray[np.int32]]]:
    """Arrays of a bundle whose hyper-latents have a table for each channel, and all tables, before any is counted.

    Tables 0 to 63 are those of latents by their scales, Gaussians; behind them come the channels of hyper-latents in
    the order of `arrays`, each a Gaussian of the scale that training found at the middle quality. The scales themselves
    are kept as `trained_hyper_levels`, for training to go on from.
    """
    gaussian = gaussian_counts()
    tables, changed = list(gaussian), {name: dict(group) for name, group in arrays.items()}
    for group in changed.values():
        if "hyper_levels" in group:
            levels = group["hyper_levels"]
            own = np.arange(len(tables), len(tables) + levels.shape[1])
            tables += [gaussian[level] for level in levels[len(levels) // 2]]
            group["trained_hyper_levels"] = levels
            group["hyper_levels"] = np.tile(own, (len(levels), 1)).astype(np.uint8)
    if len(tables) > 256:
        raise ValueError(f"{len(tables)} tables do not fit into one byte")
    return changed, tables


def fit_tables(
    recipe: ScalableRecipe,
    arrays: Arrays,
    data: Path,
    save: Callable[[Path, Arrays], None],
    folder: Path,
) -> Arrays:
    """The arrays of a bundle with tables counted on training pictures of a recipe.

    `save`: writes a bundle with arrays to a path; `folder`: where one may stand while this runs.
    """
    changed, before = own_hyper_tables(arrays)
    changed["tables"] = {"gaussian": TableBank.pack(before)}
    path = folder / "uncounted.spxm"
    save(path, changed)
    codec, recorder = open_codec(Bundle(path)), Recorder(TableBank(before))
    training, _ = labelled(recipe.data, data)
    pictures, _ = photos(recipe.data, data)
    chosen = training.take(np.random.default_rng(0).permutation(len(training))[:_LABELLED])
    side = min(_SIDE, *(min(photo.shape[:2]) for photo in pictures))
    crops = middles(pictures[:_PHOTOS], side).tensors[0].numpy()
    with shown_symbols(recorder.encode):
        for number, small in enumerate(chosen.pictures.transpose(0, 2, 3, 1)):
            if number % _MACHINE_SHARE:
                codec.encode_machine(small)
            else:
                codec.encode(small, 1 + number // _MACHINE_SHARE % QUALITIES)
        for number, crop in enumerate(crops.transpose(0, 2, 3, 1)):
            codec.encode(crop, 1 + number % QUALITIES)
    tables = fitted_counts(before[:LEVELS], recorder.counts[:LEVELS], symmetric=True)
    tables += fitted_counts(before[LEVELS:], recorder.counts[LEVELS:], symmetric=False)
    changed["tables"] = {"gaussian": TableBank.pack(tables)}
    return changed
