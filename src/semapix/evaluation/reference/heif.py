"""HEIC files, as telephones write them: x265 inside libheif, through pillow-heif."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np

from semapix.evaluation.reference.base import Dial, Pixels, ReferenceCodec, package_missing
from semapix.evaluation.reference.payload import heif_payload

__all__ = ["HEIC", "HEIC_444"]

# Wavefronts would let x265 use more threads, at the cost of half a percent of the rate.
_ENCODER = {"preset": "slow", "tune": "psnr", "x265:pools": "none", "x265:frame-threads": "1", "x265:wpp": "0"}


@dataclass(frozen=True)
class Heic(ReferenceCodec):
    """libheif with x265."""

    def missing(self) -> str | None:
        """See `ReferenceCodec`."""
        return package_missing("pillow_heif", "pillow-heif")

    def payload(self, data: bytes) -> int:
        """See `ReferenceCodec`."""
        return heif_payload(data)

    def _encode(self, pixels: Pixels, setting: float) -> bytes:
        import pillow_heif

        height, width = pixels.shape[:2]
        buffer = io.BytesIO()
        picture = pillow_heif.from_bytes("RGB", (width, height), pixels.tobytes())
        chroma = self.sampling.replace(":", "")
        picture.save(buffer, quality=int(setting), chroma=chroma, enc_params=_ENCODER)
        return buffer.getvalue()

    def _decode(self, data: bytes, shape: tuple[int, int]) -> Pixels:
        import pillow_heif

        return np.array(pillow_heif.open_heif(data, convert_hdr_to_8bit=True).to_pillow().convert("RGB"))


_DIAL = Dial("quality", 0, 100)
_SWEEP = (4, 9, 14, 19, 24, 29, 34, 40, 46, 52, 59)

HEIC = Heic(
    name="heic",
    label="HEIC",
    what="x265 through libheif and pillow-heif, 4:2:0, 8 bits, preset slow, tuned for PSNR",
    sampling="4:2:0",
    dial=_DIAL,
    sweep=_SWEEP,
)
HEIC_444 = Heic(
    name="heic-444",
    label="HEIC 4:4:4",
    what="x265 through libheif and pillow-heif, 4:4:4, 8 bits, preset slow, tuned for PSNR",
    sampling="4:4:4",
    dial=_DIAL,
    sweep=_SWEEP,
)
