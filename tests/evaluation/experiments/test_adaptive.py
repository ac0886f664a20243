"""The experiments about the adaptive codec: rates that are met, maps of where bits go."""

import numpy as np
import pytest
from PIL import Image

import semapix
from semapix.coding import counted_information
from semapix.errors import ArgumentError
from semapix.evaluation.datasets import open_dataset
from semapix.evaluation.experiments._run import Run
from semapix.evaluation.experiments.maps import MapsProtocol, bits_of_blocks, measure_maps
from semapix.evaluation.experiments.rates import RatesProtocol, measure_rates
from semapix.evaluation.protocol import load_protocol
from semapix.imaging import load


@pytest.fixture
def adaptive_run(tmp_path, tiny_bundles):
    return Run("semapix bench ...", tmp_path / "out", processes=1, model=str(tiny_bundles["adaptive"]))


@pytest.fixture
def between(photos, tiny_bundles):
    """A rate that all photos can be coded at, in bits per pixel."""
    rates = []
    for picture in open_dataset(photos).pictures:
        pixels = load(picture.image).pixels
        sizes = [semapix.encode(pixels, quality=q, model=tiny_bundles["adaptive"]).bytes_total for q in (1, 9)]
        rates.append([8 * size / pixels[:, :, 0].size for size in sizes])
    low, high = max(rate[0] for rate in rates), min(rate[1] for rate in rates)
    assert low < high
    return (low + high) / 2


def test_errors_of_rates_are_those_of_files(adaptive_run, photos, between, tiny_bundles):
    protocol = load_protocol(RatesProtocol, "rates", codecs=["adaptive:uniform"], targets=[0.001, between])
    findings = measure_rates(photos, protocol, adaptive_run)
    assert findings.failures == []
    refused, met = findings.record.results["figures"]
    assert (refused["target"], refused["pictures"], refused["out_of_range"], refused["mean_error"]) == (
        0.001,
        0,
        3,
        None,
    )
    assert met["codec"] == f"{tiny_bundles['adaptive'].stem}:uniform"
    assert (met["pictures"], met["out_of_range"], met["cut_short"], met["above_budget"]) == (3, 0, 0, 0)
    assert 1 <= met["passes_mean"] <= met["passes_most"] <= 4
    table = findings.record.tables["pictures"]
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    why = "or more: this picture takes that at the lowest quality"
    assert all(why in row["why"] for row in rows if row["bytes"] is None)
    assert all(1 <= row["passes"] <= row["codings"] for row in rows)
    errors = []
    for row, picture in zip((row for row in rows if row["bytes"]), open_dataset(photos).pictures, strict=True):
        pixels = load(picture.image).pixels
        stream = semapix.encode(pixels, model=tiny_bundles["adaptive"], bpp=between, strategy="uniform")
        budget = int(between * pixels[:, :, 0].size / 8)
        assert (row["budget"], row["bytes"]) == (budget, stream.bytes_total)
        errors.append(100 * (1 - stream.bytes_total / budget))
    assert met["mean_error"] == pytest.approx(np.mean(errors))
    assert met["worst_error"] == pytest.approx(max(errors))
    assert [c.what for c in findings.record.criteria] == [
        *(
            "mean error of the rate",
            "worst error of the rate",
            "files above their budget",
            f"passes, {tiny_bundles['adaptive'].stem}:uniform",
        )
    ]
    assert len(findings.tables["Rates"]) == 3
    assert list(findings.plots) == ["curves.png"]


def test_targets_must_be_rates(adaptive_run, photos):
    with pytest.raises(ArgumentError, match=r"targets \(=\[0.0, 0.5\]\) must be one or more bits per pixel above 0"):
        measure_rates(photos, RatesProtocol(["adaptive:uniform"], [0.0, 0.5]), adaptive_run)


@pytest.mark.parametrize("name", ["jpeg", "deepsic"])
def test_codecs_that_fill_no_rate_are_refused(adaptive_run, photos, tiny_bundles, name):
    named = str(tiny_bundles[name]) if name in tiny_bundles else name
    with pytest.raises(ArgumentError, match=f"codec {name}.* fills no rate; choose scalable or adaptive"):
        measure_rates(photos, RatesProtocol([named], [0.5]), adaptive_run)


def test_files_that_are_cut_short_are_counted_apart(photos, tiny_bundle, tmp_path):
    sizes = []
    for picture in open_dataset(photos).pictures:
        pixels = load(picture.image).pixels
        for variant in ("full", "quarter"):
            size = semapix.encode(pixels, quality=1, model=tiny_bundle, variant=variant).bytes_total
            sizes.append(8 * size / pixels[:, :, 0].size)
    protocol = RatesProtocol([str(tiny_bundle)], [min(sizes) / 2, 1.05 * max(sizes)])
    findings = measure_rates(photos, protocol, Run("semapix bench ...", tmp_path / "out", processes=1))
    assert findings.failures == []
    below, above = findings.record.results["figures"]
    assert (below["cut_short"], below["pictures"], below["out_of_range"], below["mean_error"]) == (3, 0, 0, None)
    assert (above["cut_short"], above["pictures"] + above["out_of_range"]) == (0, 3)


@pytest.mark.parametrize("size", [(70, 90), (16, 16), (200, 130)])
def test_bits_of_blocks_add_up(tiny_bundles, size):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    stream = semapix.encode(pixels, quality=5, model=tiny_bundles["adaptive"])
    with counted_information(each=True) as information:
        stream.image()
    bits = bits_of_blocks(information.each, -(-size[0] // 16), -(-size[1] // 16))
    assert bits.min() > 0
    escapes = information.bits - sum(float(part.sum()) for part in information.each)
    assert bits.sum() == pytest.approx(information.bits - escapes, rel=1e-4)
    assert -1e-3 < escapes < 0.2 * information.bits


def test_bits_stand_at_their_blocks():
    """With the model that ships: to one of two steps of training, noise is no dearer than nothing."""
    flat = np.full((128, 128, 3), 90, np.uint8)
    flat[:, 64:] = np.random.default_rng(1).integers(0, 256, (128, 64, 3), np.uint8)
    with counted_information(each=True) as information:
        semapix.encode(flat, codec="adaptive", quality=9, strategy="uniform").image()
    bits = bits_of_blocks(information.each, 8, 8)
    assert bits[:, 5:].mean() > 10 * bits[:, :3].mean()


def test_strategies_are_shown_at_equal_bytes(adaptive_run, photos, between, tmp_path):
    protocol = load_protocol(MapsProtocol, "maps", strategies=["uniform", "blended"], rate=between)
    findings = measure_maps(photos, protocol, adaptive_run)
    rows = findings.record.results["rows"]
    assert [(row["picture"], row["strategy"]) for row in rows] == [
        (f"{number}.png", strategy) for number in (0, 1) for strategy in ("uniform", "blended")
    ]
    for row in rows:
        assert row["bpp"] <= between
        assert 0 <= row["mean quality"] <= 1
        assert 0 < row["bits where it is meaningful, %"] < 100
    findings.save(tmp_path / "saved")
    with Image.open(tmp_path / "saved" / "maps.jpg") as sheet:
        assert min(sheet.size) > 1000  # four rows of five cells


def test_a_rate_that_the_full_size_cannot_take_has_no_maps(adaptive_run, photos):
    protocol = load_protocol(MapsProtocol, "maps", strategies=["uniform"], rate=0.001)
    with pytest.raises(ArgumentError, match=r"bpp \(=0.001\) must be \S+ or more: .* of variant full"):
        measure_maps(photos, protocol, adaptive_run)
