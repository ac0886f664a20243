"""JPEG XL through imagecodecs. It has no tuning for PSNR: its measure is what the eye sees."""

from __future__ import annotations

from dataclasses import dataclass

from semapix.evaluation.reference.base import Dial, Pixels, ReferenceCodec, package_missing
from semapix.evaluation.reference.payload import jpeg_xl_payload

__all__ = ["JPEG_XL"]


@dataclass(frozen=True)
class JpegXl(ReferenceCodec):
    """libjxl, lossy."""

    effort: int
    """1 (fast) to 9 (slow)."""

    def missing(self) -> str | None:
        """See `ReferenceCodec`."""
        return package_missing("imagecodecs", "imagecodecs")

    def payload(self, data: bytes) -> int:
        """See `ReferenceCodec`."""
        return jpeg_xl_payload(data)

    def _encode(self, pixels: Pixels, setting: float) -> bytes:
        import imagecodecs

        return bytes(
            imagecodecs.jpegxl_encode(pixels, distance=setting, effort=self.effort, usecontainer=False, numthreads=1)
        )

    def _decode(self, data: bytes, shape: tuple[int, int]) -> Pixels:
        import imagecodecs

        return imagecodecs.jpegxl_decode(data, numthreads=1)


JPEG_XL = JpegXl(
    name="jxl",
    label="JPEG XL",
    what="libjxl through imagecodecs, XYB (4:4:4), lossy, effort 7, bare codestream; tuned for the eye, not for PSNR",
    sampling="4:4:4",
    dial=Dial("distance", 0.05, 25, whole=False),
    sweep=(25, 18, 13, 9.5, 7, 5, 3.6, 2.6, 1.9, 1.3, 0.9),
    effort=7,
)
