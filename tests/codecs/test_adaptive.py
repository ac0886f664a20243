"""What the adaptive codec alone does: labels, steering, two decoders, rates, tiles."""

import re
from importlib import resources

import numpy as np
import pytest
from PIL import Image

import semapix
from semapix._rate import PASSES
from semapix._watch import watched_codings
from semapix.bundle import Bundle
from semapix.codecs import Layers, PictureInfo, Steering, adaptive
from semapix.codecs._importance import STRATEGIES
from semapix.codecs.adaptive import Adaptive
from semapix.errors import ArgumentError, CorruptLayer
from semapix.evaluation.metrics import psnr
from semapix.graphs import OnnxGraphs
from semapix.imaging import resize
from tests.pictures import picture


class NoGraphs:
    """Graphs that must not be run."""

    def run(self, name, *inputs):
        raise AssertionError(f"graph {name} was run")


class CountedGraphs:
    """Graphs that say which of them were run."""

    def __init__(self, bundle):
        self.graphs, self.names = OnnxGraphs(bundle), []

    def run(self, name, *inputs):
        self.names.append(name)
        return self.graphs.run(name, *inputs)


@pytest.fixture(scope="module")
def bundle(tiny_bundles) -> Bundle:
    return Bundle(tiny_bundles["adaptive"])


@pytest.fixture
def codec(bundle) -> Adaptive:
    return Adaptive(bundle, OnnxGraphs(bundle))


def mixed(width=160, height=96):
    """A picture that is smooth on the left and noisy on the right."""
    pixels = picture(width, height).astype(int)
    noise = np.random.default_rng(0).integers(-60, 61, pixels.shape)
    noise[:, : width // 2] = 0
    return (pixels + noise).clip(0, 255).astype(np.uint8)


def test_looking_runs_no_network_and_reads_40_bytes(bundle):
    stream = semapix.open(semapix.encode(picture(70, 50), model=bundle).to_bytes(), bundle)
    assert len(stream.look()) > 0
    assert stream.bytes_read <= 40
    machine = Layers([stream._reader.machine_layer(0)], [])
    assert np.isfinite(Adaptive(bundle, NoGraphs()).scores(machine, PictureInfo(70, 50, 5), "fine")).all()


def test_labels_of_ones_own_run_no_classifier(bundle):
    pixels = picture(40, 30)
    stream = semapix.encode(pixels, model=bundle, labels=["thing 3", "thing 0"])
    assert {label.name for label in stream.look(top=2)} == {"thing 0", "thing 3"}
    without = semapix.encode(pixels, model=bundle)
    assert stream.layers[1].checksums == without.layers[1].checksums
    counted = CountedGraphs(bundle)
    Adaptive(bundle, counted).prepare(pixels, Steering("uniform"), ["odd"])(0.5).code(0.0)
    assert set(counted.names) == {"encoder", "hyper"}


def test_thrift_runs_no_network_and_takes_fewer_bytes(bundle):
    pixels, counted = mixed(), CountedGraphs(bundle)
    codec = Adaptive(bundle, counted)
    quality, code = codec.prepare(pixels, Steering())(0.5)
    ran = len(counted.names)
    files = {thrift: code(thrift) for thrift in (-4.0, 0.0, 1.0, 2.0, 4.0)}
    assert len(counted.names) == ran
    assert quality == 5
    assert files[0.0] == codec.encode(pixels, 5)
    sizes = [sum(map(len, layers.signal[0])) for layers in files.values()]
    assert sizes == sorted(set(sizes), reverse=True)
    for layers in files.values():
        assert codec.image(layers, PictureInfo(160, 96, quality)).shape == pixels.shape


def test_a_map_alone_is_the_quality_itself(bundle):
    pixels = picture(64, 48)
    sizes = []
    for level, quality in ((0.0, 1), (0.25, 3), (0.5, 5), (1.0, 9)):
        stream = semapix.encode(pixels, model=bundle, quality_map=np.full((48, 64), level))
        assert stream.header.quality == quality
        uniform = semapix.encode(pixels, model=bundle, quality=quality, strategy="uniform")
        assert stream.to_bytes() == uniform.to_bytes()
        sizes.append(stream.bytes_total)
    assert sizes == sorted(set(sizes))
    with_quality = semapix.encode(pixels, None, 5, bundle, quality_map=np.full((48, 64), 0.25))
    assert with_quality.header.quality == 5


def test_a_grey_picture_is_a_map(bundle, tmp_path):
    pixels, values = picture(64, 48), np.zeros((48, 64), np.uint8)
    values[:, 32:] = 255
    Image.fromarray(values).save(tmp_path / "map.png")
    of_file = semapix.encode(pixels, model=bundle, quality_map=tmp_path / "map.png")
    assert of_file.to_bytes() == semapix.encode(pixels, model=bundle, quality_map=values).to_bytes()


def test_strategies_give_different_files_and_blended_is_the_default(bundle):
    pixels = mixed()
    files = {name: semapix.encode(pixels, model=bundle, strategy=name).to_bytes() for name in STRATEGIES}
    assert len(files) == len(set(files.values())) == 5
    assert semapix.encode(pixels, model=bundle).to_bytes() == files["blended"]


def test_importance_is_what_each_strategy_says(codec):
    pixels = mixed()
    maps = {name: codec.importance(pixels, Steering(name)) for name in STRATEGIES}
    assert all(found.shape == (6, 10) and 0 <= found.min() <= found.max() <= 1 for found in maps.values())
    assert (maps["uniform"] == 1).all()
    assert maps["complexity"][:, 6:].mean() > maps["complexity"][:, :4].mean() + 0.3
    assert np.allclose(maps["simplicity"], 1 - maps["complexity"])


def error_inside(stream, pixels, box):
    x, y, width, height = box
    part = (slice(y, y + height), slice(x, x + width))
    return float(((np.asarray(stream.image()).astype(float) - pixels)[part] ** 2).mean())


def test_a_region_is_coded_more_finely_at_the_same_bytes():
    """With the model that ships: one of two steps of training cannot tell fine from coarse."""
    photo = Image.open(resources.files("semapix") / "assets" / "lighthouse.png").convert("RGB")
    pixels, box = np.asarray(photo)[192:448, 96:480], (208, 0, 96, 192)  # the tower
    plain = semapix.encode(pixels, codec="adaptive", strategy="uniform", quality=4)
    budget = plain.bytes_total
    with_box = semapix.encode(pixels, codec="adaptive", strategy="uniform", regions=[box], max_bytes=budget)
    assert 0.9 * budget < with_box.bytes_total <= budget
    assert error_inside(with_box, pixels, box) < 0.9 * error_inside(plain, pixels, box)


def test_two_decoders_make_two_pictures_of_one_file(bundle):
    stream = semapix.encode(picture(64, 48), model=bundle)
    faithful, vivid = (np.asarray(stream.image(decoder=name)) for name in ("faithful", "vivid"))
    assert faithful.shape == vivid.shape == (48, 64, 3)
    assert np.array_equal(np.asarray(stream.image()), faithful)
    assert (faithful != vivid).any()
    with pytest.raises(ArgumentError, match=r"decoder \(='best'\) must be one of: faithful, vivid"):
        stream.image(decoder="best")


def test_a_codec_with_one_decoder_says_so(tiny_bundle):
    stream = semapix.encode(picture(20, 20), model=tiny_bundle)
    with pytest.raises(ArgumentError, match=r"decoder \(='vivid'\): codec scalable has one only"):
        stream.image(decoder="vivid")


def test_the_result_does_not_depend_on_tiles(codec, monkeypatch):
    pixels, info = picture(500, 420), PictureInfo(500, 420, 5)
    layers = codec.encode(pixels, 5)
    whole = codec.image(layers, info)
    monkeypatch.setattr(adaptive, "_TILE", 64)
    assert np.abs(codec.image(layers, info).astype(int) - whole).max() <= 1
    tiled = codec.image(codec.encode(pixels, 5), info)
    assert (tiled != whole).mean() < 0.01


def test_labels_alone_are_a_grey_picture(bundle):
    stream = semapix.encode(picture(70, 50), model=bundle)
    prefix = semapix.open(stream.to_bytes(layers=1), bundle)
    assert (np.asarray(prefix.image()) == 128).all()
    assert [label.name for label in prefix.look()] == [label.name for label in stream.look()]


def test_features_are_labels_and_the_latent(bundle):
    stream = semapix.encode(picture(70, 50), model=bundle)
    assert stream.features(1).shape == (4, 1, 1)
    assert stream.features(2).shape == (12, 4, 5)
    with pytest.raises(ArgumentError, match="holds labels, no features for heads; choose codec scalable"):
        stream.machine_features()


def test_map_symbols_far_out_of_range_are_a_picture(codec):
    info, layers = PictureInfo(40, 40, 5), codec.encode(picture(40, 40), 5)
    unit = codec._unit
    looked = 0
    for value in (-(2**30), -1000, 1000, 2**30):
        hyper = np.full((1, 4, 1, 1), value, np.float32)
        data, decoded = unit.encode(np.zeros((1, 12, 3, 3), np.float32), hyper, 4)
        _, state, coded = codec._decode(Layers(layers.machine, [data]), (40, 40), 5)
        assert 0 <= coded.min() <= coded.max() <= 1
        assert np.isfinite(state).all()
        assert np.array_equal(state[0], (decoded.state / 64).astype(np.float32))
        assert codec.image(Layers(layers.machine, [data]), info).shape == (40, 40, 3)
        looked += 1
    assert looked == 4


def test_the_number_of_sublayers_is_checked(codec):
    layers = codec.encode(picture(20, 20), 5)
    broken = Layers(layers.machine, [list(layers.signal[0]) * 2])
    with pytest.raises(CorruptLayer, match="layer s2 has 2 sub-layers; here it must have 1 to 1, in one layer"):
        codec.image(broken, PictureInfo(20, 20, 5))


def test_rates_are_met_from_below(bundle):
    pixels = picture(160, 144)
    least, most = (semapix.encode(pixels, model=bundle, quality=q).bytes_total for q in (1, 9))
    looked = 0
    for budget in np.geomspace(least * 1.1, most * 0.95, 5).astype(int):
        stream = semapix.encode(pixels, model=bundle, max_bytes=int(budget))
        assert 0.9 * budget < stream.bytes_total <= budget  # of a model that has learned nothing
        assert stream.complete
        same = semapix.encode(pixels, model=bundle, bpp=(int(budget) + 0.5) * 8 / pixels[:, :, 0].size)
        assert same.to_bytes() == stream.to_bytes()
        looked += 1
    assert looked == 5


def test_the_model_that_ships_keeps_its_promise_of_rates():
    photo = Image.open(resources.files("semapix") / "assets" / "lighthouse.png").convert("RGB")
    pixels = np.asarray(photo)[128:384, 256:640]
    looked = 0
    for strategy in ("uniform", "blended"):
        for bpp in (0.15, 0.3):
            size = semapix.encode(pixels, "adaptive", bpp=bpp, strategy=strategy).bytes_total
            assert 0.98 * bpp <= size * 8 / pixels[:, :, 0].size <= bpp
            looked += 1
    assert looked == 4


def test_half_codes_the_picture_at_half_its_size(bundle, codec):
    pixels = picture(161, 95)
    small = resize(pixels, (81, 48), "lanczos")
    looked = 0
    for strategy in STRATEGIES:
        half = semapix.encode(pixels, model=bundle, quality=5, strategy=strategy, variant="half")
        assert (half.header.width, half.header.height, half.header.variant) == (161, 95, 1)
        full = semapix.encode(pixels, model=bundle, quality=5, strategy=strategy)
        assert full.header.variant == 0
        assert half.look() == full.look()  # labels are of the whole picture
        decoded = np.asarray(half.image())
        assert decoded.shape == pixels.shape
        assert half.features(2).shape == (12, 3, 6)
        looked += 1
    assert looked == 5
    uniform = semapix.encode(pixels, model=bundle, quality=5, strategy="uniform", variant="half")
    of_small = semapix.encode(small, model=bundle, quality=5, strategy="uniform")
    assert uniform.layers[1].checksums == of_small.layers[1].checksums
    enlarged = resize(np.asarray(of_small.image()), (161, 95), "lanczos")
    assert np.array_equal(np.asarray(uniform.image()), enlarged)


def test_half_has_the_means_of_the_map(bundle):
    pixels, values = picture(64, 64), np.zeros((64, 64))
    values[:, 32:] = 1.0
    half = semapix.encode(pixels, model=bundle, quality_map=values, variant="half")
    small = semapix.encode(resize(pixels, (32, 32), "lanczos"), model=bundle, quality_map=values[::2, ::2])
    assert half.layers[1].checksums == small.layers[1].checksums


def test_a_rate_below_that_of_the_whole_size_is_met_at_half_of_it(bundle):
    pixels = picture(320, 288)
    least = {
        variant: semapix.encode(pixels, model=bundle, quality=1, variant=variant).bytes_total
        for variant in ("full", "half")
    }
    assert least["half"] < least["full"]
    budget = (least["half"] + least["full"]) // 2
    stream = semapix.encode(pixels, model=bundle, max_bytes=budget)
    assert stream.header.variant == 1
    assert 0.9 * budget < stream.bytes_total <= budget
    assert semapix.encode(pixels, model=bundle, max_bytes=budget, variant="half").bytes_total <= budget
    with pytest.raises(
        ArgumentError, match=r"bpp \(=50\) must be \S+ or less: variant half takes no more .*; leave it out"
    ):
        semapix.encode(pixels, model=bundle, bpp=50, variant="half")
    text = rf"max_bytes \(={budget}\) must be {least['full']} or more: .* at the lowest quality of variant full"
    with pytest.raises(ArgumentError, match=text):
        semapix.encode(pixels, model=bundle, max_bytes=budget, variant="full")


def test_between_the_sizes_bytes_get_the_largest_file_of_half_and_a_rate_is_an_error():
    """With the model that ships, of a flat page: its best half takes less than its least full file."""
    pixels = np.full((256, 256, 3), 128, np.uint8)
    full = semapix.encode(pixels, "adaptive", quality=1, strategy="uniform", variant="full").bytes_total
    half = semapix.encode(pixels, "adaptive", quality=9, strategy="uniform", variant="half").bytes_total
    assert half < full - 2
    budget = (half + full) // 2
    found = semapix.encode(pixels, "adaptive", max_bytes=budget, strategy="uniform").bytes_total
    assert half <= found <= budget
    ends = rf"must be {found * 8 / 256**2 - 0.00005:.4f} or less, or (\S+) or more: this picture takes none between"
    with pytest.raises(ArgumentError, match=ends) as error:
        semapix.encode(pixels, "adaptive", bpp=(budget + 0.5) * 8 / 256**2, strategy="uniform")
    assert float(re.search(ends, str(error.value))[1]) * 256**2 / 8 == pytest.approx(full, rel=0.03)


def test_the_least_is_that_of_the_smaller_size():
    """Of noise on 16x16 pixels half takes more than full."""
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    least = [semapix.encode(pixels, "adaptive", 1, variant=variant).bytes_total for variant in ("full", "half")]
    with pytest.raises(
        ArgumentError, match=rf"max_bytes \(=20\) must be {min(least)} or more: this picture takes that"
    ):
        semapix.encode(pixels, "adaptive", max_bytes=20)


def test_a_file_of_half_can_be_cut_and_keeps_what_it_is_told(bundle):
    pixels = picture(480, 400)
    stream = semapix.encode(pixels, model=bundle, quality=6, labels=["odd"], regions=[(0, 0, 64, 64)], variant="half")
    assert [label.name for label in stream.look("coarse", top=1)] == ["odd"]
    inside = [point for point in stream.cut_points if point.name.startswith("s2")]
    assert len(inside) > 1
    prefix = semapix.open(stream.to_bytes(max_bytes=inside[0].bytes), bundle)
    assert not prefix.complete
    assert np.asarray(prefix.image()).shape == pixels.shape


def test_the_model_that_ships_goes_far_below_its_lowest_quality():
    photo = Image.open(resources.files("semapix") / "assets" / "lighthouse.png").convert("RGB")
    pixels = np.asarray(photo)[128:384, 256:640]
    looked = 0
    for bpp, least in ((0.05, 21.0), (0.1, 23.0)):
        with watched_codings() as codings:
            stream = semapix.encode(pixels, "adaptive", bpp=bpp, strategy="uniform")
        assert 0.98 * bpp <= stream.bytes_total * 8 / pixels[:, :, 0].size <= bpp
        assert sum(coding.thrift == 0 for coding in codings) <= PASSES
        assert psnr(np.asarray(stream.image()), pixels) > least
        looked += 1
    assert looked == 2


def test_rates_out_of_reach_are_errors_in_the_unit_that_was_asked_in(bundle):
    pixels = picture(64, 48)
    least = semapix.encode(pixels, model=bundle, quality=1, variant="half").bytes_total
    most = semapix.encode(pixels, model=bundle, quality=9).bytes_total
    rule = "or more: this picture takes that at the lowest quality"
    with pytest.raises(ArgumentError, match=rf"max_bytes \(=20\) must be {least} {rule}"):
        semapix.encode(pixels, model=bundle, max_bytes=20)
    looked = 0
    for bpp in (0.05, 1e-5):
        with pytest.raises(ArgumentError, match=rf"bpp \(={bpp}\) must be (\S+) {rule}") as caught:
            semapix.encode(pixels, model=bundle, bpp=bpp)
        told = float(str(caught.value).split()[4])
        assert told == pytest.approx(8 * least / 3072, abs=1e-4)
        assert semapix.encode(pixels, model=bundle, bpp=told).bytes_total <= told * 3072 / 8
        looked += 1
    assert looked == 2
    with pytest.raises(ArgumentError, match=r"bpp \(=50\) must be (\S+) or less: this picture takes no more") as caught:
        semapix.encode(pixels, model=bundle, bpp=50)
    assert float(str(caught.value).split()[4]) == pytest.approx(8 * most / 3072, abs=1e-4)
    assert semapix.encode(pixels, model=bundle, max_bytes=19200).bytes_total == most
    with pytest.raises(ArgumentError, match=r"max_bytes \(=0\) must be 1 or more"):
        semapix.encode(pixels, model=bundle, max_bytes=0)
