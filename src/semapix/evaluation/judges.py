"""Judges: networks that look at decoded pictures, and no part of any codec.

Those from outside are TensorFlow Lite files that the user has, run by LiteRT (package `ai-edge-litert` of the extra
`eval`); own ones were trained by `semapix train`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semapix.errors import ArgumentError
from semapix.evaluation._extra import extra

__all__ = ["Classifier", "OwnClassifier", "Segmenter"]

Pixels = NDArray[np.uint8]

_CLASSES = 1000
_CROP = 7 / 8  # of the short side: 224 of 256
_GREY = 127  # the middle of what the networks take, for where there is no picture
_BILINEAR = Image.Resampling.BILINEAR  # as the networks were trained; Pillow widens it when it reduces


class Classifier:
    """A classifier of the 1000 classes of ImageNet.

    `path`: a .tflite file that takes uint8 (1, S, S, 3) and gives 1000 numbers, or 1001 of which the first is for
    background, such as `mobilenet_v2_1.0_224_quant.tflite`. `threads`: one is best where processes share the cores.

    Raises ArgumentError when there is no such file or it is no such network; SemapixError without `ai-edge-litert`.
    """

    def __init__(self, path: str | os.PathLike[str], threads: int = 1) -> None:
        self._network = _Network(Path(path), threads)
        self._background = self._network.output_shape[-1] - _CLASSES
        if self._network.output_shape not in ((1, _CLASSES), (1, _CLASSES + 1)):
            raise ArgumentError(
                f"{path} gives {self._network.output_shape}; a classifier gives (1, {_CLASSES}) or (1, {_CLASSES + 1})"
            )

    def scores(self, pixels: Pixels) -> NDArray[np.float32]:
        """What the network says of a picture, uint8 (H, W, 3): (1000,), in the order of ImageNet-1k; highest is best.

        The picture is resized so that 7/8 of its short side are the S of the network (256 for 224), bilinearly, and
        cropped to the middle. Files with 8-bit output have ties: take the first of equal scores, as argmax does.
        """
        side = self._network.side
        image = Image.fromarray(_checked(pixels))
        scale = round(side / _CROP) / min(image.size)
        width, height = (max(side, round(size * scale)) for size in image.size)
        left, top = (width - side) // 2, (height - side) // 2
        square = image.resize((width, height), _BILINEAR).crop((left, top, left + side, top + side))
        scores: NDArray[np.float32] = self._network.run(np.asarray(square))[self._background :]
        return scores


class Segmenter:
    """A network that gives each pixel its class.

    `path`: a .tflite file that takes uint8 (1, S, S, 3) and gives class numbers (1, S, S), such as DeepLab v3 for
    PASCAL VOC, `deeplabv3_mnv2_pascal_quant.tflite` (21 classes, 0 is background). `threads`: as for `Classifier`.

    Raises ArgumentError when there is no such file or it is no such network; SemapixError without `ai-edge-litert`.
    """

    def __init__(self, path: str | os.PathLike[str], threads: int = 1) -> None:
        self._network = _Network(Path(path), threads)
        side = self._network.side
        if self._network.output_shape != (1, side, side):
            raise ArgumentError(
                f"{path} gives {self._network.output_shape}; a segmenter gives class numbers (1, {side}, {side})"
            )

    def mask(self, pixels: Pixels) -> NDArray[np.uint8]:
        """The class of each pixel of a picture, uint8 (H, W, 3): uint8 (H, W).

        The picture is resized so that its long side is the S of the network, bilinearly, put into the upper left corner
        of a grey square; the classes found there are resized back, each pixel taking the nearest.
        """
        side = self._network.side
        image = Image.fromarray(_checked(pixels))
        scale = side / max(image.size)
        width, height = (max(1, round(size * scale)) for size in image.size)
        square = Image.new("RGB", (side, side), (_GREY,) * 3)
        square.paste(image.resize((width, height), _BILINEAR))
        classes = self._network.run(np.asarray(square))[:height, :width].astype(np.uint8)
        return np.array(Image.fromarray(classes).resize(image.size, Image.Resampling.NEAREST))


class OwnClassifier:
    """A classifier that stage `classifier` of an adaptive recipe has trained; it needs the extra `train`.

    `folder`: the run. Raises ArgumentError when it has no checkpoint of that stage.
    """

    def __init__(self, folder: Path) -> None:
        from semapix.training.adaptive.model import load_classifier
        from semapix.training.checkpoint import read_checkpoint

        self._network, labels = load_classifier(folder)
        recipe = read_checkpoint(folder, "classifier")["recipe"]
        self._side = int(recipe["model"]["classifier_side"])
        self.labels: list[str] = labels["fine"]
        """Names of its classes."""
        self.what = f"own, family {recipe['classifier']['family']}, recipe {recipe['name']}"
        """What it is, a line."""

    def scores(self, pixels: Pixels) -> NDArray[np.float32]:
        """What the network says of a picture, uint8 (H, W, 3): (classes,), the whole picture squeezed to its side."""
        import torch

        from semapix.training.augment import squeeze
        from semapix.training.normalise import normalise

        picture = torch.from_numpy(_checked(pixels).transpose(2, 0, 1)[None].astype(np.float32))
        with torch.no_grad():
            scores: NDArray[np.float32] = self._network(normalise(squeeze(picture, self._side)))[0].numpy()
        return scores


def _checked(pixels: Pixels) -> Pixels:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise ArgumentError(f"pixels must be uint8 of shape (H, W, 3), not {pixels.dtype} {pixels.shape}")
    return pixels


class _Network:
    """A .tflite file that takes one square picture, as stored."""

    def __init__(self, path: Path, threads: int) -> None:
        interpreter = extra("ai_edge_litert.interpreter", "a judge").Interpreter
        if not path.is_file():
            raise ArgumentError(f"{path} does not exist; a judge is a .tflite file")
        try:
            self._interpreter: Any = interpreter(model_path=str(path), num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ArgumentError(f"{path} is no .tflite file that runs here ({error})") from error
        self._input, *more = self._interpreter.get_input_details()
        self._output = self._interpreter.get_output_details()[0]
        shape, dtype = tuple(map(int, self._input["shape"])), np.dtype(self._input["dtype"])
        if more or dtype != np.uint8 or len(shape) != 4 or shape != (1, shape[1], shape[1], 3):
            raise ArgumentError(f"{path} takes {dtype} {shape}; a judge takes one input, uint8 (1, S, S, 3)")
        self.side = shape[1]
        self.output_shape = tuple(map(int, self._output["shape"]))

    def run(self, square: Pixels) -> NDArray[Any]:
        """The first output for uint8 (S, S, 3), without its first axis; quantised ones as the reals they mean."""
        self._interpreter.set_tensor(self._input["index"], square[None])
        self._interpreter.invoke()
        values: NDArray[Any] = self._interpreter.get_tensor(self._output["index"])[0]
        step, zero = self._output["quantization"]
        return values if step == 0 else np.float32(step) * (values.astype(np.float32) - zero)
