"""Reference codecs as they come with Pillow: pixels to the bytes of a file, and back.

Both get their best form: optimised Huffman tables for JPEG, the bare codestream without the JP2 box for JPEG 2000.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semapix.errors import ArgumentError

__all__ = ["JPEG_2000_SETTINGS", "JPEG_SETTINGS", "decode", "jpeg", "jpeg_2000"]

Pixels = NDArray[np.uint8]

JPEG_SETTINGS = "libjpeg-turbo through Pillow, 4:2:0, sequential, optimised Huffman tables"
JPEG_2000_SETTINGS = "OpenJPEG through Pillow, 9/7 wavelet, multiple component transform, one layer, bare codestream"

_BITS = 24  # of an uncompressed pixel


def jpeg(pixels: Pixels, quality: int) -> bytes:
    """JPEG, 4:2:0, of uint8 (H, W, 3) at `quality` 1 to 95."""
    if not 1 <= quality <= 95:
        raise ArgumentError(f"quality (={quality}) must lie between 1 and 95")
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling="4:2:0", optimize=True)
    return buffer.getvalue()


def jpeg_2000(pixels: Pixels, bpp: float) -> bytes:
    """JPEG 2000 of uint8 (H, W, 3) with at most about `bpp` bits per pixel."""
    if not 0 < bpp <= _BITS:
        raise ArgumentError(f"bpp (={bpp}) must be above 0 and at most {_BITS}")
    buffer = io.BytesIO()
    # Without mct=1, Pillow would code R, G and B apart, which costs 4 dB.
    options = {"irreversible": True, "mct": 1, "no_jp2": True}
    Image.fromarray(pixels).save(buffer, "JPEG2000", quality_mode="rates", quality_layers=[_BITS / bpp], **options)
    return buffer.getvalue()


def decode(data: bytes) -> Pixels:
    """The pixels, uint8 (H, W, 3), of an encoded picture."""
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image.convert("RGB"))
