"""Pictures as DICM sees them: the glance, a square, and the scene, whose shape is the picture's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semapix.imaging import pad_to, resize
from semapix.tasks import Frame

__all__ = ["glance", "padded", "scene", "seen"]


def glance(width: int, height: int, side: int) -> Frame:
    """The whole picture of a size, squeezed to a square: the scale that classifiers are trained on."""
    return Frame(side, side, width, height)


def scene(width: int, height: int, side: int, glance_side: int) -> Frame | None:
    """The picture reduced until no side is longer than `side`; None if the glance shows all that there is."""
    longest = max(width, height)
    if longest <= glance_side:
        return None
    if longest <= side:
        return Frame(width, height, width, height)
    # Rounded half up, in integers: every decoder finds the same size.
    small_width, small_height = (max(1, (2 * length * side + longest) // (2 * longest)) for length in (width, height))
    return Frame(small_width, small_height, width, height)


def seen(pixels: NDArray[np.uint8], frame: Frame, multiple: int) -> NDArray[np.uint8]:
    """What networks see of a picture (H, W, 3): resampled to the frame, edges repeated up to multiples."""
    size = (frame.width, frame.height)
    small = pixels if pixels.shape[1::-1] == size else resize(pixels, size, "lanczos")
    return pad_to(small, multiple)


def padded(frame: Frame, multiple: int) -> tuple[int, int]:
    """Height and width of what `seen` gives."""
    return -(-frame.height // multiple) * multiple, -(-frame.width // multiple) * multiple
