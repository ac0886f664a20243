"""Codecs: a picture to layers and back. One file for each system, all behind `base.Codec`."""

from semapix.codecs._quality_map import MAP_STEPS
from semapix.codecs.base import QUALITIES, Analysed, Codec, ContinuousCodec, DetectingCodec, Layers, PictureInfo
from semapix.codecs.registry import CODECS, open_codec
from semapix.codecs.steering import Region, Steering

__all__ = [
    "CODECS",
    "MAP_STEPS",
    "QUALITIES",
    "Analysed",
    "Codec",
    "ContinuousCodec",
    "DetectingCodec",
    "Layers",
    "PictureInfo",
    "Region",
    "Steering",
    "open_codec",
]
