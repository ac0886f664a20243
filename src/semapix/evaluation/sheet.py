"""Contact sheets: the same crop from several codecs side by side, with bytes and labels under each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

__all__ = ["Cell", "contact_sheet", "middle"]

_INCHES = 2.4  # width of a cell
_CAPTION = 0.6  # height of what stands below it


@dataclass(frozen=True)
class Cell:
    """One picture of a sheet, uint8 (H, W, 3), and the lines under it."""

    pixels: NDArray[np.uint8]
    caption: str


def middle(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The middle of a picture, `side` pixels a side at most."""
    height, width = pixels.shape[:2]
    top, left = max(0, (height - side) // 2), max(0, (width - side) // 2)
    return pixels[top : top + side, left : left + side]


def contact_sheet(rows: Sequence[Sequence[Cell]], title: str) -> Figure:
    """Cells in rows, pixels shown as they are."""
    columns = max(map(len, rows))
    shapes = [[cell.pixels.shape for cell in cells] for cells in rows]
    heights = [_INCHES * max(height / width for height, width, *_ in row) + _CAPTION for row in shapes]
    figure = Figure(figsize=(_INCHES * columns, sum(heights) + 0.4), layout="constrained")
    grid = figure.subplots(len(rows), columns, squeeze=False, height_ratios=heights)
    for line, cells in zip(grid, rows, strict=True):
        for axes in line:
            axes.axis("off")
        for axes, cell in zip(line, cells, strict=False):
            axes.imshow(cell.pixels, interpolation="nearest")
            axes.set_title(cell.caption, fontsize=7, y=-0.02, pad=0, verticalalignment="top")
    figure.suptitle(title, fontsize=11)
    return figure
