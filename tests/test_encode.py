"""Pictures coded within a number of bytes."""

import itertools
import re

import numpy as np
import pytest
from PIL import Image, ImageCms

import semapix
from semapix.errors import ArgumentError
from tests.pictures import picture


def squared_error(stream: semapix.Stream, pixels: np.ndarray) -> int:
    return int(((np.asarray(stream.image()).astype(int) - pixels) ** 2).sum())


def fits_first(file: semapix.Stream, limit: int) -> bool:
    return file.cut_points[0].bytes <= limit


def check_limit(pixels, codec, model, limit, whole) -> semapix.Stream:
    """Code within `limit`, and hold the file to its candidates; `whole`: files at every quality."""
    stream = semapix.encode(pixels, codec, model=model, max_bytes=limit)
    assert stream.bytes_total <= limit
    assert stream.bytes_total == len(stream.to_bytes()) == stream.cut_points[-1].bytes
    fitting = [file for file in whole if file.bytes_total <= limit]
    if not fitting:
        cuts = [semapix.open(file.to_bytes(max_bytes=limit), model) for file in whole if fits_first(file, limit)]
        reached = len(cuts[0].cut_points)
        as_far = [cut for cut in cuts if len(cut.cut_points) >= reached]
        errors = [squared_error(cut, pixels) for cut in cuts]
        assert squared_error(stream, pixels) in errors
        assert squared_error(stream, pixels) <= min(errors[0], squared_error(as_far[-1], pixels))
        return stream
    errors = [squared_error(file, pixels) for file in fitting[-1:]]
    if len(fitting) < len(whole):
        cut = whole[len(fitting)].to_bytes(max_bytes=limit)
        errors.append(squared_error(semapix.open(cut, model), pixels))
    assert squared_error(stream, pixels) == min(errors)
    return stream


def test_the_better_of_a_whole_and_a_cut_file(planes_bundle):
    pixels = picture(20, 12)
    whole = [semapix.encode(pixels, "planes", quality, planes_bundle) for quality in range(1, 10)]
    sizes = [file.bytes_total for file in whole]
    assert sizes == sorted(set(sizes))
    kinds = set()
    for limit in range(whole[0].cut_points[0].bytes, sizes[-1] + 40, 3):
        stream = check_limit(pixels, "planes", planes_bundle, limit, whole)
        kinds.add((stream.complete, limit < sizes[0]))
    assert kinds == {(True, False), (False, False), (False, True)}
    assert semapix.encode(pixels, "planes", model=planes_bundle, max_bytes=10**9).to_bytes() == whole[-1].to_bytes()


def test_a_real_codec_within_bytes():
    pixels = picture(200, 170)
    whole = [semapix.encode(pixels, "deepsic", quality) for quality in range(1, 10)]
    first, smallest, largest = whole[0].cut_points[0].bytes, whole[0].bytes_total, whole[-1].bytes_total
    for limit in (first, smallest - 1, (smallest + largest) // 2, largest):
        check_limit(pixels, "deepsic", None, limit, whole)


def test_metadata_is_kept_where_there_is_room(planes_bundle):
    image = Image.fromarray(picture(20, 12))
    plain = semapix.encode(image, "planes", 9, planes_bundle).bytes_total
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image.info |= {"icc_profile": profile, "exif": Image.Exif().tobytes()}
    whole = semapix.encode(image, "planes", 9, planes_bundle)
    exif = whole.bytes_total - whole.cut_points[-2].bytes

    def kept(limit: int) -> set[str]:
        stream = semapix.encode(image, "planes", model=planes_bundle, max_bytes=limit)
        assert stream.header.quality == 9
        assert stream.complete
        assert plain <= stream.bytes_total <= limit
        return {"icc_profile", "exif"} & set(stream.image().info)

    assert kept(whole.bytes_total) == {"icc_profile", "exif"}
    assert kept(whole.bytes_total - 1) == {"icc_profile"}
    assert kept(plain + exif + 20) == {"exif"}
    assert kept(plain) == set()
    cut = semapix.encode(image, "planes", model=planes_bundle, max_bytes=plain - 1)
    assert (cut.header.quality, cut.complete) == (9, False)
    assert cut.cut_points[-1].name == "s5.11"


def test_a_whole_file_serves_where_not_even_the_first_layer_of_a_better_one_fits():
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    files = [semapix.encode(pixels, "deepsic", quality, variant="post") for quality in range(1, 10)]
    served = 0
    for file, better in itertools.pairwise(files):
        if file.bytes_total < better.cut_points[0].bytes:
            stream = semapix.encode(pixels, "deepsic", variant="post", max_bytes=file.bytes_total)
            assert files[0].bytes_total <= stream.bytes_total <= file.bytes_total
            served += 1
    assert served > 0


def test_a_quality_between_two_is_for_codecs_that_have_it(planes_bundle):
    with pytest.raises(ArgumentError, match=r"quality \(=5.5\) must be a whole number for codec planes; scalable and"):
        semapix.encode(picture(20, 12), "planes", 5.5, planes_bundle)
    pixels = picture(20, 12)
    whole = semapix.encode(pixels, "planes", 5.0, planes_bundle)
    assert whole.to_bytes() == semapix.encode(pixels, "planes", 5, planes_bundle).to_bytes()
    for quality in ("5", True, [5]):
        with pytest.raises(TypeError, match=re.escape(f"quality (={quality!r}) must be a number")):
            semapix.encode(picture(20, 12), quality=quality)
    for quality in (0.99, 9.01, float("nan")):
        with pytest.raises(ArgumentError, match=rf"quality \(={quality}\) must lie between 1 .* and 9"):
            semapix.encode(picture(20, 12), quality=quality)


def test_errors_name_the_value_and_the_way_out(planes_bundle):
    pixels = picture(20, 12)
    first = semapix.encode(pixels, "planes", 1, planes_bundle).cut_points[0].bytes
    with pytest.raises(ArgumentError, match=rf"max_bytes \(={first - 1}\) must be {first} or more: s1 ends there"):
        semapix.encode(pixels, "planes", model=planes_bundle, max_bytes=first - 1)
    rate = (first - 0.5) * 8 / 240
    with pytest.raises(ArgumentError, match=rf"bpp \(={rate}\) must be {first * 8 / 240:.4f} or more: s1 ends there"):
        semapix.encode(pixels, "planes", model=planes_bundle, bpp=rate)
    with pytest.raises(ArgumentError, match=r"quality \(=5\) and max_bytes \(=900\) exclude each other; give one"):
        semapix.encode(pixels, "planes", 5, planes_bundle, max_bytes=900)
    with pytest.raises(ArgumentError, match=r"quality \(=0\) must lie between 1"):
        semapix.encode(pixels, "planes", 0, planes_bundle)
    with pytest.raises(TypeError):
        semapix.encode(pixels, "planes", model=planes_bundle, max_bytes=1e3)


def test_the_default_quality_is_five(planes_bundle):
    pixels = picture(20, 12)
    default = semapix.encode(pixels, "planes", model=planes_bundle)
    assert default.to_bytes() == semapix.encode(pixels, "planes", 5, planes_bundle).to_bytes()


def test_a_rate_is_a_number_of_bytes(planes_bundle):
    pixels = picture(20, 12)
    by_rate = semapix.encode(pixels, "planes", model=planes_bundle, bpp=20.02)
    assert by_rate.to_bytes() == semapix.encode(pixels, "planes", model=planes_bundle, max_bytes=600).to_bytes()


@pytest.mark.parametrize("bpp", [0, -1.0, float("nan"), float("inf"), 1e308])
def test_a_rate_that_is_none_is_refused(planes_bundle, bpp):
    with pytest.raises(ArgumentError, match=re.escape(f"bpp (={bpp}) must be above 0, and at most 100")):
        semapix.encode(picture(20, 12), "planes", model=planes_bundle, bpp=bpp)


def test_quality_bytes_and_rate_exclude_each_other(planes_bundle):
    with pytest.raises(ArgumentError, match=r"quality \(=5\) and bpp \(=0.5\) exclude each other; give one"):
        semapix.encode(picture(20, 12), "planes", 5, planes_bundle, bpp=0.5)
    with pytest.raises(ArgumentError, match=r"max_bytes \(=9\) and bpp \(=0.5\) exclude each other; give one"):
        semapix.encode(picture(20, 12), "planes", model=planes_bundle, max_bytes=9, bpp=0.5)


@pytest.mark.parametrize(
    "steering",
    [{"strategy": "uniform"}, {"quality_map": np.zeros((12, 20), np.uint8)}, {"regions": [(0, 0, 4, 4)]}],
    ids=lambda steering: next(iter(steering)),
)
def test_a_codec_that_spreads_bits_evenly_says_so(tiny_bundle, steering):
    rule = "codec scalable spreads bits evenly; for strategies, maps and regions choose codec adaptive"
    with pytest.raises(ArgumentError, match=rule):
        semapix.encode(picture(20, 12), model=tiny_bundle, **steering)


@pytest.mark.parametrize(
    ("steering", "text"),
    [
        ({"strategy": "best"}, r"strategy \(='best'\) must be one of: blended, semantic"),
        ({"quality_map": np.zeros((12, 21))}, "the quality map is 21x12, the picture 20x12"),
        ({"quality_map": np.full((12, 20), 1j)}, "the quality map has values of type complex128; uint8, or"),
        ({"quality_map": np.full((12, 20), "a")}, "the quality map has values of type <U1; uint8, or"),
        ({"regions": [(10, 0, 11, 4)]}, r"region 10,0,11,4 .* and lie within the picture, 20x12"),
        ({"regions": [(0, 0, 0, 4)]}, r"region 0,0,0,4 \(x, y, width, height\) must be of 1x1 pixels or more, and lie"),
        ({"regions": [(1, 2, 3)]}, r"region \(=\(1, 2, 3\)\) must be four whole numbers of pixels: x, y"),
        ({"regions": [(1.5, 2, 3, 4)]}, r"region \(=\(1.5, 2, 3, 4\)\) must be four whole numbers of pixels"),
        ({"regions": ["1,2,3,4"]}, "region \\(='1,2,3,4'\\) must be four whole numbers of pixels"),
        ({"variant": "pre"}, r"variant \(='pre'\) must be one of: full, half"),
    ],
)
def test_steering_that_does_not_fit_is_refused(tiny_bundles, steering, text):
    with pytest.raises(ArgumentError, match=text):
        semapix.encode(picture(20, 12), model=tiny_bundles["adaptive"], **steering)


def test_a_rate_between_what_half_and_full_size_take_is_an_error_with_both_ends():
    rows = np.zeros((128, 192, 3), np.uint8)
    rows[::2] = 255  # at half the size nothing is left to see
    with pytest.raises(ArgumentError, match=r"bpp \(=0.1\) must be (\S+) or less, or (\S+) or more: ") as error:
        semapix.encode(rows, "adaptive", bpp=0.1)
    most, least = map(float, re.findall(r"(0\.\d{4}) or", str(error.value)))
    assert most < 0.06 < 0.3 < least
    assert semapix.encode(rows, "adaptive", bpp=most).header.variant == 1
    assert semapix.encode(rows, "adaptive", bpp=1.02 * least).header.variant == 0
    within = semapix.encode(rows, "adaptive", max_bytes=len(rows) * rows.shape[1] // 80)
    assert within.bytes_total <= 8 * most * rows.size
