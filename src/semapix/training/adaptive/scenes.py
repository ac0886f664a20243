"""Patches of photos and of scenes whose objects are outlined: what the signal stages train on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor
from torch.utils.data import IterableDataset

from semapix.errors import ArgumentError
from semapix.training.adaptive.maps import random_maps
from semapix.training.data import own_random, random_patch

__all__ = ["MappedPatches", "ScenePatches", "load_scenes"]

_MOST_OBJECTS = 255


def load_scenes(folder: Path) -> list[NDArray[np.uint8]]:
    """Pictures of `folder`/images with their objects as a fourth channel, each uint8 (H, W, 4), 0 being the background.

    Objects are the instances of `folder`/instances_train.json (COCO's form, polygons; crowds are left out), the larger
    ones beneath the smaller ones. Raises ArgumentError when the file is missing.
    """
    path = folder / "instances_train.json"
    if not path.is_file():
        raise ArgumentError(f"{path} does not exist; --data must name the folder above {folder.name}/")
    content = json.loads(path.read_text(encoding="utf-8"))
    objects: dict[int, list[Any]] = {}
    for entry in content["annotations"]:
        if not entry.get("iscrowd"):
            objects.setdefault(entry["image_id"], []).append(entry)
    scenes = []
    for entry in content["images"]:
        picture = Image.open(folder / "images" / entry["file_name"]).convert("RGB")
        mask = Image.new("L", picture.size)
        draw = ImageDraw.Draw(mask)
        largest_first = sorted(objects.get(entry["id"], []), key=lambda x: -x["area"])
        for number, instance in enumerate(largest_first[:_MOST_OBJECTS], start=1):
            for polygon in instance["segmentation"]:
                draw.polygon(polygon, fill=number)
        scenes.append(np.dstack([np.asarray(picture), np.asarray(mask)]))
    return scenes


class ScenePatches(IterableDataset[tuple[Tensor, Tensor]]):
    """An endless row of batches: patches uint8 (B, 3, side, side) and their objects, uint8 (B, side, side).

    `pictures`: uint8 (H, W, 3) or, with objects, (H, W, 4), as large as the patches at least; smaller ones are left
    out. Where a picture has no objects, they are 0.
    """

    def __init__(self, pictures: list[NDArray[np.uint8]], batch: int, side: int, seed: int) -> None:
        self._pictures = [picture for picture in pictures if min(picture.shape[:2]) >= side]
        if not self._pictures:
            raise ArgumentError(f"no picture has {side} pixels a side; choose a smaller side of patches")
        self._batch, self._side, self._seed = batch, side, seed
        area = np.array([p.shape[0] * p.shape[1] for p in self._pictures], float)
        self._share: NDArray[Any] = area / area.sum()

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        rng = own_random(self._seed)
        while True:
            patches = []
            for number in rng.choice(len(self._pictures), self._batch, p=self._share):
                patch = random_patch(self._pictures[number], self._side, rng)
                patches.append(patch if len(patch) == 4 else np.concatenate([patch, np.zeros_like(patch[:1])]))
            batch = torch.from_numpy(np.stack(patches))
            yield batch[:, :3].contiguous(), batch[:, 3].contiguous()


class MappedPatches(IterableDataset[tuple[Tensor, Tensor]]):
    """An endless row of batches: patches uint8 (B, 3, S, S) of `ScenePatches` and random maps for them.

    `shares`: see `random_maps`, which tells of the maps (B, 1, S/16, S/16).
    """

    def __init__(self, patches: ScenePatches, shares: Sequence[float], seed: int) -> None:
        self._patches, self._shares, self._seed = patches, shares, seed

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        random = torch.Generator().manual_seed(int(own_random(self._seed).integers(2**63)))
        for patches, segments in self._patches:
            yield patches, random_maps(segments, self._shares, random)
