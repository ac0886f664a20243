"""Curves that people look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, isfinite

from matplotlib.figure import Figure

__all__ = ["Panel", "draw"]

_WIDTH, _HEIGHT = 6.4, 4.8  # inches a panel

_COLOURS = [*(f"C{number}" for number in range(10)), "black", "gold", "navy", "lime"]

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """One diagram. `measured`: names to points (x, y). `published`: the same, drawn thin and named as published.

    `levels`: names to heights of horizontal lines. `x_range`: what of the x axis is shown; all of it by default.
    """

    x: str
    y: str
    measured: Mapping[str, Points]
    published: Mapping[str, Points] = field(default_factory=dict)
    levels: Mapping[str, float] = field(default_factory=dict)
    title: str = ""
    x_range: tuple[float, float] | None = None
    logarithmic: bool = False


def draw(panels: Sequence[Panel], title: str, columns: int = 2) -> Figure:
    """All panels on one sheet; a name has the same colour in every panel."""
    columns = min(columns, len(panels))
    rows = ceil(len(panels) / columns)
    figure = Figure(figsize=(_WIDTH * columns, _HEIGHT * rows + 0.4), layout="constrained")
    names = list(dict.fromkeys(name for panel in panels for name in panel.measured))
    others = list(dict.fromkeys(name for panel in panels for name in panel.published))
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, panel in zip(grid, panels, strict=False):
        for name, points in panel.measured.items():
            points = [(x, y) for x, y in points if isfinite(y)]
            own = name.startswith("Semapix")
            axes.plot(*_columns(points), marker="o", markersize=4, linewidth=2.4 if own else 1.3, label=name)
            axes.lines[-1].set_color(_COLOURS[names.index(name) % len(_COLOURS)])
        for name, points in panel.published.items():
            shade = 0.35 + 0.45 * others.index(name) / max(1, len(others))
            axes.plot(*_columns(points), linewidth=0.8, linestyle="--", color=str(shade), label=f"{name} (published)")
        for name, height in panel.levels.items():
            axes.axhline(height, linewidth=0.8, linestyle=":", color="black", label=name)
        if panel.logarithmic:
            axes.set_xscale("log")
        if panel.x_range:
            axes.set_xlim(*panel.x_range)
            low, high = panel.x_range
            points = [point for curve in (*panel.measured.values(), *panel.published.values()) for point in curve]
            inside = [y for x, y in points if low <= x <= high and isfinite(y)] + list(panel.levels.values())
            if inside:
                margin = 0.04 * (max(inside) - min(inside) or 1)
                axes.set_ylim(min(inside) - margin, max(inside) + margin)
        axes.set_xlabel(panel.x)
        axes.set_ylabel(panel.y)
        axes.set_title(panel.title, fontsize=10)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    figure.suptitle(title)
    return figure


def _columns(points: Points) -> tuple[list[float], list[float]]:
    ordered = sorted(points)
    return [x for x, _ in ordered], [y for _, y in ordered]
