"""Which pictures train and which are held out: the same ones in every stage, run and calibration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional
from torch.utils.data import TensorDataset

from semapix.errors import ArgumentError
from semapix.training.data import LabelledPictures, load_labelled, load_photos
from semapix.training.sections import RecipeData

__all__ = ["label_spaces", "labelled", "middles", "photos"]

_THUMBNAIL = 6  # pixels a side: pictures are alike when these are
_GROUP = 6  # pictures, on the mean


def labelled(section: RecipeData, data: Path) -> tuple[LabelledPictures, TensorDataset]:
    """The labelled pictures that train, and the held-out ones as tensors: every n-th of a fixed random order.

    With `held_out_alike`, whole groups of look-alikes, of every class about one in n pictures. Raises ArgumentError
    when classes are so uniform that none can be held out.
    """
    pictures = load_labelled(data / section.labelled, section.labelled_files, section.labelled_side)
    if section.held_out_alike:
        chosen = _groups_held_out(pictures, section.held_out)
    else:
        order = np.random.default_rng(0).permutation(len(pictures))
        chosen = np.zeros(len(pictures), bool)
        chosen[order[:: section.held_out]] = True
    held_out = pictures.take(np.flatnonzero(chosen))
    tensors = (torch.from_numpy(x) for x in (held_out.pictures, held_out.coarse, held_out.fine))
    return pictures.take(np.flatnonzero(~chosen)), TensorDataset(*tensors)


def label_spaces(pictures: LabelledPictures) -> dict[str, list[Any]]:
    """Names of the `coarse` and `fine` labels, and `parents`, the coarse label of each fine one."""
    return {"coarse": pictures.coarse_names, "fine": pictures.fine_names, "parents": pictures.parents}


def photos(section: RecipeData, data: Path) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.uint8]]]:
    """The photos that train, and the held-out ones, each uint8 (H, W, 3)."""
    everything, every = load_photos(data / section.photos), section.held_out_photos
    return [photo for i, photo in enumerate(everything) if i % every], everything[::every]


def middles(pictures: list[NDArray[np.uint8]], side: int) -> TensorDataset:
    """The middle of every photo, (N, 3, side, side)."""
    crops = []
    for photo in pictures:
        if min(photo.shape[:2]) < side:
            raise ArgumentError(
                f"a photo of {photo.shape[1]}x{photo.shape[0]} pixels is too small; the recipe needs {side} a side"
            )
        top, left = (photo.shape[0] - side) // 2, (photo.shape[1] - side) // 2
        crops.append(photo[top : top + side, left : left + side].transpose(2, 0, 1))
    return TensorDataset(torch.from_numpy(np.stack(crops)))


def _groups_held_out(pictures: LabelledPictures, every: int) -> NDArray[np.bool_]:
    """Which pictures are held out: of each class groups of look-alikes in random order, until they hold its share."""
    random, chosen = np.random.default_rng(0), np.zeros(len(pictures), bool)
    thumbnails = functional.interpolate(
        torch.from_numpy(pictures.pictures).float(), size=(_THUMBNAIL, _THUMBNAIL), mode="area"
    )
    for fine in np.unique(pictures.fine):
        members = np.flatnonzero(pictures.fine == fine)
        groups = _alike(thumbnails[members].flatten(1).numpy().astype(np.float64))
        left = len(members) // every
        for group in random.permutation(np.unique(groups))[:-1]:  # one group trains, whatever its size
            inside = members[groups == group]
            if len(inside) < 2 * left:  # so that what is held out comes nearer to its share
                chosen[inside] = True
                left -= len(inside)
    if not chosen.any():
        raise ArgumentError(f"held_out (=1 in {every}): no class has a group of look-alikes to spare; lower it")
    return chosen


def _alike(thumbnails: NDArray[np.float64]) -> NDArray[np.int64]:
    """The group of each picture (N, features): the two groups that are nearest on the mean become one, again and again.

    Average linkage (Sokal and Michener, 1958), until groups have some six pictures each.
    """
    apart = np.square(thumbnails[:, None] - thumbnails).sum(2)
    np.fill_diagonal(apart, np.inf)
    groups, sizes = np.arange(len(thumbnails)), np.ones(len(thumbnails))
    for _ in range(len(thumbnails) - max(1, len(thumbnails) // _GROUP)):
        kept, joined = np.unravel_index(apart.argmin(), apart.shape)
        apart[kept] = np.average(apart[[kept, joined]], axis=0, weights=sizes[[kept, joined]])
        apart[:, kept], apart[joined], apart[:, joined] = apart[kept], np.inf, np.inf
        sizes[kept] += sizes[joined]
        groups[groups == joined] = kept
    return groups
