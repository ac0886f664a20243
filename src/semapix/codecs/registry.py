"""All systems by name: the only place that lists them."""

from __future__ import annotations

from functools import lru_cache

from semapix.bundle import Bundle
from semapix.codecs.adaptive import Adaptive
from semapix.codecs.base import Codec
from semapix.codecs.deepsic import Deepsic
from semapix.codecs.dicm import Dicm
from semapix.codecs.scalable import Scalable
from semapix.errors import BrokenBundle
from semapix.graphs import OnnxGraphs

__all__ = ["CODECS", "open_codec"]

CODECS: dict[str, type[Scalable] | type[Adaptive] | type[Dicm] | type[Deepsic]] = {
    codec.name: codec for codec in (Scalable, Adaptive, Dicm, Deepsic)
}
"""The systems of this release, by name."""


@lru_cache(maxsize=8)
def open_codec(bundle: Bundle) -> Codec:
    """The codec that a bundle is for, run by ONNX Runtime; one instance is kept for each bundle."""
    if bundle.codec not in CODECS:
        raise BrokenBundle(f"{bundle.path}: made for codec {bundle.codec!r}; this release has {', '.join(CODECS)}")
    return CODECS[bundle.codec](bundle, OnnxGraphs(bundle))
