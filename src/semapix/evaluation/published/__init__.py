"""Curves that others have published, to be drawn beside measured ones, never as measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from semapix.evaluation.bjontegaard import Curve

__all__ = ["Published", "published_curves"]


@dataclass(frozen=True)
class Published:
    """Published curves of one data set. `source`: who published them. `curves`: by the names of the codecs."""

    source: str
    curves: Mapping[str, Curve]


def published_curves(dataset: str, pictures: int, metric: str) -> Published:
    """The published curves of `dataset` (`kodak`) in `metric` (`psnr` or `ms-ssim`, both of RGB), rates in bpp.

    There are none for other data sets or metrics, nor for another number of `pictures` than they are means of.
    """
    path = resources.files(__name__) / f"{dataset}.json"
    key = {"psnr": "psnr_rgb", "ms-ssim": "ms_ssim_rgb"}.get(metric)
    if key is None or not path.is_file():
        return Published("", {})
    stated = json.loads(path.read_text(encoding="utf-8"))
    if stated["pictures"] != pictures:
        return Published("", {})
    curves = {name: Curve(points["bpp"], points[key]) for name, points in stated["curves"].items() if key in points}
    return Published(stated["source"], curves)
