"""Critical rate, features against pictures, and what machines need of streams for people."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

import semapix
from semapix.bundle import Bundle
from semapix.errors import ArgumentError
from semapix.evaluation.datasets import open_dataset
from semapix.evaluation.experiments.critical_rate import CriticalRateProtocol, measure_critical_rate
from semapix.evaluation.experiments.features import FeaturesProtocol, measure_features
from semapix.evaluation.experiments.machine_share import MachineShareProtocol, measure_machine_share
from semapix.evaluation.metrics import psnr
from semapix.evaluation.protocol import load_protocol
from semapix.evaluation.reference import REFERENCES
from semapix.imaging import load, resize


def test_every_prefix_is_decoded_and_asked(run, objects, tiny_bundle):
    protocol = load_protocol(CriticalRateProtocol, "critical-rate", only={})
    findings = measure_critical_rate(objects, protocol, run())
    table = findings.record.tables["pictures"]
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    first = open_dataset(objects).pictures[0]
    stream = semapix.encode(first.image, model=tiny_bundle)
    own = [row for row in rows if row["picture"] == first.name]
    assert [row["layers"] for row in own] == list(range(1, len(stream.layers) + 1))
    assert [row["bytes"] for row in own[:-1]] == [len(stream.to_bytes(n)) for n in range(1, len(own))]
    assert set(own[0]["ranks"]) == {"coarse"}
    assert set(own[1]["ranks"]) == {"coarse", "fine"}
    assert all(set(row["picture_ranks"]) == {"coarse", "fine"} for row in own)
    points = findings.record.results["curves"]["Semapix tiny"]
    assert "fine, features" not in points[0]
    assert points[0]["bytes"] < points[-1]["bytes"]
    assert set(findings.plots) == {"curves.png"}


def test_pictures_without_labels_have_psnr_alone(run, photos):
    findings = measure_critical_rate(photos, load_protocol(CriticalRateProtocol, "critical-rate"), run())
    points = findings.record.results["curves"]["Semapix tiny"]
    assert set(points[0]) == {"layers", "pictures", "bytes", "bpp", "psnr"}


def test_features_stand_beside_pictures(run, objects):
    settings = {"scalable": [5], "jpeg": [10, 90]}
    chosen = {"codecs": ["scalable", "jpeg"], "settings": settings, "only": {"source": "small"}}
    protocol = load_protocol(FeaturesProtocol, "features", **chosen)
    findings = measure_features(objects, protocol, run())
    points = {(p["of"], p["setting"], p["task"]): p for p in findings.record.results["points"]}
    probes = {"probe of shade, s1", "probe of shade, s1 to s2"}
    assert set(points) == {
        (of, setting, task)
        for of, setting in (("features", 0), ("Semapix tiny", 5), ("JPEG", 10), ("JPEG", 90))
        for task in ("coarse", "fine", *probes)
    }
    assert points["features", 0, "coarse"]["bpp"] < points["features", 0, "fine"]["bpp"]
    assert points["JPEG", 10, "fine"]["bpp"] < points["JPEG", 90, "fine"]["bpp"]
    assert set(findings.record.results["uncoded"]) == {"coarse", "fine", *probes}
    lead = findings.tables["Features less pictures at equal rates, points"]
    rows = {tuple(row[:2]): row[2:] for row in lead[1:]}
    assert set(rows) == {(c, t) for t in ("coarse", "fine", *probes) for c in ("Semapix tiny", "JPEG")}
    assert [float(cell) for cell in rows["JPEG", "fine"][:2]] == pytest.approx(
        [points["features", 0, "fine"]["bpp"], points["JPEG", 10, "fine"]["bpp"]], abs=1e-3
    )
    caught = findings.tables["Bits per pixel at which pictures catch up with features"]
    assert [row[:2] for row in caught[1:]] == [row[:2] for row in lead[1:]]
    assert {point["pictures"] for point in points.values()} == {10}
    table = findings.tables["Top-1, fine"]
    assert [row[0] for row in table[1:]] == ["features", "Semapix tiny", "JPEG"]
    low, high = (points["JPEG", quality, "fine"]["bpp"] for quality in (10, 90))
    assert [bool(cell) for cell in table[3][3:]] == [low <= rate <= high for rate in protocol.rates]


def test_squeezed_pictures_and_label_spaces_without_a_head(run, objects):
    labels = json.loads((objects / "labels.json").read_text())
    (objects / "labels.json").write_text(json.dumps({"shades": labels["shades"]}))
    chosen = {"codecs": ["webp"], "settings": {"webp": [0, 80]}, "only": {}, "side": 32, "probe_layers": [2]}
    findings = measure_features(objects, load_protocol(FeaturesProtocol, "features", **chosen), run())
    table = findings.record.tables["pictures"]
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    assert {row["pixels"] for row in rows} == {32 * 32}
    assert {row["task"] for row in rows} == {"probe of shade, s1 to s2"}
    assert len(rows) == 12 * 4
    first = open_dataset(objects).pictures[0]
    pixels = resize(load(first.image).pixels, (32, 32), "lanczos")
    sizes = {
        (row["codec"], row["setting"].split(" ")[-1]): row["payload"] for row in rows if row["picture"] == first.name
    }
    webp = REFERENCES["webp"]
    assert sizes["webp", "80"] == webp.payload(webp.encode(pixels, 80))
    assert sizes["features", "0"] == len(semapix.encode(pixels, model=run().model).to_bytes(2))
    assert findings.failures == []


@pytest.mark.parametrize("system", ["scalable", "deepsic"])  # all qualities, and whole ones alone
def test_machine_bytes_stand_against_the_smallest_stream(system, run, photos, tiny_bundles):
    model = tiny_bundles[system]

    def psnr_of(stream, layers):
        return psnr(np.asarray(semapix.open(stream.to_bytes(layers), model).image()), pixels)

    with Image.open(photos / "1.png") as picture:
        pixels = np.asarray(picture)[2:162, 8:168]
    streams = [semapix.encode(pixels, quality=quality, model=model) for quality in range(1, 10)]
    wanted = float(np.median([psnr_of(s, n) for s in streams for n in range(1, len(s.layers) + 1)]))
    protocol = load_protocol(MachineShareProtocol, "machine-share", psnr=wanted, side=160)
    findings = measure_machine_share(photos, protocol, dataclasses.replace(run(), model=str(model)))
    rows = {row[0]: row[1:] for row in findings.record.tables["pictures"].rows}
    size, quality, layers, reached, variant, machine = rows["1.png"]
    stream = semapix.encode(pixels, quality=quality, model=model, variant=variant)
    assert size == len(stream.to_bytes(layers))
    assert reached == pytest.approx(psnr_of(stream, layers))
    assert reached >= wanted
    assert machine == {
        task["name"]: len(streams[0].to_bytes(task["layers"])) for task in Bundle(model).manifest["tasks"]
    }
    share = findings.record.results["tasks"]["fine"]
    sizes = [row for row in rows.values() if row[0] is not None]
    total = 100 * sum(row[5]["fine"] for row in sizes) / sum(row[0] for row in sizes)
    assert share["share"] == pytest.approx(total)
    assert [criterion.limit for criterion in findings.record.criteria] == [10, 10]


def test_pictures_that_never_reach_it_are_counted(run, photos):
    protocol = load_protocol(MachineShareProtocol, "machine-share", psnr=99.0)  # squeezed to 256x256
    findings = measure_machine_share(photos, protocol, run())
    assert findings.record.results == {"tasks": {}, "pictures": 3, "reached": 0}
    assert (dict(findings.tables), dict(findings.plots)) == ({}, {})


def test_refusals(run, photos):
    with pytest.raises(ArgumentError, match=r"holds no train\*\.parquet"):
        measure_machine_share(photos, load_protocol(MachineShareProtocol, "machine-share", part="train"), run())
    with pytest.raises(ArgumentError, match="jpeg has no machine layers"):
        measure_machine_share(photos, load_protocol(MachineShareProtocol, "machine-share", model="jpeg"), run())
    with pytest.raises(ArgumentError, match="has no labels"):
        measure_features(photos, load_protocol(FeaturesProtocol, "features"), run())
    with pytest.raises(ArgumentError, match="jpeg has no machine layers"):
        measure_critical_rate(photos, load_protocol(CriticalRateProtocol, "critical-rate", codecs=["jpeg"]), run())
