from __future__ import annotations

import io
import os
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from semapix.errors import ArgumentError, ImageError, MissingFile, OutputError
from semapix.imaging import ENDINGS, MAX_PIXELS, Box, check_ending, load, pad_to, reduce, resize, save, tiles

SIZES = [(1, 1), (1, 7), (7, 1), (3, 5), (17, 31)]  # height, width
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def noise(*shape: int, dtype: Any = np.uint8) -> np.ndarray[Any, Any]:
    return np.random.default_rng(1).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    """A PNG file made by hand; `rows` begin with their filter byte each."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


# What may hold a picture.


@pytest.mark.parametrize("size", SIZES)
def test_every_kind_of_source_gives_the_same_pixels(tmp_path: Path, size: tuple[int, int]) -> None:
    pixels = noise(*size, 3)
    image = Image.fromarray(pixels)
    data = encoded(image)
    path = tmp_path / "a.png"
    path.write_bytes(data)
    with path.open("rb") as file:
        sources: list[Any] = [pixels, image, data, bytearray(data), path, str(path), io.BytesIO(data), file]
        pictures = [load(source) for source in sources]
        assert not file.closed
    assert len(pictures) == 8
    for picture in pictures:
        assert picture.pixels.dtype == np.uint8
        assert picture.pixels.flags.writeable
        np.testing.assert_array_equal(picture.pixels, pixels)
        assert (picture.icc, picture.exif) == (None, None)
    assert [picture.source for picture in pictures] == [None] * 4 + [str(path)] * 2 + [None, str(path)]


def test_a_pillow_image_opened_from_a_file_keeps_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded(Image.new("RGB", (2, 2))))
    with Image.open(path) as image:
        assert load(image).source == str(path)


def test_loading_does_not_change_the_array() -> None:
    pixels = noise(3, 4, 3)
    load(pixels).pixels[:] = 0
    assert pixels.any()


def test_arrays_of_grey_and_alpha() -> None:
    grey = noise(5, 3)
    np.testing.assert_array_equal(load(grey).pixels, np.repeat(grey[..., None], 3, 2))
    np.testing.assert_array_equal(load(np.zeros((2, 2, 4), np.uint8)).pixels, np.full((2, 2, 3), 255))


def test_arrays_that_are_views() -> None:
    pixels = noise(9, 12, 3)
    np.testing.assert_array_equal(load(pixels[::-2, 1::3]).pixels, pixels[::-2, 1::3])


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.zeros((4, 5, 3), np.float32), "float32 (4, 5, 3)"),
        (np.zeros((4, 5, 3), np.uint16), "uint16 (4, 5, 3)"),
        (np.zeros((4, 5), bool), "bool (4, 5)"),
        (np.zeros((3, 4, 5), np.uint8), "uint8 (3, 4, 5)"),
        (np.zeros((4, 5, 1), np.uint8), "uint8 (4, 5, 1)"),
        (np.zeros((1, 4, 5, 3), np.uint8), "uint8 (1, 4, 5, 3)"),
        (np.zeros(5, np.uint8), "uint8 (5,)"),
    ],
)
def test_arrays_of_another_shape_or_type(array: Any, text: str) -> None:
    expected = f"an array must be uint8 of shape (H, W), (H, W, 3) or (H, W, 4), not {text}"
    with pytest.raises(ArgumentError, match=re.escape(expected) + "$"):
        load(array)


def test_what_cannot_hold_a_picture() -> None:
    expected = "an image must be a path, bytes, a binary file, a Pillow image or a uint8 array, not NoneType"
    with pytest.raises(ArgumentError, match=f"^{expected}$"):
        load(None)  # type: ignore[arg-type]


# Colour and depth.


@pytest.mark.parametrize("size", SIZES)
def test_grey_and_one_bit(size: tuple[int, int]) -> None:
    grey = noise(*size)
    np.testing.assert_array_equal(load(encoded(Image.fromarray(grey))).pixels, np.stack([grey] * 3, 2))
    bits = Image.fromarray(grey > 127)
    assert bits.mode == "1"
    np.testing.assert_array_equal(load(encoded(bits)).pixels, np.stack([(grey > 127) * 255] * 3, 2))


def test_sixteen_bit_grey_is_rounded() -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    data = encoded(Image.fromarray(values))
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "I;16"
    exact = np.floor(values.astype(np.float64) * 255 / 65535 + 0.5)
    np.testing.assert_array_equal(load(data).pixels, np.stack([exact] * 3, 2))


@pytest.mark.parametrize("mode", ["I;16", "I;16L", "I;16B"])
def test_sixteen_bit_images_of_either_byte_order(mode: str) -> None:
    dtype = ">u2" if mode == "I;16B" else "<u2"
    image = Image.frombytes(mode, (3, 1), np.array([0, 0x8080, 65535], dtype).tobytes())
    assert load(image).pixels[0, :, 0].tolist() == [0, 128, 255]


def test_integers_of_32_bits_count_as_16_bits() -> None:
    image = Image.fromarray(np.array([[0, 257, 65535]], np.int32))
    assert image.mode == "I"
    assert load(image).pixels[0, :, 0].tolist() == [0, 1, 255]


@pytest.mark.parametrize(("low", "high"), [(-1, 5), (0, 65536)])
def test_integers_beyond_16_bits(low: int, high: int) -> None:
    expected = rf"^the image: pixels from {low} to {high} do not fit into 16 bits \(0 to 65535\)$"
    with pytest.raises(ImageError, match=expected):
        load(Image.fromarray(np.array([[low, high]], np.int32)))


def test_floating_point_pixels() -> None:
    expected = "^the image: floating-point pixels have no fixed range; convert them to 8 or 16 bits$"
    with pytest.raises(ImageError, match=expected):
        load(Image.fromarray(np.zeros((2, 2), np.float32)))


def test_sixteen_bit_colour_gives_the_upper_byte() -> None:
    values = noise(5, 4, 3, dtype=np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    np.testing.assert_array_equal(load(png(4, 5, 16, 2, rows)).pixels, values >> 8)


def test_alpha_is_composited_over_white_and_rounded() -> None:
    colour, alpha = np.meshgrid(np.arange(256), np.arange(256))
    expected = np.floor((colour * alpha + 255 * (255 - alpha)) / 255 + 0.5)
    layers = np.stack([colour, colour, colour, alpha], 2).astype(np.uint8)
    grey = Image.fromarray(layers[..., 2:], "LA")
    for image in (Image.fromarray(layers), grey):
        np.testing.assert_array_equal(load(encoded(image)).pixels, np.stack([expected] * 3, 2))


def test_premultiplied_alpha() -> None:
    assert load(Image.new("RGBa", (1, 1), (0, 50, 100, 100))).pixels.tolist() == [[[155, 205, 255]]]
    assert load(Image.new("La", (1, 1), (50, 100))).pixels.tolist() == [[[205, 205, 205]]]


def palette() -> Image.Image:
    image = Image.new("P", (3, 1))
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    image.putdata([2, 0, 1])
    return image


def test_palette() -> None:
    assert load(encoded(palette())).pixels.tolist() == [[[70, 80, 90], [10, 20, 30], [40, 50, 60]]]


def test_palette_with_a_transparent_entry() -> None:
    expected = [[[70, 80, 90], [255, 255, 255], [40, 50, 60]]]
    assert load(encoded(palette(), transparency=0)).pixels.tolist() == expected
    assert load(encoded(palette(), "GIF", transparency=0)).pixels.tolist() == expected


def test_palette_with_alpha() -> None:
    data = encoded(palette(), transparency=bytes([0, 255, 51]))
    assert load(data).pixels.tolist() == [[[218, 220, 222], [255, 255, 255], [40, 50, 60]]]


def test_a_transparent_colour() -> None:
    image = Image.fromarray(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8))
    assert load(encoded(image, transparency=(1, 2, 3))).pixels.tolist() == [[[255, 255, 255], [4, 5, 6]]]
    grey = Image.fromarray(np.array([[7, 8]], np.uint8))
    assert load(encoded(grey, transparency=8)).pixels.tolist() == [[[7, 7, 7], [255, 255, 255]]]


def test_cmyk_jpeg() -> None:
    image = Image.new("CMYK", (16, 8), (255, 0, 0, 0))
    pixels = load(encoded(image, "JPEG", quality=95, icc_profile=b"\0" * 16 + b"CMYK" + b"\0" * 108)).pixels
    assert pixels.shape == (8, 16, 3)
    assert np.abs(pixels.astype(int) - [0, 255, 255]).max() <= 3


@pytest.mark.parametrize("mode", ["YCbCr", "HSV", "RGBX"])
def test_other_colours(mode: str) -> None:
    image = Image.fromarray(noise(4, 6, 3)).convert(mode)
    np.testing.assert_array_equal(load(image).pixels, np.asarray(image.convert("RGB")))


def test_lab() -> None:
    pixels = load(Image.new("LAB", (2, 2), (255, 128, 128))).pixels
    assert np.abs(pixels.astype(int) - 255).max() <= 1


def test_a_transparency_that_is_none() -> None:
    image = palette()
    image.info["transparency"] = 0.5
    with pytest.raises(ImageError, match=r"^the image: pixels of mode P cannot become RGB \(Transparency for P mode "):
        load(image)


def test_the_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    with Image.open(io.BytesIO(data)) as image:
        assert image.n_frames == 2
    assert (load(data).pixels == [255, 0, 0]).all()


# Metadata.

MARK = np.arange(6, dtype=np.uint8).reshape(2, 3)[..., None].repeat(3, 2) * 40  # 2 rows, 3 columns, none like another
UPRIGHT: dict[int, Callable[[Any], Any]] = {  # EXIF 2.32, tag 274: where row 0 and column 0 of the stored picture are
    1: lambda a: a,  # top, left
    2: lambda a: a[:, ::-1],  # top, right
    3: lambda a: a[::-1, ::-1],  # bottom, right
    4: lambda a: a[::-1],  # bottom, left
    5: lambda a: a.transpose(1, 0, 2),  # left, top
    6: lambda a: a.transpose(1, 0, 2)[:, ::-1],  # right, top
    7: lambda a: a.transpose(1, 0, 2)[::-1, ::-1],  # right, bottom
    8: lambda a: a.transpose(1, 0, 2)[::-1],  # left, bottom
}


def exif(orientation: int) -> Image.Exif:
    block = Image.Exif()
    block[0x0112] = orientation
    block[0x010F] = "Maker"
    return block


def orientation_in(block: bytes | None) -> int | None:
    assert block is not None
    assert block.startswith(b"Exif\0\0")
    read = Image.Exif()
    read.load(block)
    assert read[0x010F] == "Maker"
    return read.get(0x0112)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("form", "options"), [("PNG", {}), ("WEBP", {"lossless": True})])
def test_orientation_is_applied_and_reset(orientation: int, form: str, options: dict[str, Any]) -> None:
    picture = load(encoded(Image.fromarray(MARK), form, exif=exif(orientation), **options))
    np.testing.assert_array_equal(picture.pixels, UPRIGHT[orientation](MARK))
    assert orientation_in(picture.exif) == 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_jpeg_and_tiff(orientation: int) -> None:
    block = Image.fromarray(MARK.repeat(8, 0).repeat(8, 1))
    picture = load(encoded(block, "JPEG", quality=100, subsampling=0, exif=exif(orientation)))
    found = picture.pixels[4::8, 4::8].astype(int)
    assert np.abs(found - UPRIGHT[orientation](MARK)).max() <= 2
    assert orientation_in(picture.exif) == 1
    tagged = encoded(Image.fromarray(MARK), "TIFF", tiffinfo={0x0112: orientation})
    np.testing.assert_array_equal(load(tagged).pixels, UPRIGHT[orientation](MARK))


@pytest.mark.parametrize("mode", ["L", "LA", "P", "I;16"])
def test_orientation_with_every_way_of_conversion(mode: str) -> None:
    grey = MARK[..., 0]
    image = Image.fromarray(grey.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(grey).convert(mode)
    data = encoded(image, exif=exif(6))
    np.testing.assert_array_equal(load(data).pixels, UPRIGHT[6](MARK))


def test_orientation_of_a_pillow_image_leaves_it_as_it_was() -> None:
    with Image.open(io.BytesIO(encoded(Image.fromarray(MARK), exif=exif(6)))) as image:
        assert load(image).pixels.shape == (3, 2, 3)
        assert load(image).pixels.shape == (3, 2, 3)
        assert image.size == (3, 2)
        assert image.getexif()[0x0112] == 6


def test_an_upright_exif_block_is_kept_as_it_is() -> None:
    block = exif(1).tobytes()
    for form in ("PNG", "JPEG", "WEBP"):
        assert load(encoded(Image.new("RGB", (8, 8)), form, exif=block)).exif == block


@pytest.mark.parametrize("block", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0"])
def test_a_damaged_exif_block_does_no_harm(block: bytes) -> None:
    picture = load(encoded(Image.fromarray(MARK), exif=block))
    np.testing.assert_array_equal(picture.pixels, MARK)


def test_an_orientation_that_does_not_exist_is_ignored() -> None:
    picture = load(encoded(Image.fromarray(MARK), exif=exif(9)))
    np.testing.assert_array_equal(picture.pixels, MARK)


def test_only_profiles_for_rgb_are_kept() -> None:
    assert load(encoded(Image.new("RGB", (2, 2)), icc_profile=SRGB)).icc == SRGB
    grey = SRGB[:16] + b"GRAY" + SRGB[20:]
    cmyk = SRGB[:16] + b"CMYK" + SRGB[20:]
    assert load(encoded(Image.new("L", (2, 2)), icc_profile=grey)).icc is None
    assert load(encoded(Image.new("CMYK", (2, 2)), "JPEG", icc_profile=cmyk)).icc is None


# What is no picture.

PHOTO = Image.fromarray(noise(40, 50, 3))


@pytest.mark.parametrize("data", [b"", b"a line of text\n", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"\xd3PX\x11"])
def test_not_an_image(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(data)
    for source, name in ((path, str(path)), (data, "the image")):
        with pytest.raises(ImageError, match=re.escape(name) + ": is (not an image, or of a format|broken)"):
            load(source)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_files(form: str, share: float) -> None:
    data = encoded(PHOTO, form)
    with pytest.raises(ImageError, match=r"^the image: is (broken \(.+\)|not an image, or of a format)"):
        load(data[: int(len(data) * share)])


@given(st.integers(0, 10_000), st.integers(1, 255), st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "TIFF"]))
def test_flipped_bits_give_a_picture_or_an_image_error(position: int, flip: int, form: str) -> None:
    data = bytearray(encoded(Image.fromarray(noise(8, 9, 3)), form))
    data[position % len(data)] ^= flip
    try:
        picture = load(bytes(data))
    except ImageError:
        return
    assert picture.pixels.dtype == np.uint8
    assert picture.pixels.ndim == 3


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    path = tmp_path / "no.png"
    with pytest.raises(MissingFile, match=re.escape(f"{path}: cannot be opened (No such file or directory)") + "$"):
        load(path)
    with pytest.raises(ImageError, match=re.escape(f"{tmp_path}: cannot be read (Is a directory)") + "$"):
        load(tmp_path)
    with pytest.raises(ImageError, match=r"a\0b: cannot be read \(embedded null (byte|character)\)$"):
        load("a\0b")


def test_drawings_are_refused() -> None:
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"
    with pytest.raises(ImageError, match=r"^the image: EPS is a drawing; convert it to pixels first$"):
        load(eps)


@pytest.mark.parametrize("shape", [(0, 5, 3), (5, 0, 3), (0, 0)])
def test_no_pixels(shape: tuple[int, ...]) -> None:
    expected = f"the image: has no pixels ({shape[1]}x{shape[0]})"
    with pytest.raises(ImageError, match=re.escape(expected) + "$"):
        load(np.zeros(shape, np.uint8))
    with pytest.raises(ImageError, match=re.escape(expected) + "$"):
        load(Image.new("RGB", (shape[1], shape[0])))


def test_the_limit_of_pixels() -> None:
    pixels = noise(10, 10, 3)
    assert load(pixels, max_pixels=100).pixels.shape == (10, 10, 3)
    for source in (pixels, encoded(Image.fromarray(pixels))):
        with pytest.raises(ImageError, match=r"^the image: 10x10 is 100 pixels, more than the limit of 99$"):
            load(source, max_pixels=99)


@pytest.mark.parametrize(
    ("side", "reason"),
    [
        (8000, f"8000x8000 is 64000000 pixels, more than the limit of {MAX_PIXELS}$"),
        (10_000, f"10000x10000 is 100000000 pixels, more than the limit of {MAX_PIXELS}$"),  # Pillow warns
        (100_000, rf"more pixels than the limit of {MAX_PIXELS} \(.*10000000000 pixels.*\)$"),  # Pillow refuses
    ],
)
def test_a_decompression_bomb_is_not_decoded(tmp_path: Path, side: int, reason: str) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png(side, side, 8, 2, b""))  # decoding would say that it is broken
    with pytest.raises(ImageError, match=re.escape(f"{path}: ") + reason):
        load(path)


# Out.


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("ending", [*ENDINGS, ".PNG"])
def test_save_and_load(tmp_path: Path, size: tuple[int, int], ending: str) -> None:
    pixels = np.full((*size, 3), (200, 100, 50), np.uint8)
    path = tmp_path / f"a{ending}"
    save(pixels, path, icc=SRGB, exif=exif(1).tobytes())
    picture = load(path)
    assert picture.pixels.shape == pixels.shape
    assert np.abs(picture.pixels.astype(int) - pixels).max() <= (0 if ending.lower() == ".png" else 3)
    assert picture.icc == SRGB
    assert orientation_in(picture.exif) == 1
    assert os.listdir(tmp_path) == [path.name]


def test_png_is_exact(tmp_path: Path) -> None:
    pixels = noise(31, 17, 3)
    save(pixels, tmp_path / "a.png")
    np.testing.assert_array_equal(load(tmp_path / "a.png").pixels, pixels)


def test_saving_over_a_file_needs_force(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    with pytest.raises(OutputError, match=r"a\.png: exists already"):
        save(noise(2, 2, 3), path)
    assert path.read_bytes() == b"old"
    save(noise(2, 2, 3), path, force=True)
    assert load(path).pixels.shape == (2, 2, 3)


@pytest.mark.parametrize("name", ["a.bmp", "a", "png"])
def test_an_unknown_ending(tmp_path: Path, name: str) -> None:
    expected = f"{tmp_path / name}: the name must end in .png, .jpg, .jpeg or .webp"
    with pytest.raises(ArgumentError, match=re.escape(expected) + "$"):
        save(noise(2, 2, 3), tmp_path / name)
    with pytest.raises(ArgumentError, match=re.escape(expected) + "$"):
        check_ending(tmp_path / name)


def test_known_endings() -> None:
    assert ENDINGS == (".png", ".jpg", ".jpeg", ".webp")
    for ending in ENDINGS:
        check_ending(f"no/such/directory/a{ending.upper()}")


@pytest.mark.parametrize(("name", "form", "longest"), [("a.webp", "WEBP", 16383), ("a.jpg", "JPEG", 65500)])
def test_the_longest_side_of_a_format(tmp_path: Path, name: str, form: str, longest: int) -> None:
    save(np.zeros((1, longest, 3), np.uint8), tmp_path / name)
    expected = f"{name}: {form} holds at most {longest} pixels a side, not {longest + 1}x1; use .png"
    with pytest.raises(OutputError, match=re.escape(expected) + "$"):
        save(np.zeros((1, longest + 1, 3), np.uint8), tmp_path / f"2{name}")
    assert os.listdir(tmp_path) == [name]


def test_metadata_that_a_format_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"a\.jpg: cannot be written as JPEG \(EXIF data is too long\)$"):
        save(noise(2, 2, 3), tmp_path / "a.jpg", exif=b"Exif\0\0" + bytes(70_000))
    assert os.listdir(tmp_path) == []


# Resampling, padding, tiles.

FUNCTIONS: list[Callable[[Any], Any]] = [
    lambda pixels: resize(pixels, (2, 2)),
    lambda pixels: reduce(pixels, 2),
    lambda pixels: pad_to(pixels, 4),
    lambda pixels: save(pixels, "a.png"),
]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(("shape", "dtype"), [((4, 4), "uint8"), ((4, 4, 3), "float32"), ((0, 4, 3), "uint8")])
def test_pixels_of_another_shape_or_type(function: Callable[[Any], Any], shape: tuple[int, ...], dtype: str) -> None:
    expected = f"pixels must be uint8 of shape (H, W, 3), not {dtype} {shape}"
    with pytest.raises(ArgumentError, match=re.escape(expected) + "$"):
        function(np.zeros(shape, dtype))


@pytest.mark.parametrize("kernel", ["lanczos", "bicubic", "box"])
@pytest.mark.parametrize("size", [(1, 1), (8, 3), (3, 8), (40, 21)])
def test_resize_keeps_constants(kernel: str, size: tuple[int, int]) -> None:
    pixels = np.full((11, 7, 3), (0, 137, 255), np.uint8)
    resized = resize(pixels, size, kernel)
    assert resized.shape == (size[1], size[0], 3)
    assert (resized == [0, 137, 255]).all()
    assert resized.flags.writeable


def test_resize_to_the_same_size_changes_nothing() -> None:
    pixels = noise(5, 7, 3)
    np.testing.assert_array_equal(resize(pixels, (7, 5)), pixels)


def test_resize_by_box_is_the_mean() -> None:
    pixels = noise(6, 8, 3) & 0xFC
    expected = pixels.reshape(3, 2, 4, 2, 3).mean((1, 3))
    assert np.abs(resize(pixels, (4, 3), "box") - expected).max() <= 0.5


def test_resize_refuses() -> None:
    with pytest.raises(ArgumentError, match=r"^kernel \(='nearest'\) must be one of lanczos, bicubic, box$"):
        resize(noise(2, 2, 3), (1, 1), "nearest")
    with pytest.raises(ArgumentError, match=r"^size \(=0x4\) must be at least 1x1$"):
        resize(noise(2, 2, 3), (0, 4))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("factor", [1, 2, 8])
def test_reduce_is_the_rounded_mean(size: tuple[int, int], factor: int) -> None:
    pixels = noise(*size, 3)
    reduced = reduce(pixels, factor)
    height, width = size
    assert reduced.shape == (-(-height // factor), -(-width // factor), 3)
    assert reduced.dtype == np.uint8
    for y, x in np.ndindex(reduced.shape[:2]):
        rows = [min(factor * y + i, height - 1) for i in range(factor)]
        columns = [min(factor * x + i, width - 1) for i in range(factor)]
        total = pixels[np.ix_(rows, columns)].astype(int).sum((0, 1))
        assert reduced[y, x].tolist() == ((total + factor**2 // 2) // factor**2).tolist()


def test_reduce_rounds_half_up() -> None:
    pixels = np.array([[[0, 0, 255], [1, 0, 255]], [[1, 0, 255], [0, 1, 254]]], np.uint8)
    assert reduce(pixels, 2).tolist() == [[[1, 0, 255]]]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("multiple", [1, 2, 3, 16])
def test_pad_to_repeats_the_edge(size: tuple[int, int], multiple: int) -> None:
    pixels = noise(*size, 3)
    padded = pad_to(pixels, multiple)
    height, width = padded.shape[:2]
    assert height % multiple == width % multiple == 0
    assert 0 <= height - size[0] < multiple
    assert 0 <= width - size[1] < multiple
    rows, columns = np.arange(height).clip(max=size[0] - 1), np.arange(width).clip(max=size[1] - 1)
    np.testing.assert_array_equal(padded, pixels[np.ix_(rows, columns)])


def test_pad_to_refuses() -> None:
    with pytest.raises(ArgumentError, match=r"^multiple \(=0\) must be at least 1$"):
        pad_to(noise(2, 2, 3), 0)


def test_box_is_a_view() -> None:
    pixels = noise(5, 6, 3)
    part = Box(1, 2, 4, 6).of(pixels)
    assert part.base is pixels
    np.testing.assert_array_equal(part, pixels[1:4, 2:6])


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 50), st.integers(0, 9))
def test_tiles_cover_each_pixel_once(height: int, width: int, tile: int, halo: int) -> None:
    count = np.zeros((height, width), int)
    boxes = list(tiles(height, width, tile, halo))
    assert len(boxes) == -(-height // tile) * -(-width // tile)
    for core, haloed in boxes:
        count[core.top : core.bottom, core.left : core.right] += 1
        assert core.top % tile == core.left % tile == 0
        assert core.bottom - core.top <= tile
        assert core.right - core.left <= tile
        assert haloed.top == max(core.top - halo, 0)
        assert haloed.left == max(core.left - halo, 0)
        assert haloed.bottom == min(core.bottom + halo, height)
        assert haloed.right == min(core.right + halo, width)
    assert (count == 1).all()


def test_tiles_come_row_by_row() -> None:
    cores = [core for core, _ in tiles(3, 5, 2, 1)]
    assert cores == [(0, 0, 2, 2), (0, 2, 2, 4), (0, 4, 2, 5), (2, 0, 3, 2), (2, 2, 3, 4), (2, 4, 3, 5)]


@pytest.mark.parametrize("arguments", [(0, 1, 1, 0), (1, 0, 1, 0), (1, 1, 0, 0), (1, 1, 1, -1)])
def test_tiles_refuse(arguments: tuple[int, int, int, int]) -> None:
    height, width, tile, halo = arguments
    expected = f"height (={height}), width (={width}) and tile (={tile}) must be at least 1, halo (={halo}) at least 0"
    with pytest.raises(ArgumentError, match=re.escape(expected) + "$"):
        list(tiles(height, width, tile, halo))


def test_very_thin_pictures_are_refused():
    with pytest.raises(ImageError, match="1x65536 pixels; a side may have 65535 at most"):
        load(np.zeros((65536, 1, 3), np.uint8))


def test_a_transparent_shade_of_16_bit_grey_is_white(tmp_path):
    Image.fromarray(np.array([[1000, 30000]], np.uint16)).save(tmp_path / "a.png", transparency=1000)
    assert load(tmp_path / "a.png").pixels[0, :, 0].tolist() == [255, round(30000 * 255 / 65535)]
