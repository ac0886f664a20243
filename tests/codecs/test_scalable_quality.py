"""Qualities between two whole ones: files of codec scalable that state them, and how they fill a number of bytes."""

from dataclasses import replace
from importlib import resources

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFilter

import semapix
from semapix.bundle import find
from semapix.codecs import Layers, PictureInfo, open_codec
from semapix.errors import CorruptLayer
from semapix.imaging import resize


@pytest.fixture(scope="module")
def lighthouse() -> np.ndarray:
    path = resources.files("semapix") / "assets" / "lighthouse.png"
    with path.open("rb") as file:
        return np.asarray(Image.open(file).convert("RGB"))


@pytest.fixture(scope="module")
def photo(lighthouse) -> np.ndarray:
    return lighthouse[100:324, 200:488]


def layers_of(stream: semapix.Stream) -> tuple[Layers, PictureInfo]:
    header = stream.header
    return stream._fetch(len(stream.layers)), PictureInfo(header.width, header.height, header.quality, header.variant)


def error_of(stream: semapix.Stream, pixels: np.ndarray) -> float:
    return float(((np.asarray(stream.image()).astype(float) - pixels) ** 2).mean())


@pytest.mark.parametrize("side", [32, 48, 224])  # the core alone, with a scale of its own size, and of a larger one
def test_bytes_and_errors_run_smoothly_from_one_quality_to_the_next(photo, side):
    pixels = photo[:side, :side]
    files = [semapix.encode(pixels, quality=quality) for quality in (6, 6.25, 6.5, 6.75, 7)]
    assert [file.quality for file in files] == [6, 6.25, 6.5, 6.75, 7]
    assert [file.header.quality for file in files] == [6, 6, 6, 6, 7]
    assert [file.header.variant for file in files] == ([1] * 5 if side == 48 else [0, 1, 1, 1, 0])
    assert len(files[0].layers) == (7 if side == 32 else 8)
    sizes, errors = [file.bytes_total for file in files], [error_of(file, pixels) for file in files]
    assert sizes == sorted(set(sizes))
    assert all(np.diff(errors) < 0.02 * errors[0])  # a core has few values, and errors of them are rough
    assert errors[-1] < errors[2] < errors[0]
    middle = (np.log(sizes[0]) + np.log(sizes[-1])) / 2
    assert abs(np.log(sizes[2]) - middle) < 0.25 * (middle - np.log(sizes[0]))


def test_steps_are_the_first_byte_of_s3(photo):
    layers, info = layers_of(semapix.encode(photo, quality=5.5))
    assert layers.signal[0][0][0] == 128
    codec = open_codec(find("scalable"))
    assert codec.quality(layers, info) == 5.5
    assert codec.quality(replace(layers, signal=[]), info) == 5
    assert codec.quality(layers, replace(info, variant=0)) == 5
    whole, its_info = layers_of(semapix.encode(photo, quality=5))
    assert len(layers.signal[0][0]) >= len(whole.signal[0][0])
    for number in range(1, len(layers) + 1):
        assert codec.features(layers, info, number).shape == codec.features(whole, its_info, number).shape


@pytest.mark.parametrize(
    ("width", "height", "layers"), [(64, 64, 8), (33, 32, 8), (64, 17, 8), (32, 32, 7), (64, 16, 7)]
)
def test_pictures_within_the_core_have_a_scale_of_their_own_size_unless_far_smaller(photo, width, height, layers):
    for quality in (1, 5, 5.5, 9):
        stream = semapix.encode(photo[:height, :width], quality=quality)
        assert (stream.quality, len(stream.layers)) == (quality, layers)
        assert stream.image().size == (width, height)


def test_a_scale_of_its_own_size_is_worth_its_bits(lighthouse):
    pixels = resize(lighthouse[:512, 128:640], (64, 64))
    core, info = layers_of(semapix.encode(pixels, quality=5))
    whole = open_codec(find("scalable")).image(core, info)
    without = open_codec(find("scalable")).image(replace(core, signal=core.signal[:-1]), info)
    gained = [((picture.astype(float) - pixels) ** 2).mean() for picture in (whole, without)]
    assert gained[0] < 0.5 * gained[1]


def test_labels_do_not_depend_on_the_quality(photo):
    whole, between = (semapix.encode(photo, quality=quality) for quality in (4, 4.7))
    assert [between.layers[n].length for n in (0, 1)] == [whole.layers[n].length for n in (0, 1)]
    assert between.look() == whole.look()


def test_every_cut_of_such_a_file_decodes(photo):
    stream = semapix.encode(photo, quality=2.3)
    errors = []
    for point in stream.cut_points:
        cut = semapix.open(stream.to_bytes(max_bytes=point.bytes))
        assert cut.quality == (stream.quality if point.bytes > stream.layers[1].end else 2)
        errors.append(error_of(cut, photo))
    assert errors[-1] == min(errors) < errors[3] / 2


def test_a_file_without_steps_that_says_it_has_some_is_damaged(photo):
    layers, info = layers_of(semapix.encode(photo, quality=2.3))
    damaged = replace(layers, signal=[[b""], *layers.signal[1:]])
    codec = open_codec(find("scalable"))
    for ask in (codec.quality, codec.image):
        with pytest.raises(
            CorruptLayer, match="layer s3 does not begin with the steps of its quality, 0 to 255, up to"
        ):
            ask(damaged, info)
    with pytest.raises(CorruptLayer, match="up to quality 9"):
        codec.image(layers, replace(info, quality=9))


@pytest.mark.parametrize(("width", "height"), [(64, 64), (40, 30), (66, 66), (130, 20)])
def test_small_pictures_are_as_large_as_the_best_whole_quality_that_fits(photo, width, height):
    pixels = photo[:height, :width]
    whole = [semapix.encode(pixels, quality=quality).bytes_total for quality in range(1, 10)]
    for share in (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95):
        budget = int(whole[0] * (whole[-1] / whole[0]) ** share)
        stream = semapix.encode(pixels, max_bytes=budget)
        assert max(size for size in whole if size <= budget) <= 1.03 * stream.bytes_total + 8
        assert 0.95 * budget - 8 <= stream.bytes_total <= budget


def test_a_soft_picture_is_coded_at_the_size_that_suits_it(lighthouse):
    soft = np.asarray(Image.fromarray(lighthouse[:384]).filter(ImageFilter.GaussianBlur(3)))
    stream = semapix.encode(soft, max_bytes=2500)
    assert stream.header.variant in (2, 3)
    full = semapix.encode(soft, max_bytes=2500, variant="full")
    assert (full.header.variant, full.complete) == (1, True)
    assert error_of(stream, soft) < 0.7 * error_of(full, soft)
    sharp = semapix.encode(lighthouse[:384], max_bytes=8000)
    assert sharp.header.variant == 1


def test_noise_fills_its_rate_too():
    pixels = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    sizes = [semapix.encode(pixels, quality=quality).bytes_total for quality in (1, 9)]
    for share in (0.2, 0.5, 0.7, 0.9):
        budget = int(sizes[0] * (sizes[1] / sizes[0]) ** share)
        assert 0.98 * budget <= semapix.encode(pixels, max_bytes=budget).bytes_total <= budget


def test_small_metadata_have_their_place(photo):
    image = Image.fromarray(photo)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image.info |= {"icc_profile": profile, "exif": Image.Exif().tobytes()}
    kept = {}
    for budget in (5000, 9000):
        stream = semapix.encode(image, max_bytes=budget)
        assert 0.98 * budget <= stream.bytes_total <= budget
        kept[budget] = {"icc_profile", "exif"} & set(stream.image().info)
    assert 500 < len(profile) + 20 < 900
    assert kept == {5000: {"exif"}, 9000: {"icc_profile", "exif"}}


@pytest.mark.parametrize("codec", ["scalable", "adaptive"])
def test_metadata_never_cost_a_picture(photo, codec):
    image = Image.fromarray(photo)
    exif = Image.Exif()
    exif[270] = "x" * 20
    image.info["exif"] = exif.tobytes()
    smallest = semapix.encode(photo, codec, quality=1, variant="half").bytes_total
    for budget in (smallest + 2, smallest + 20):
        stream = semapix.encode(image, codec, max_bytes=budget, variant="half")
        assert (stream.complete, "exif" in stream.image().info) == (True, False)
        assert stream.bytes_total <= budget


def test_a_picture_without_outer_scales_has_one_size(photo):
    pixels = photo[:48, :48]
    lowest = semapix.encode(pixels, quality=1)
    point = next(point for point in lowest.cut_points if point.name == "s6")
    stream = semapix.encode(pixels, max_bytes=point.bytes)
    assert stream.to_bytes() == lowest.to_bytes(max_bytes=point.bytes)
    codec = open_codec(find("scalable"))
    assert [codec.variants_for(*size) for size in ((64, 64), (65, 20), (128, 128), (129, 5))] == [
        ("full",),
        ("full", "half"),
        ("full", "half"),
        ("full", "half", "quarter"),
    ]


@pytest.mark.parametrize("bpp", [0.5, 0.83, 1.3])
def test_a_rate_is_filled(photo, bpp):
    stream = semapix.encode(photo, bpp=bpp)
    budget = int(bpp * photo[:, :, 0].size / 8)
    assert stream.complete
    assert 0.99 * budget <= stream.bytes_total <= budget
    assert stream.header.quality == int(stream.quality)
    whole = [semapix.encode(photo, quality=quality) for quality in range(1, 10)]
    fitting = [file for file in whole if file.bytes_total <= budget]
    cut = semapix.open(whole[len(fitting)].to_bytes(max_bytes=budget))
    assert error_of(stream, photo) < min(error_of(fitting[-1], photo), error_of(cut, photo))


@pytest.mark.parametrize(("variant", "number"), [("half", 2), ("quarter", 3)])
def test_a_part_of_the_size_has_the_same_core_and_fewer_bytes(photo, variant, number):
    full = semapix.encode(photo, quality=2.5)
    part = semapix.encode(photo, quality=2.5, variant=variant)
    assert (part.header.variant, part.quality) == (number, 2.5)
    assert semapix.encode(photo, quality=2, variant=variant).quality == 2
    assert part.bytes_total < full.bytes_total / 1.5
    layers, its_layers = layers_of(part)[0], layers_of(full)[0]
    assert layers.machine == its_layers.machine
    assert layers.signal[0][0][0] == its_layers.signal[0][0][0] == 128  # the core is coarser, and otherwise the same
    assert np.asarray(part.image()).shape == photo.shape
    assert [part.features(7).shape, part.features(1).shape] == [full.features(7).shape, full.features(1).shape]
    assert part.features(8).shape[1] < full.features(8).shape[1]
    assert part.look() == full.look()
    for point in part.cut_points:
        cut = semapix.open(part.to_bytes(max_bytes=point.bytes))
        assert np.asarray(cut.image()).shape == photo.shape
    assert error_of(full, photo) < error_of(part, photo) < error_of(cut, photo) + 1e-9


def test_bytes_below_the_lowest_quality_take_a_part_of_the_size(photo):
    lowest = [semapix.encode(photo, quality=1, variant=variant).bytes_total for variant in ("full", "half", "quarter")]
    assert lowest == sorted(lowest, reverse=True)
    found = []
    for budget in (int(1.2 * lowest[0]), int(0.85 * lowest[0]), int(1.1 * lowest[1]), int(1.05 * lowest[2])):
        stream = semapix.encode(photo, max_bytes=budget)
        assert stream.complete
        assert 0.96 * budget <= stream.bytes_total <= budget
        cut = semapix.open(semapix.encode(photo, quality=1).to_bytes(max_bytes=budget))
        assert error_of(stream, photo) < error_of(cut, photo)
        found.append(stream.header.variant)
    assert found == [1, 2, 2, 3]


def test_what_cut_points_leave_of_a_small_budget_goes_into_quality(lighthouse):
    photo, lowest = lighthouse, semapix.encode(lighthouse, quality=1)
    limit = int(0.93 * semapix.encode(photo, quality=1, variant="quarter").bytes_total)
    stream = semapix.encode(photo, max_bytes=limit)
    assert not stream.complete
    assert stream.bytes_total <= limit
    assert stream.header.quality > 1
    cut = semapix.open(lowest.to_bytes(max_bytes=limit))
    assert stream.header.variant == 3
    assert stream.cut_points[-1].name == "s7"
    assert error_of(stream, photo) < error_of(cut, photo)


def test_the_largest_file_serves_bytes_that_none_fills(photo):
    best = semapix.encode(photo, quality=9)
    assert semapix.encode(photo, max_bytes=4 * best.bytes_total).bytes_total == best.bytes_total
    most = r"bpp \(=20\) must be \S+ or less: this picture takes no more at the highest quality; max_bytes"
    with pytest.raises(semapix.errors.ArgumentError, match=most):
        semapix.encode(photo, bpp=20)
