"""Scenes with objects, from folders in COCO's form, and random views of them with their boxes and masks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor
from torch.utils.data import IterableDataset, TensorDataset

from semapix.errors import ArgumentError
from semapix.tasks import check_entry, places, read_annotations
from semapix.training.data import own_random
from semapix.training.dicm.targets import Truth, Wanted, map_reach, wanted

__all__ = ["Scene", "SceneViews", "WantedViews", "class_names", "fitted", "load_scenes"]

_ANNOTATIONS = "instances_train.json"
_SMALLEST, _LARGEST = 0.5, 1.6  # how large a view shows a scene, beside fitting into the square
_LEAST_SEEN = 0.35  # share of a box that must be in the view, or the object neither counts nor is wrong to be found
_LEAST_SIDE = 3.0  # pixels

Polygons = list[NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture, uint8 (H, W, 3), and its objects.

    `boxes`: (n, 4), x0, y0, x1, y1 in pixels. `classes`: (n,), -1 for those that neither count nor are wrong to be
    found. `polygons`: of each object, (k, 2) each; empty where none are known. `known`: how many classes, from the
    first on, the picture was searched for.
    """

    pixels: NDArray[np.uint8]
    boxes: NDArray[np.float64]
    classes: NDArray[np.int64]
    polygons: list[Polygons]
    known: int


def class_names(folders: Sequence[Path], aliases: Mapping[str, str]) -> list[list[str]]:
    """Classes of each folder by their names in the first one, each list the start of the next.

    `aliases`: names elsewhere, to names in the first folder. Raises ArgumentError when a folder lacks a class that an
    earlier one has: its pictures were not searched for it.
    """
    names: list[list[str]] = []
    for folder in folders:
        content, where = read_annotations(folder / _ANNOTATIONS)
        mine = [aliases.get(str(entry["name"]), str(entry["name"])) for entry in content["categories"]]
        before = names[-1] if names else []
        missing = [name for name in before if name not in mine]
        if missing:
            raise ArgumentError(f"{where}: has no class {missing[0]!r}; state in `aliases` what it is called there")
        names.append([*before, *(name for name in mine if name not in before)])
    return names


def load_scenes(folder: Path, names: Sequence[str], aliases: Mapping[str, str]) -> list[Scene]:
    """The training scenes of a folder; `names`: its classes, in their order.

    Raises ArgumentError for a file that is missing or incomplete.
    """
    content, where = read_annotations(folder / _ANNOTATIONS)
    number = {entry["id"]: names.index(aliases.get(entry["name"], entry["name"])) for entry in content["categories"]}
    things: dict[int, list[Mapping[str, object]]] = {}
    for i, thing in enumerate(content["annotations"]):
        check_entry(thing, ["image_id", "category_id", "bbox"], f"{where}: annotation {i}")
        things.setdefault(thing["image_id"], []).append(thing)
    scenes = []
    for i, entry in enumerate(content["images"]):
        check_entry(entry, ["id", "file_name"], f"{where}: image {i}")
        file = folder / "images" / entry["file_name"]
        if not file.is_file():
            raise ArgumentError(f"{file} does not exist, and {where} names it")
        with Image.open(file) as image:
            pixels = np.asarray(image.convert("RGB"))
        mine: list[Mapping[str, object]] = things.get(entry["id"], [])
        boxes = np.array([thing["bbox"] for thing in mine], float).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        counted = [not (thing.get("iscrowd") or thing.get("ignore")) for thing in mine]
        classes = [number[thing["category_id"]] if counts else -1 for thing, counts in zip(mine, counted, strict=True)]
        scenes.append(Scene(pixels, boxes, np.array(classes, np.int64), [_polygons(t) for t in mine], len(names)))
    return scenes


def _polygons(thing: Mapping[str, object]) -> Polygons:
    outlines = thing.get("segmentation")
    if not isinstance(outlines, list):  # run lengths mark crowds
        return []
    return [np.array(outline, float).reshape(-1, 2) for outline in outlines if len(outline) >= 6]


@dataclass(frozen=True, eq=False)
class _Placed:
    """A scene drawn into a square: `scale` and `shift` of x and y, `mirror`: whether it is mirrored in itself first."""

    scene: Scene
    scale: tuple[float, float]
    shift: tuple[float, float]
    mirror: bool

    def draw(self, canvas: NDArray[np.uint8], window: tuple[int, int, int, int]) -> None:
        """Draw into `window` (left, top, right, bottom) of the canvas, the scene's edges repeated around it."""
        left, top, right, bottom = window
        image = Image.fromarray(self.scene.pixels)
        width, height = image.size
        # Only the part that shows is resampled.
        shown = [max(left, round(self.shift[0])), max(top, round(self.shift[1]))]
        shown += [min(right, round(self.shift[0] + width * self.scale[0]))]
        shown += [min(bottom, round(self.shift[1] + height * self.scale[1]))]
        if shown[2] <= shown[0] or shown[3] <= shown[1]:
            canvas[top:bottom, left:right] = 127
            return
        source = [(shown[i] - self.shift[i % 2]) / self.scale[i % 2] for i in range(4)]
        limits = (width, height, width, height)
        source = [min(max(value, 0.0), limit) for value, limit in zip(source, limits, strict=True)]
        if self.mirror:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        size = (shown[2] - shown[0], shown[3] - shown[1])
        part = np.asarray(image.resize(size, Image.Resampling.BILINEAR, tuple(source), reducing_gap=2.0))
        margins = ((shown[1] - top, bottom - shown[3]), (shown[0] - left, right - shown[2]), (0, 0))
        canvas[top:bottom, left:right] = np.pad(part, margins, "edge")

    def points(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (n, 2) of the scene, in pixels of the square."""
        points = points.copy()
        if self.mirror:
            points[:, 0] = self.scene.pixels.shape[1] - points[:, 0]
        return points * self.scale + self.shift


def _truth(parts: Sequence[tuple[_Placed, tuple[int, int, int, int]]], side: int, stride: int) -> Truth:
    """The objects of placed scenes, cut to the windows that show them; masks at every `stride`-th pixel."""
    boxes, classes, masks, has_mask = [], [], [], []
    cells = side // stride
    for placed, (left, top, right, bottom) in parts:
        scene = placed.scene
        for box, label, polygons in zip(scene.boxes, scene.classes, scene.polygons, strict=True):
            corners = placed.points(box.reshape(2, 2))
            low, high = corners.min(axis=0), corners.max(axis=0)
            seen_low, seen_high = low.clip((left, top), (right, bottom)), high.clip((left, top), (right, bottom))
            seen = seen_high - seen_low
            if seen.min() < _LEAST_SIDE:
                if seen.min() > 0:  # too small to be told, and not wrong to be
                    boxes.append([*seen_low, *seen_high])
                    classes.append(-1)
                    masks.append(np.zeros((cells, cells), np.float32))
                    has_mask.append(False)
                continue
            enough = seen.prod() >= _LEAST_SEEN * (high - low).prod()
            boxes.append([*seen_low, *seen_high])
            classes.append(int(label) if enough else -1)
            masks.append(_drawn([placed.points(polygon) for polygon in polygons], side, stride))
            has_mask.append(bool(polygons) and enough)
    return Truth(
        torch.tensor(np.array(boxes, np.float32).reshape(-1, 4)),
        torch.tensor(classes, dtype=torch.long),
        torch.from_numpy(np.array(masks, np.float32).reshape(-1, cells, cells)),
        torch.tensor(has_mask, dtype=torch.bool),
        min(placed.scene.known for placed, _ in parts),
    )


def _drawn(outlines: Polygons, side: int, stride: int) -> NDArray[np.float32]:
    """A mask (h, w), 0 or 1, of cells that lie in polygons by more than half."""
    if not outlines:
        return np.zeros((side // stride, side // stride), np.float32)
    sheet = Image.new("L", (side, side))
    for outline in outlines:
        points = outline - 0.5  # the middle of a pixel is a whole number to the pen
        ImageDraw.Draw(sheet).polygon([(float(x), float(y)) for x, y in points], fill=255)
    return (np.asarray(sheet.reduce(stride)) > 127).astype(np.float32)


def _fitted(scene: Scene, side: int, factor: float, rng: np.random.Generator | None) -> _Placed:
    """A scene whose longer side takes `factor` of a square; placed at random, or in its upper left corner."""
    height, width = scene.pixels.shape[:2]
    scale = factor * side / max(width, height)
    if rng is None:
        return _Placed(scene, (scale, scale), (0.0, 0.0), False)
    stretch = float(np.exp(rng.uniform(-0.2, 0.2) / 2))
    scales = (scale * stretch, scale / stretch)
    room = [side - length * s for length, s in zip((width, height), scales, strict=True)]
    shift = [float(rng.uniform(min(0.0, r), max(0.0, r))) for r in room]
    return _Placed(scene, scales, (shift[0], shift[1]), bool(rng.random() < 0.5))


class SceneViews(IterableDataset[tuple[Tensor, list[Truth]]]):
    """An endless row of batches of random views: uint8 (B, 3, side, side), and what is in each.

    A view shows a scene at a random size and place, mirrored at random; a share `mosaic` of the views is put together
    of four scenes (A. Bochkovskiy et al., "YOLOv4", 2020).
    """

    def __init__(
        self, scenes: Sequence[Scene], batch: int, side: int, prototype_stride: int, mosaic: float, seed: int
    ) -> None:
        self._scenes, self._batch, self._side = scenes, batch, side
        self._stride, self._mosaic, self._seed = prototype_stride, mosaic, seed

    def __iter__(self) -> Iterator[tuple[Tensor, list[Truth]]]:
        rng = own_random(self._seed)
        while True:
            views = [self._view(rng) for _ in range(self._batch)]
            yield torch.from_numpy(np.stack([pixels for pixels, _ in views])), [truth for _, truth in views]

    def _view(self, rng: np.random.Generator) -> tuple[NDArray[np.uint8], Truth]:
        side = self._side
        canvas = np.empty((side, side, 3), np.uint8)
        windows = [(0, 0, side, side)]
        if rng.random() < self._mosaic:
            x, y = (int(rng.integers(side // 3, side - side // 3)) for _ in range(2))
            windows = [(0, 0, x, y), (x, 0, side, y), (0, y, x, side), (x, y, side, side)]
        parts = []
        for window in windows:
            left, top, right, bottom = window
            reach = max(right - left, bottom - top)
            factor = float(np.exp(rng.uniform(np.log(_SMALLEST), np.log(_LARGEST))))
            placed = _fitted(self._scenes[int(rng.integers(len(self._scenes)))], reach, factor, rng)
            placed = _Placed(placed.scene, placed.scale, (placed.shift[0] + left, placed.shift[1] + top), placed.mirror)
            placed.draw(canvas, window)
            parts.append((placed, window))
        return canvas.transpose(2, 0, 1), _truth(parts, side, self._stride)


class WantedViews(IterableDataset[tuple[Tensor, Wanted]]):
    """The views of `SceneViews`, and what the places of maps with `strides` should say of them."""

    def __init__(self, views: SceneViews, strides: Sequence[int]) -> None:
        self._views, self._strides = views, strides

    def __iter__(self) -> Iterator[tuple[Tensor, Wanted]]:
        for pictures, truths in self._views:
            height, width = pictures.shape[2:]
            counts = [-(-height // stride) * -(-width // stride) for stride in self._strides]
            at = torch.from_numpy(places(height, width, self._strides))
            yield pictures, wanted(truths, at, map_reach(counts, self._strides))


def fitted(scenes: Sequence[Scene], side: int) -> TensorDataset:
    """Scenes fitted into squares, as a codec would show them.

    Pictures uint8 (N, 3, side, side), boxes (N, n, 4), classes (N, n), where -1 is as in `Truth` and -2 stands for no
    object, and how many classes are known (N,).
    """
    pictures = np.empty((len(scenes), side, side, 3), np.uint8)
    most = max((len(scene.boxes) for scene in scenes), default=0)
    boxes, classes = torch.zeros(len(scenes), most, 4), torch.full((len(scenes), most), -2, dtype=torch.long)
    for number, scene in enumerate(scenes):
        window = (0, 0, side, side)
        placed = _fitted(scene, side, 1.0, None)
        placed.draw(pictures[number], window)
        truth = _truth([(placed, window)], side, side)
        boxes[number, : len(truth.boxes)], classes[number, : len(truth.boxes)] = truth.boxes, truth.classes
    known = torch.tensor([scene.known for scene in scenes])
    return TensorDataset(torch.from_numpy(pictures.transpose(0, 3, 1, 2).copy()), boxes, classes, known)
