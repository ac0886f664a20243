"""Reference codecs behind one small interface: pixels to the bytes of a real file, and back.

Those that can be are tuned for PSNR, as the codecs of the literature's curves are.
"""

from __future__ import annotations

from semapix.evaluation.reference.base import ReferenceCodec, ReferenceFailure
from semapix.evaluation.reference.ffmpeg import HEVC, HEVC_420, VVC
from semapix.evaluation.reference.heif import HEIC, HEIC_444
from semapix.evaluation.reference.jxl import JPEG_XL
from semapix.evaluation.reference.pillow import AVIF, AVIF_444, JPEG, JPEG_444, JPEG_2000, WEBP

__all__ = ["REFERENCES", "ReferenceCodec", "ReferenceFailure"]

_ALL: tuple[ReferenceCodec, ...] = (
    JPEG,
    JPEG_444,
    JPEG_2000,
    WEBP,
    AVIF,
    AVIF_444,
    JPEG_XL,
    HEIC,
    HEIC_444,
    HEVC,
    HEVC_420,
    VVC,
)

REFERENCES: dict[str, ReferenceCodec] = {codec.name: codec for codec in _ALL}
"""All reference codecs by name, in the order of display."""
