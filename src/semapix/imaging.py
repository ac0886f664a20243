"""Pixels in and out: any picture to 8-bit RGB by one documented rule, files of pixels, resampling, padding, tiles.

How `load` turns a picture into RGB, in this order:

    frames         the first one of an animation
    16-bit grey    value * 255 / 65535, rounded half up; so are 32-bit integers when all lie in 0..65535
    16-bit colour  the upper byte, which is all that Pillow decodes
    alpha          composited over white (RGBA, LA, palette or single colour that is transparent)
    CMYK and rest  by Pillow's conversion to RGB; floating-point pixels have no fixed range and are refused
    orientation    EXIF orientation is applied to the pixels, and the tag in the EXIF block set to 1
    ICC profile    kept when it is one for RGB, dropped otherwise; pixels are never converted by it
    EXIF           kept, unless it cannot be read
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from semapix.errors import ArgumentError, ImageError, MissingFile, OutputError
from semapix.files import atomic_write

__all__ = [
    "ENDINGS",
    "MAX_PIXELS",
    "Box",
    "ImageLike",
    "Picture",
    "check_ending",
    "load",
    "pad_to",
    "readable_endings",
    "reduce",
    "resize",
    "save",
    "squared_error",
    "tiles",
    "write",
]

Pixels: TypeAlias = NDArray[np.uint8]
ImageLike: TypeAlias = str | PathLike[str] | bytes | BinaryIO | Image.Image | Pixels
"""A path, an encoded file's bytes, a binary file object, a Pillow image, or a uint8 array (H, W), (H, W, 3 or 4)."""

_STRIP = 256  # rows that are compared at once

MAX_PIXELS = 50 * 2**20
"""The largest picture that `load` takes by default, in pixels."""

MAX_SIDE = 65_535
"""The longest side of a picture: very thin ones would cost many times the memory of others."""

# Formats that Pillow hands to another program to be drawn, which no untrusted file should start.
_DRAWINGS = ("EPS", "WMF")
_EXIF_PREFIX = b"Exif\0\0"
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_KERNELS = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "box": Image.Resampling.BOX,
}


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture as Semapix codes it."""

    pixels: Pixels
    """uint8 (H, W, 3): RGB as stored in the file, upright."""
    icc: bytes | None = None
    """The ICC profile that the pixels refer to; sRGB when None."""
    exif: bytes | None = None
    """The EXIF block, as in JPEG: `Exif`, two zero bytes, a TIFF structure. Its orientation is 1, or absent."""
    source: str | None = None
    """The name of the file, for messages."""


def load(source: ImageLike, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a picture of any kind as 8-bit RGB; the rules are in this module's docstring.

    A Pillow image is left as it is and taken at its current frame. The size is checked before pixels are decoded.

    Raises MissingFile; ImageError when the source is no picture, is broken, has no pixels or more than `max_pixels`;
    ArgumentError for an array of another shape or dtype, or for something that cannot hold a picture.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source, max_pixels)
    if isinstance(source, Image.Image):
        name = str(getattr(source, "filename", "") or "") or None
        return _from_pillow(source, name, max_pixels)
    if isinstance(source, (str, PathLike)):
        name = os.fspath(source)
        try:
            with open(name, "rb") as file:
                return _from_file(file, name, max_pixels)
        except FileNotFoundError as error:
            raise MissingFile(f"{name}: cannot be opened ({error.strerror})") from error
        except (OSError, ValueError) as error:  # ValueError: a name that no file can have
            raise ImageError(f"{name}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _from_file(io.BytesIO(source), None, max_pixels)
    if hasattr(source, "read"):
        name = getattr(source, "name", None)
        return _from_file(source, name if isinstance(name, str) else None, max_pixels)
    raise ArgumentError(
        f"an image must be a path, bytes, a binary file, a Pillow image or a uint8 array, not {type(source).__name__}"
    )


def readable_endings() -> set[str]:
    """The endings of the names of files, lower case with their dot, that Pillow can read, plugins included."""
    return {ending for ending, name in Image.registered_extensions().items() if name in Image.OPEN}


def _label(name: str | None) -> str:
    return name or "the image"


def _check_size(width: int, height: int, name: str | None, max_pixels: int) -> None:
    if width * height == 0:
        raise ImageError(f"{_label(name)}: has no pixels ({width}x{height})")
    if max(width, height) > MAX_SIDE:
        raise ImageError(f"{_label(name)}: {width}x{height} pixels; a side may have {MAX_SIDE} at most")
    if width * height > max_pixels:
        raise ImageError(
            f"{_label(name)}: {width}x{height} is {width * height} pixels, more than the limit of {max_pixels}"
        )


def _from_array(pixels: NDArray[Any], max_pixels: int) -> Picture:
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4))):
        raise ArgumentError(
            f"an array must be uint8 of shape (H, W), (H, W, 3) or (H, W, 4), not {pixels.dtype} {pixels.shape}"
        )
    _check_size(pixels.shape[1], pixels.shape[0], None, max_pixels)
    return Picture(_to_rgb(Image.fromarray(pixels), None))


def _from_file(file: BinaryIO, name: str | None, max_pixels: int) -> Picture:
    with warnings.catch_warnings():  # a file is loaded or refused; there is no third way
        warnings.simplefilter("ignore")
        try:
            image = Image.open(file)
        except UnidentifiedImageError:
            raise ImageError(f"{_label(name)}: is not an image, or of a format that Pillow does not know") from None
        except Image.DecompressionBombError as error:
            raise ImageError(f"{_label(name)}: more pixels than the limit of {max_pixels} ({error})") from None
        except Exception as error:  # broken files make Pillow's readers raise anything
            raise ImageError(f"{_label(name)}: is broken ({error})") from error
        with image:
            if image.format in _DRAWINGS:
                raise ImageError(f"{_label(name)}: {image.format} is a drawing; convert it to pixels first")
            return _from_pillow(image, name, max_pixels)


def _from_pillow(image: Image.Image, name: str | None, max_pixels: int) -> Picture:
    _check_size(image.width, image.height, name, max_pixels)
    try:
        image.load()
    except Exception as error:  # as above
        raise ImageError(f"{_label(name)}: is broken ({error})") from error
    icc, exif, turn = image.info.get("icc_profile"), *_orientation(image)
    pixels = _to_rgb(image, name, turn)
    return Picture(pixels, icc if icc and icc[16:20] == b"RGB " else None, exif, name)


def _orientation(image: Image.Image) -> tuple[bytes | None, Image.Transpose | None]:
    """The EXIF block with its orientation reset, and how to turn the pixels; a block that cannot be read is dropped."""
    try:
        turn = _UPRIGHT.get(image.getexif().get(_ORIENTATION, 1))
        block: bytes | None = image.info.get("exif")
        if not block:
            return None, turn
    except Exception:  # damaged metadata does not make a picture unreadable
        return None, None
    if turn is not None:
        try:
            exif = Image.Exif()
            exif.load(block)
            exif[_ORIENTATION] = 1
            block = exif.tobytes()
        except Exception:
            return None, turn
    return block if block.startswith(_EXIF_PREFIX) else _EXIF_PREFIX + block, turn


def _to_rgb(image: Image.Image, name: str | None, turn: Image.Transpose | None = None) -> Pixels:
    """A decoded image as uint8 (H, W, 3), turned."""
    if image.mode == "F":
        raise ImageError(f"{_label(name)}: floating-point pixels have no fixed range; convert them to 8 or 16 bits")
    if image.mode == "I" or image.mode.startswith("I;16"):
        values, clear = np.asarray(image), image.info.get("transparency")
        grey = _from_16_bits(values, name)
        image = Image.fromarray(grey if clear is None else np.where(values == clear, np.uint8(255), grey))
    try:
        image = _opaque(image).convert("RGB")
    except (TypeError, ValueError) as error:  # such as a transparency that is none
        raise ImageError(f"{_label(name)}: pixels of mode {image.mode} cannot become RGB ({error})") from error
    return np.array(image if turn is None else image.transpose(turn))


def _opaque(image: Image.Image) -> Image.Image:
    """The image over white, where it is transparent."""
    if not image.has_transparency_data:
        return image
    colour = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    canvas = Image.new("RGB", image.size, "white")
    canvas.paste(colour, mask=colour)
    return canvas


def _from_16_bits(values: NDArray[Any], name: str | None) -> Pixels:
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise ImageError(f"{_label(name)}: pixels from {low} to {high} do not fit into 16 bits (0 to 65535)")
    table = ((np.arange(65536, dtype=np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    return table[values]


class _Format(NamedTuple):
    """How files of an ending are written."""

    name: str
    longest: int
    """The longest side that the format can hold, in pixels."""
    options: dict[str, Any]


_PNG = _Format("PNG", 2**31 - 1, {"compress_level": 3})
_JPEG = _Format("JPEG", 65500, {"quality": 95, "subsampling": "4:4:4"})
_WEBP = _Format("WEBP", 16383, {"quality": 95})
_FORMATS = {".png": _PNG, ".jpg": _JPEG, ".jpeg": _JPEG, ".webp": _WEBP}

ENDINGS = tuple(_FORMATS)
"""The endings of file names that `save` knows."""


def check_ending(path: str | PathLike[str]) -> None:
    """Raises ArgumentError when `save` knows no format for the ending of `path`; to be asked before long work."""
    _format_of(path)


def _format_of(path: str | PathLike[str]) -> _Format:
    ending = Path(path).suffix.lower()
    if ending not in _FORMATS:
        raise ArgumentError(f"{os.fspath(path)}: the name must end in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}")
    return _FORMATS[ending]


def save(
    pixels: Pixels,
    path: str | PathLike[str],
    *,
    icc: bytes | None = None,
    exif: bytes | None = None,
    force: bool = False,
) -> None:
    """Write pixels, uint8 (H, W, 3), as PNG (exact), JPEG or WebP (both at quality 95), by the ending of `path`.

    `icc`, `exif`: as in `Picture`. Raises ArgumentError for another ending or array, OutputError when the file cannot
    be written, exists already (unless `force`), or the format cannot hold the picture.
    """
    check_ending(path)
    atomic_write(path, lambda file: write(pixels, file, path, icc=icc, exif=exif), force=force)


def write(
    pixels: Pixels,
    file: BinaryIO,
    name: str | PathLike[str],
    *,
    icc: bytes | None = None,
    exif: bytes | None = None,
) -> None:
    """What `save` writes, into a binary file; `name`: its name for messages, with the ending that says the format."""
    _check(pixels)
    form = _format_of(name)
    height, width = pixels.shape[:2]
    if max(width, height) > form.longest:
        raise OutputError(
            f"{os.fspath(name)}: {form.name} holds at most {form.longest} pixels a side, not {width}x{height}; use .png"
        )
    extra = {key: value for key, value in (("icc_profile", icc), ("exif", exif)) if value}
    try:
        Image.fromarray(pixels).save(file, form.name, **form.options, **extra)
    except ValueError as error:  # such as an EXIF block longer than JPEG allows
        raise OutputError(f"{os.fspath(name)}: cannot be written as {form.name} ({error})") from error


def _check(pixels: Pixels) -> None:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise ArgumentError(f"pixels must be uint8 of shape (H, W, 3), not {pixels.dtype} {pixels.shape}")


def resize(pixels: Pixels, size: tuple[int, int], kernel: str = "lanczos") -> Pixels:
    """Resample uint8 (H, W, 3) to `size` = (width, height) with Pillow's fixed-point arithmetic.

    `kernel`: "lanczos", "bicubic" or "box"; each is widened when it reduces.
    """
    _check(pixels)
    if kernel not in _KERNELS:
        raise ArgumentError(f"kernel (={kernel!r}) must be one of {', '.join(_KERNELS)}")
    if min(size) < 1:
        raise ArgumentError(f"size (={size[0]}x{size[1]}) must be at least 1x1")
    return np.array(Image.fromarray(pixels).resize(size, _KERNELS[kernel]))


def squared_error(first: Pixels, second: Pixels) -> int:
    """The sum of the squared differences of two pictures, both uint8 (H, W, 3)."""
    total = 0
    for top in range(0, len(first), _STRIP):
        difference = first[top : top + _STRIP].astype(np.int32) - second[top : top + _STRIP]
        total += int(np.sum(difference**2, dtype=np.int64))
    return total


def reduce(pixels: Pixels, factor: int) -> Pixels:
    """The mean of each block of factor x factor pixels, rounded half up: uint8 (H, W, 3) to (ceil(H/f), ceil(W/f), 3).

    The last row and column are repeated until whole blocks are full.
    """
    padded = pad_to(pixels, factor)
    height, width = padded.shape[0] // factor, padded.shape[1] // factor
    blocks = padded.reshape(height, factor, width, factor, 3)
    total = blocks.sum(axis=1, dtype=np.uint16).sum(axis=2, dtype=np.uint32)
    area = factor * factor
    return ((total + area // 2) // area).astype(np.uint8)


def pad_to(pixels: Pixels, multiple: int) -> Pixels:
    """Repeat the last row and column until height and width are multiples of `multiple`; (H, W, 3) as it is if so."""
    _check(pixels)
    if multiple < 1:
        raise ArgumentError(f"multiple (={multiple}) must be at least 1")
    height, width = pixels.shape[:2]
    if height % multiple == 0 and width % multiple == 0:
        return pixels
    return np.pad(pixels, ((0, -height % multiple), (0, -width % multiple), (0, 0)), "edge")


class Box(NamedTuple):
    """A part of a picture, in pixels: rows `top` to `bottom`, columns `left` to `right`, the ends not included."""

    top: int
    left: int
    bottom: int
    right: int

    def of(self, pixels: Pixels) -> Pixels:
        """The view of this part of an array (H, W, ...)."""
        return pixels[self.top : self.bottom, self.left : self.right]


def tiles(height: int, width: int, tile: int, halo: int) -> Iterator[tuple[Box, Box]]:
    """Cut a picture into cores, squares of side `tile` (smaller at the end), row by row.

    Yields (core, haloed): cores cover each pixel exactly once; haloed is the core with `halo` pixels more on each side,
    clipped to the picture.
    """
    if min(height, width, tile) < 1 or halo < 0:
        raise ArgumentError(
            f"height (={height}), width (={width}) and tile (={tile}) must be at least 1, halo (={halo}) at least 0"
        )
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            core = Box(top, left, min(top + tile, height), min(left + tile, width))
            yield (
                core,
                Box(
                    max(core.top - halo, 0),
                    max(core.left - halo, 0),
                    min(core.bottom + halo, height),
                    min(core.right + halo, width),
                ),
            )
