"""Codecs: a picture to layers and back. One file for each system, all behind `base.Codec`."""

from semapix.codecs.base import QUALITIES, Codec, DetectingCodec, Layers, PictureInfo
from semapix.codecs.registry import CODECS, open_codec

__all__ = ["CODECS", "QUALITIES", "Codec", "DetectingCodec", "Layers", "PictureInfo", "open_codec"]
