"""Draws pictures with captions in a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

__all__ = ["Panel", "draw"]

_WIDTH = 560  # of a picture, in pixels; all other lengths follow
_GAP = 28
_TITLE, _TEXT = 30, 24
_PAPER, _INK = "white", "#1a1a1a"


@dataclass(frozen=True)
class Panel:
    """A picture with a title above it and lines of text below it."""

    title: str
    picture: Image.Image
    lines: Sequence[str]


def draw(panels: Sequence[Panel], columns: int) -> Image.Image:
    """The panels row by row, `columns` in each row, all pictures at the size of the first one's shape."""
    first = panels[0].picture
    height = round(_WIDTH * first.height / first.width)
    text = max(len(panel.lines) for panel in panels) * round(1.4 * _TEXT)
    cell = (_WIDTH + _GAP, round(1.5 * _TITLE) + height + _GAP // 2 + text + _GAP)
    rows = -(-len(panels) // columns)
    poster = Image.new("RGB", (columns * cell[0] + _GAP, rows * cell[1] + _GAP), _PAPER)
    for i, panel in enumerate(panels):
        corner = (_GAP + i % columns * cell[0], _GAP + i // columns * cell[1])
        _place(poster, panel, corner, (_WIDTH, height))
    return poster


def _place(poster: Image.Image, panel: Panel, corner: tuple[int, int], size: tuple[int, int]) -> None:
    x, y = corner
    pen = ImageDraw.Draw(poster)
    pen.text((x, y), panel.title, _INK, ImageFont.load_default(_TITLE))
    y += round(1.5 * _TITLE)
    poster.paste(panel.picture.resize(size, Image.Resampling.LANCZOS), (x, y))
    y += size[1] + _GAP // 2
    for i, line in enumerate(panel.lines):
        pen.text((x, y + i * round(1.4 * _TEXT)), line, _INK, ImageFont.load_default(_TEXT))
