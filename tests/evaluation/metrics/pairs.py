"""Originals and what became of them: the three pairs that all constants of these tests were computed on.

Distorted by NumPy alone, because a codec's output changes with its version.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import semapix
from tests.pictures import picture

Pixels = NDArray[np.uint8]

NAMES = ["blocks", "blur", "noise"]


@cache
def pair(name: str) -> tuple[Pixels, Pixels]:
    """(distorted, original) of one of NAMES."""
    if name == "blocks":  # the whole photo, 512x768: FSIM halves it
        return _rounded(_quantised(_photo(), 60.0)), _photo()
    if name == "blur":
        original = picture(320, 240, seed=3)
        return _rounded(_blurred(original)), original
    original = _photo()[150:423, 60:393]  # 273x333: odd sides
    noise = np.random.default_rng(7).normal(0, 12, original.shape)
    return _rounded(original + noise), original


@cache
def _photo() -> Pixels:
    with Image.open(Path(semapix.__file__).parent / "assets" / "lighthouse.png") as image:
        return np.array(image.convert("RGB"))


def _rounded(values: NDArray[np.float64]) -> Pixels:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _quantised(pixels: Pixels, step: float) -> NDArray[np.float64]:
    """Each block of 8x8 with its cosine transform rounded to multiples of `step`; sides must be multiples of 8."""
    k = np.arange(8)
    cosine = np.cos(np.pi * (2 * k + 1) * k[:, None] / 16) * np.sqrt(np.where(k == 0, 1, 2) / 8)[:, None]
    height, width, _ = pixels.shape
    blocks = pixels.reshape(height // 8, 8, width // 8, 8, 3).astype(float)
    coefficients = np.einsum("ui,vj,yixjc->yuxvc", cosine, cosine, blocks)
    back = np.einsum("ui,vj,yuxvc->yixjc", cosine, cosine, step * np.rint(coefficients / step))
    return back.reshape(pixels.shape)


def _blurred(pixels: Pixels) -> NDArray[np.float64]:
    """The mean of each 3x3 pixels, the border doubled."""
    padded = np.pad(pixels, ((1, 1), (1, 1), (0, 0)), "edge").astype(float)
    height, width, _ = pixels.shape
    shifts = [(y, x) for y in range(3) for x in range(3)]
    return sum(padded[y : y + height, x : x + width] for y, x in shifts) / 9
