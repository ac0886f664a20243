"""Draws what a file says over the picture that it was made of: boxes, masks, labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from semapix.tasks import Detections

if TYPE_CHECKING:
    from semapix.tasks import Labels

__all__ = ["overlay"]

_COLOURS = (
    "#e6194b",
    "#3cb44b",
    "#4363d8",
    "#f58231",
    "#911eb4",
    "#008080",
    "#9a6324",
    "#808000",
    "#000075",
    "#f032e6",
)
_COVER = 0.45  # of a mask's colour over the picture
_PAPER = "white"


def overlay(photo: NDArray[np.uint8], found: Labels | Detections) -> NDArray[np.uint8]:
    """A copy of a picture, uint8 (H, W, 3), with labels in its corner, or with objects; the best one lies on top."""
    size = max(11, min(photo.shape[:2]) // 28)
    font, line = ImageFont.load_default(size), max(1, size // 8)
    if not isinstance(found, Detections):
        image = Image.fromarray(photo)
        rows = [f"{label.name} {label.probability:.0%}" for label in found]
        for number, row in enumerate(rows):
            _write(ImageDraw.Draw(image), (line, line + number * (size + 3 * line)), row, "black", font)
        return np.asarray(image)
    pixels = photo.copy()
    colours = {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(dict.fromkeys(thing.name for thing in found))}
    for thing in reversed(found):
        if thing.mask is not None:
            cover = Image.new("RGB", (1, 1), colours[thing.name]).getpixel((0, 0))
            inside = thing.mask.decode()
            pixels[inside] = (pixels[inside] * (1 - _COVER) + np.array(cover) * _COVER).astype(np.uint8)
    image = Image.fromarray(pixels)
    pen = ImageDraw.Draw(image)
    for thing in reversed(found):
        pen.rectangle(thing.box, outline=colours[thing.name], width=line)
        corner = (thing.box[0], max(0.0, thing.box[1] - size - 2 * line))
        _write(pen, corner, f"{thing.name} {thing.score:.0%}", colours[thing.name], font)
    return np.asarray(image)


def _write(
    pen: ImageDraw.ImageDraw,
    corner: tuple[float, float],
    text: str,
    colour: str,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> None:
    """Text on a ground of its own."""
    pen.rectangle(pen.textbbox(corner, text, font), fill=_PAPER)
    pen.text(corner, text, colour, font)
