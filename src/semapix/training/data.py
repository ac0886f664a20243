"""Training pictures: Parquet files of encoded images with labels, decoded once to uint8 in memory."""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from semapix.errors import ArgumentError

__all__ = [
    "Batches",
    "LabelledPictures",
    "Numbered",
    "Patches",
    "Together",
    "first_pictures",
    "load_labelled",
    "load_photos",
    "own_random",
    "random_patch",
]


@dataclass(frozen=True)
class LabelledPictures:
    """Pictures of one size with a coarse and a fine label.

    `pictures`: uint8 (N, 3, S, S). `coarse`, `fine`: int64 (N,).
    `coarse_names`, `fine_names`: the label spaces; `parents`: the coarse label of each fine one.
    """

    pictures: NDArray[np.uint8]
    coarse: NDArray[np.int64]
    fine: NDArray[np.int64]
    coarse_names: list[str]
    fine_names: list[str]
    parents: list[int]

    def __len__(self) -> int:
        return len(self.fine)

    def take(self, index: NDArray[np.int64]) -> LabelledPictures:
        """The pictures at the positions of `index`."""
        return LabelledPictures(
            self.pictures[index],
            self.coarse[index],
            self.fine[index],
            self.coarse_names,
            self.fine_names,
            self.parents,
        )


def _label_spaces(folder: Path) -> tuple[list[str], list[str], list[int], str]:
    """Names of coarse and fine labels, parents, and the Parquet column of the fine label."""
    path = folder / "labels.json"
    if not path.is_file():
        raise ArgumentError(f"{path} does not exist; --data must name the folder above {folder.name}/")
    labels = json.loads(path.read_text(encoding="utf-8"))
    if "groups" in labels:  # objects: groups and labels
        fine = labels["labels"]
        return labels["groups"], [x["name"] for x in fine], [x["group"] for x in fine], "label"
    fine = labels["fine"]  # grocery: coarse and fine
    return labels["coarse"], [x["name"] for x in fine], [x["coarse"] for x in fine], "fine"


def _through_jpeg(image: Image.Image, seed: int) -> Image.Image:
    """Give a picture the compression history that the 64-pixel pictures have: sharpness must not tell the class."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=int(np.random.default_rng(seed).integers(60, 96)))
    return Image.open(buffer)


def _decode(job: tuple[int, bytes, int]) -> NDArray[np.uint8]:
    seed, encoded, side = job
    image: Image.Image = Image.open(io.BytesIO(encoded)).convert("RGB")
    if image.size != (side, side):
        image = image.resize((side, side), Image.Resampling.LANCZOS)
        image = _through_jpeg(image, seed).convert("RGB")
    return np.asarray(image).transpose(2, 0, 1)


def load_labelled(folder: Path, pattern: str, side: int) -> LabelledPictures:
    """Read all Parquet files of `folder` that match `pattern`, every picture squeezed to `side` x `side`."""
    coarse_names, fine_names, parents, column = _label_spaces(folder)
    files = sorted(folder.glob(pattern))
    if not files:
        raise ArgumentError(f"{folder}: no file matches {pattern}; --data must name the folder above")
    encoded: list[bytes] = []
    fine: list[int] = []
    for file in files:
        table = pq.read_table(file, columns=["image", column])
        encoded += table["image"].to_pylist()
        fine += table[column].to_pylist()
    with ThreadPoolExecutor() as pool:
        decoded = pool.map(_decode, ((i, data, side) for i, data in enumerate(encoded)), chunksize=256)
        pictures = np.empty((len(encoded), 3, side, side), np.uint8)
        for i, picture in enumerate(decoded):
            pictures[i] = picture
    labels = np.asarray(fine, np.int64)
    return LabelledPictures(pictures, np.asarray(parents, np.int64)[labels], labels, coarse_names, fine_names, parents)


def own_random(seed: int) -> np.random.Generator:
    """A random generator that differs between devices, their worker processes and runs.

    So no two of them make the same batches, and a resumed stage sees new ones.
    """
    worker = get_worker_info()
    rank, number = int(os.environ.get("LOCAL_RANK", "0")), 0 if worker is None else worker.id
    return np.random.default_rng([seed, rank, number, time.time_ns()])


def first_pictures(batches: Iterable[Tensor], count: int) -> Tensor:
    """The first `count` pictures (N, 3, H, W) of a row of batches, whatever their sizes."""
    taken: list[Tensor] = []
    for batch in batches:
        taken.append(batch)
        if sum(map(len, taken)) >= count:
            break
    return torch.cat(taken)[:count]


class Batches(IterableDataset[tuple[Tensor, Tensor, Tensor]]):
    """An endless row of random batches: uint8 pictures (B, 3, S, S), coarse and fine labels (B,).

    Classes are drawn in proportion to `min(count, cap)`, where cap is the median count, so that a class with more
    pictures than others is no more likely than they.
    """

    def __init__(self, data: LabelledPictures, batch: int, seed: int) -> None:
        self._pictures = torch.from_numpy(data.pictures)
        self._coarse = torch.from_numpy(data.coarse)
        self._fine = torch.from_numpy(data.fine)
        counts = np.bincount(data.fine, minlength=len(data.fine_names))
        cap = np.median(counts[counts > 0])
        weight = np.minimum(counts, cap) / np.maximum(counts, 1)
        self._weights = weight[data.fine]
        self._batch, self._seed = batch, seed

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        rng = own_random(self._seed)
        while True:
            # One pass: every picture at most once, those of over-represented classes with probability below one.
            chosen = np.flatnonzero(rng.random(len(self._weights)) < self._weights)
            rng.shuffle(chosen)
            if len(chosen) < self._batch:
                chosen = rng.choice(chosen, self._batch)
            for start in range(0, len(chosen) - self._batch + 1, self._batch):
                index = torch.from_numpy(chosen[start : start + self._batch])
                yield self._pictures[index], self._coarse[index], self._fine[index]


class Numbered(IterableDataset[tuple[Tensor, Tensor]]):
    """An endless row of random batches of pictures, uint8 (B, 3, S, S), each with its number; every pass shows all."""

    def __init__(self, pictures: NDArray[np.uint8], batch: int, seed: int) -> None:
        self._pictures, self._batch, self._seed = torch.from_numpy(pictures), min(batch, len(pictures)), seed

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        rng = own_random(self._seed)
        while True:
            order = torch.from_numpy(rng.permutation(len(self._pictures)))
            for start in range(0, len(order) - self._batch + 1, self._batch):
                index = order[start : start + self._batch]
                yield self._pictures[index], index


def load_photos(folder: Path) -> list[NDArray[np.uint8]]:
    """The photos of all Parquet files in `folder`, each uint8 (H, W, 3)."""
    photos: list[NDArray[np.uint8]] = []
    for file in sorted(folder.glob("*.parquet")):
        for encoded in pq.read_table(file, columns=["image"])["image"].to_pylist():
            photos.append(np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB")))
    if not photos:
        raise ArgumentError(f"{folder}: no Parquet file with photos; --data must name the folder above")
    return photos


def random_patch(photo: NDArray[np.uint8], side: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A random patch (C, side, side) of a photo (H, W, C), mirrored at random; half of those of photos are reduced.

    A reduced patch is taken from the photo shrunk by a random factor down to 1/3, which shows a network the sharpness
    of every scale that it will meet. Pictures with a fourth channel are never reduced: it holds no colours.
    """
    height, width, channels = photo.shape
    factor = 1.0
    if channels == 3 and rng.random() < 0.5:
        factor = rng.uniform(1.0, min(3.0, height / side, width / side))
    reach = int(side * factor)
    top = rng.integers(0, height - reach + 1)
    left = rng.integers(0, width - reach + 1)
    crop = photo[top : top + reach, left : left + reach]
    if reach != side:
        crop = np.asarray(Image.fromarray(crop).resize((side, side), Image.Resampling.BOX))
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    if rng.random() < 0.5:
        crop = crop.transpose(1, 0, 2)
    return crop.transpose(2, 0, 1)


class Patches(IterableDataset[Tensor]):
    """An endless row of random patches: uint8 (B, 3, side, side), see `random_patch`."""

    def __init__(self, photos: list[NDArray[np.uint8]], batch: int, side: int, seed: int) -> None:
        self._photos, self._batch, self._side, self._seed = photos, batch, side, seed
        area = np.array([p.shape[0] * p.shape[1] for p in photos], float)
        self._share: NDArray[Any] = area / area.sum()

    def __iter__(self) -> Iterator[Tensor]:
        rng = own_random(self._seed)
        while True:
            chosen = rng.choice(len(self._photos), self._batch, p=self._share)
            yield torch.from_numpy(np.stack([random_patch(self._photos[i], self._side, rng) for i in chosen]))


class Together(IterableDataset[tuple[Any, ...]]):
    """Batches of several endless rows at once, as tuples."""

    def __init__(self, *rows: IterableDataset[Any]) -> None:
        self._rows = rows

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return zip(*self._rows, strict=True)
