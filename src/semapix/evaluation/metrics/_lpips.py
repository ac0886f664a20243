"""LPIPS: how far two pictures are apart for a network that has learned what people see.

R. Zhang, P. Isola, A. A. Efros, E. Shechtman and O. Wang, "The unreasonable effectiveness of deep features as a
perceptual metric" (CVPR, 2018).
"""

from __future__ import annotations

import operator
import os
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from semapix.errors import ArgumentError
from semapix.evaluation.metrics._metric import Metric, Pixels, check_pair

__all__ = ["LPIPS_FILE", "lpips"]

_SIDE = 32  # AlexNet's layers need 31

LPIPS_FILE = "an ONNX file that takes two float32 pictures (1, 3, H, W) from -1 to 1 and gives one number"
"""What `lpips` expects, for messages."""


def lpips(path: str | os.PathLike[str] | None) -> Metric:
    """LPIPS with the network in a file, as a metric; its figures depend on that network. No network ships with Semapix.

    `path`: an ONNX file that takes two pictures, float32 (1, 3, H, W), RGB from -1 to 1, height and width free, and
    gives one number, the distance. With the package `lpips` installed, this makes one:

        net = lpips.LPIPS(net="alex").eval()
        x, y = torch.rand(2, 1, 3, 96, 64)
        sides = {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
        shapes = {"dynamic_shapes": (sides, sides), "external_data": False}
        torch.onnx.export(net, (x, y), "lpips.onnx", dynamo=True, **shapes)

    Raises ArgumentError when there is no path, no file, or the file is no such network; `measure` raises it for other
    arrays, a side shorter than 32 pixels, or pictures that the network refuses.
    """
    if path is None:
        raise ArgumentError(f"lpips needs its network, which does not ship with Semapix: name {LPIPS_FILE}")
    file = Path(path)
    if not file.is_file():
        raise ArgumentError(f"{file} does not exist; lpips needs {LPIPS_FILE}")
    _session(file)
    return Metric("lpips", "LPIPS", "", "lower", _SIDE, True, partial(_measure, file), operator.neg, "-LPIPS")


@lru_cache(maxsize=2)
def _session(file: Path) -> tuple[Any, list[str]]:
    """The network, and the names of its two inputs."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1  # pictures are measured side by side
    try:
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # of many kinds, none of them public
        raise ArgumentError(f"{file} is no ONNX file that runs here ({error}); lpips needs {LPIPS_FILE}") from error
    inputs = [entry.name for entry in session.get_inputs()]
    if len(inputs) != 2:
        raise ArgumentError(f"{file} takes {len(inputs)} inputs, not 2; lpips needs {LPIPS_FILE}")
    return session, inputs


def _measure(file: Path, picture: Pixels, original: Pixels) -> float:
    check_pair(picture, original, _SIDE, "LPIPS")
    session, inputs = _session(file)
    pair = [np.float32(pixels.transpose(2, 0, 1)[None] / 127.5 - 1) for pixels in (picture, original)]
    try:
        first, *_ = session.run(None, dict(zip(inputs, pair, strict=True)))
    except Exception as error:  # as above
        raise ArgumentError(f"{file} refuses pictures of {picture.shape} ({error})") from error
    if np.size(first) != 1:
        raise ArgumentError(f"{file} gives an array of {np.shape(first)}, not one number; lpips needs {LPIPS_FILE}")
    return float(np.reshape(first, ()))
