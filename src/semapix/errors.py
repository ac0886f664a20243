"""Every error that Semapix raises on purpose.

    SemapixError
      x ArgumentError        a value that the caller gave is outside of its rule (also a ValueError)
        + MissingFile        there is no such file (also a FileNotFoundError)
      x ImageError           the input is no image, is broken, or is outside of the size limits
      x StreamError          the bytes are no intact codestream
        + NotACodestream     they do not begin like a .spix file
        + UnsupportedVersion they are a .spix file of a version that this release cannot read
        + TruncatedStream    they end before the layer that was asked for
        + ChecksumMismatch   a header, an index or a layer was changed
        + CorruptLayer       a layer's checksum holds, but its symbols do not decode
      x NoPixels             a picture was asked of a codestream that holds none, only what machines read
      x ModelError           no bundle or head fits
        + UnknownModel       no installed bundle has this name or fingerprint
        + BrokenBundle       the file is no intact bundle
        + BrokenHead         the file is no intact head
      x OutputError          the output cannot be written, or would overwrite something

Messages name the value, the rule and the way out. The command line prints them as one line and exits with 2.
"""

from __future__ import annotations

__all__ = [
    "ArgumentError",
    "BrokenBundle",
    "BrokenHead",
    "ChecksumMismatch",
    "CorruptLayer",
    "ImageError",
    "MissingFile",
    "ModelError",
    "NoPixels",
    "NotACodestream",
    "OutputError",
    "SemapixError",
    "StreamError",
    "TruncatedStream",
    "UnknownModel",
    "UnsupportedVersion",
]


class SemapixError(Exception):
    """The root of all errors that Semapix raises on purpose."""


class ArgumentError(SemapixError, ValueError):
    """A value that the caller gave is outside of its rule."""


class MissingFile(ArgumentError, FileNotFoundError):
    """There is no such file."""


class ImageError(SemapixError):
    """The input is no image, is broken, or is outside of the size limits."""


class StreamError(SemapixError):
    """The bytes are no intact codestream."""


class NotACodestream(StreamError):
    """The bytes do not begin like a .spix file."""


class UnsupportedVersion(StreamError):
    """A .spix file of a version that this release cannot read."""


class TruncatedStream(StreamError):
    """The bytes end before the layer that was asked for."""


class ChecksumMismatch(StreamError):
    """A header, an index or a layer was changed after it was written."""


class CorruptLayer(StreamError):
    """A layer's checksum holds, but its symbols do not decode."""


class NoPixels(SemapixError):
    """A picture was asked of a codestream that holds none, only what machines read."""


class ModelError(SemapixError):
    """No bundle or head fits."""


class UnknownModel(ModelError):
    """No installed bundle has this name or fingerprint."""


class BrokenBundle(ModelError):
    """The file is no intact bundle."""


class BrokenHead(ModelError):
    """The file is no intact head."""


class OutputError(SemapixError):
    """The output cannot be written, or would overwrite something."""
