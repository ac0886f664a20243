"""The codecs that come with Pillow: JPEG, JPEG 2000, WebP and AVIF, each in its best form.

That is: optimised Huffman tables for JPEG, the bare codestream without the JP2 box for JPEG 2000, the slowest search
for WebP, and for AVIF a tuning for PSNR. The library would tune AVIF for the eye, which takes 4 to 14 % more rate at
equal PSNR and gains 0.7 to 0.9 dB of MS-SSIM at equal rate (measured on two Kodak pictures).
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from PIL import Image, features

from semapix.evaluation.reference.base import Dial, Pixels, ReferenceCodec
from semapix.evaluation.reference.payload import heif_payload, jpeg_2000_payload, jpeg_payload, webp_payload

__all__ = ["AVIF", "AVIF_444", "JPEG", "JPEG_444", "JPEG_2000", "WEBP"]

_BITS = 24  # of an uncompressed pixel


@dataclass(frozen=True)
class PillowCodec(ReferenceCodec):
    """A file format that Pillow writes and reads."""

    form: str
    """Pillow's name of the format."""
    feature: str
    """Pillow's name of the library behind it."""
    options: Callable[[float], dict[str, Any]]
    """What `Image.save` is given at a setting."""
    container: Callable[[bytes], int]
    """The payload of a file."""

    def missing(self) -> str | None:
        """See `ReferenceCodec`."""
        if features.check(self.feature):
            return None
        return f"Pillow was built without {self.feature}; pip install --upgrade pillow brings a build that has it"

    def payload(self, data: bytes) -> int:
        """See `ReferenceCodec`."""
        return self.container(data)

    def _encode(self, pixels: Pixels, setting: float) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, self.form, **self.options(setting))
        return buffer.getvalue()

    def _decode(self, data: bytes, shape: tuple[int, int]) -> Pixels:
        with Image.open(io.BytesIO(data), formats=[self.form]) as image:
            return np.array(image.convert("RGB"))


def _jpeg(subsampling: str, quality: float) -> dict[str, Any]:
    return {"quality": int(quality), "subsampling": subsampling, "optimize": True}


def _jpeg_2000(bpp: float) -> dict[str, Any]:
    # Without mct=1, Pillow would code R, G and B apart, which costs 4 dB.
    rate = {"quality_mode": "rates", "quality_layers": [_BITS / bpp]}
    return {"irreversible": True, "mct": 1, "no_jp2": True, **rate}


def _webp(quality: float) -> dict[str, Any]:
    return {"quality": int(quality), "method": 6}


def _avif(subsampling: str, quality: float) -> dict[str, Any]:
    tuned = {"codec": "aom", "speed": 4, "max_threads": 1, "advanced": {"tune": "psnr"}}
    return {"quality": int(quality), "subsampling": subsampling, **tuned}


_JPEG_DIAL = Dial("quality", 1, 95)
_JPEG_SWEEP = (1, 5, 8, 12, 18, 25, 35, 50, 65, 75, 82, 88)
_AVIF_DIAL = Dial("quality", 0, 99)  # 100 would be lossless
_AVIF_SWEEP = (6, 14, 22, 30, 38, 46, 54, 62, 70, 78, 86)

JPEG = PillowCodec(
    name="jpeg",
    label="JPEG",
    what="libjpeg-turbo through Pillow, 4:2:0, sequential, optimised Huffman tables",
    sampling="4:2:0",
    dial=_JPEG_DIAL,
    sweep=_JPEG_SWEEP,
    form="JPEG",
    feature="jpg",
    options=partial(_jpeg, "4:2:0"),
    container=jpeg_payload,
)
JPEG_444 = PillowCodec(
    name="jpeg-444",
    label="JPEG 4:4:4",
    what="libjpeg-turbo through Pillow, 4:4:4, sequential, optimised Huffman tables",
    sampling="4:4:4",
    dial=_JPEG_DIAL,
    sweep=_JPEG_SWEEP,
    form="JPEG",
    feature="jpg",
    options=partial(_jpeg, "4:4:4"),
    container=jpeg_payload,
)
JPEG_2000 = PillowCodec(
    name="jpeg2000",
    label="JPEG 2000",
    what="OpenJPEG through Pillow, 4:4:4, 9/7 wavelet, multiple component transform, one layer, bare codestream",
    sampling="4:4:4",
    dial=Dial("bpp", 0.01, _BITS, whole=False),
    sweep=(0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.55, 0.7, 0.85, 1.0, 1.25, 1.6, 2.0),
    form="JPEG2000",
    feature="jpg_2000",
    options=_jpeg_2000,
    container=jpeg_2000_payload,
)
WEBP = PillowCodec(
    name="webp",
    label="WebP",
    what="libwebp through Pillow, lossy (VP8), 4:2:0, method 6",
    sampling="4:2:0",
    dial=Dial("quality", 0, 100),
    sweep=(0, 4, 10, 20, 32, 45, 60, 74, 82, 88, 92),
    form="WEBP",
    feature="webp",
    options=_webp,
    container=webp_payload,
)
AVIF = PillowCodec(
    name="avif",
    label="AVIF",
    what="libaom through libavif and Pillow, 4:2:0, 8 bits, speed 4, tuned for PSNR",
    sampling="4:2:0",
    dial=_AVIF_DIAL,
    sweep=_AVIF_SWEEP,
    form="AVIF",
    feature="avif",
    options=partial(_avif, "4:2:0"),
    container=heif_payload,
)
AVIF_444 = PillowCodec(
    name="avif-444",
    label="AVIF 4:4:4",
    what="libaom through libavif and Pillow, 4:4:4, 8 bits, speed 4, tuned for PSNR",
    sampling="4:4:4",
    dial=_AVIF_DIAL,
    sweep=_AVIF_SWEEP,
    form="AVIF",
    feature="avif",
    options=partial(_avif, "4:4:4"),
    container=heif_payload,
)
