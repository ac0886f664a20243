"""What every reference codec is: a name, a statement of its settings, and pixels to bytes and back."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semapix.errors import ArgumentError, SemapixError

__all__ = ["Dial", "Pixels", "ReferenceCodec", "ReferenceFailure", "package_missing"]

Pixels = NDArray[np.uint8]


class ReferenceFailure(SemapixError):
    """A reference codec cannot run, failed, or its file is broken; one line names codec, setting and reason."""


@dataclass(frozen=True)
class Dial:
    """What the rate of a codec is set by."""

    name: str
    """Its name in the codec's own words: "quality", "qp", "distance" or "bpp"."""
    low: float
    """The lowest value."""
    high: float
    """The highest value."""
    whole: bool = True
    """Whether only whole numbers count."""

    def check(self, setting: float) -> None:
        """Raises ArgumentError when `setting` is outside of the range, or broken where whole numbers count."""
        if not self.low <= setting <= self.high:
            raise ArgumentError(f"{self.name} (={setting:g}) must lie between {self.low:g} and {self.high:g}")
        if self.whole and setting != int(setting):
            raise ArgumentError(f"{self.name} (={setting:g}) must be a whole number")


@dataclass(frozen=True)
class ReferenceCodec(ABC):
    """A codec to compare with. Encoders use one thread each, so that many processes can run side by side."""

    name: str
    """Its key: "jpeg2000"."""
    label: str
    """Its name in figures and tables: "JPEG 2000"."""
    what: str
    """One line that says library, sampling of chroma and settings; it stands in records."""
    sampling: str
    """How chroma is sampled: "4:4:4" (as luma) or "4:2:0" (half as wide and high)."""
    dial: Dial
    """What `setting` is."""
    sweep: tuple[float, ...]
    """Settings from coarse to fine for a curve: on the Kodak pictures from 0.05 to 0.15 to about 2 bits per pixel."""

    @abstractmethod
    def missing(self) -> str | None:
        """None when the codec can run here, otherwise a line that says what to install."""

    def encode(self, pixels: Pixels, setting: float) -> bytes:
        """A file of uint8 (H, W, 3), both sides at least 1.

        Raises ArgumentError for other arrays or a setting that `dial` does not have, ReferenceFailure when the codec
        cannot run or fails.
        """
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
            raise ArgumentError(f"pixels must be uint8 of shape (H, W, 3), not {pixels.dtype} {pixels.shape}")
        self.dial.check(setting)
        self._must_run()
        try:
            data = self._encode(np.ascontiguousarray(pixels), setting)
        except Exception as error:  # each library has errors of its own, many of them no subclass of OSError
            raise ReferenceFailure(f"{self.name} at {self.dial.name} {setting:g} failed: {_reason(error)}") from error
        if not data:
            raise ReferenceFailure(f"{self.name} at {self.dial.name} {setting:g} failed: the file is empty")
        return data

    def decode(self, data: bytes, shape: tuple[int, ...]) -> Pixels:
        """The pixels, uint8 (H, W, 3), of a file. `shape`: (H, W) or (H, W, 3), which no elementary stream holds.

        Raises ArgumentError for a side below 1, ReferenceFailure when the codec cannot run, the file is broken, or it
        holds a picture of another shape.
        """
        height, width = shape[:2]
        if min(height, width) < 1:
            raise ArgumentError(f"height (={height}) and width (={width}) must be at least 1")
        self._must_run()
        try:
            pixels = self._decode(data, (height, width))
        except Exception as error:  # as above
            raise ReferenceFailure(f"{self.name} cannot decode {len(data)} bytes: {_reason(error)}") from error
        if pixels.shape != (height, width, 3):
            raise ReferenceFailure(f"{self.name} decoded an array of {pixels.shape}, not of {(height, width, 3)}")
        return pixels

    @abstractmethod
    def payload(self, data: bytes) -> int:
        """Bytes of the file without its container, as `semapix.evaluation.reference.payload` counts them.

        Raises ReferenceFailure when the container is broken.
        """

    @abstractmethod
    def _encode(self, pixels: Pixels, setting: float) -> bytes:
        """As `encode`, for pixels in one piece and a setting of the dial; may raise any exception."""

    @abstractmethod
    def _decode(self, data: bytes, shape: tuple[int, int]) -> Pixels:
        """As `decode`, for a shape (H, W); may raise any exception."""

    def _must_run(self) -> None:
        if line := self.missing():
            raise ReferenceFailure(f"{self.name} cannot run: {line}")


def package_missing(module: str, package: str) -> str | None:
    """None when `module` can be imported, otherwise a line that names the `package` to install."""
    try:
        importlib.import_module(module)
    except ImportError:
        return f"{package} is not installed; pip install {package} (or 'semapix[eval]' for all of them)"
    return None


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
