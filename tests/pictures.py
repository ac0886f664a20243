"""Pictures made up for tests."""

import numpy as np
from numpy.typing import NDArray


def picture(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    """A picture with smooth shades, an edge and some noise, uint8 (H, W, 3)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    shades = np.stack([np.sin(rng.uniform(2, 6) * x + rng.uniform(2, 6) * y + i) for i in range(3)], axis=-1)
    shades += (x > rng.uniform(0.2, 0.8))[..., None] * 0.5 + rng.normal(0, 0.03, shades.shape)
    return (127.5 + 80 * shades).clip(0, 255).astype(np.uint8)
