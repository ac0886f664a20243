"""Critical rate, and features against pictures."""

import pytest

import semapix
from semapix.errors import ArgumentError
from semapix.evaluation.datasets import open_dataset
from semapix.evaluation.experiments.critical_rate import CriticalRateProtocol, measure_critical_rate
from semapix.evaluation.experiments.features import FeaturesProtocol, measure_features
from semapix.evaluation.protocol import load_protocol


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
    assert set(points) == {
        (of, setting, task)
        for of, setting in (("features", 0), ("Semapix tiny", 5), ("JPEG", 10), ("JPEG", 90))
        for task in ("coarse", "fine")
    }
    assert points["features", 0, "coarse"]["bpp"] < points["features", 0, "fine"]["bpp"]
    assert points["JPEG", 10, "fine"]["bpp"] < points["JPEG", 90, "fine"]["bpp"]
    assert set(findings.record.results["uncoded"]) == {"coarse", "fine"}
    ahead = findings.tables["Features less pictures at the lowest rate"]
    assert [row[:2] for row in ahead[1:]] == [[c, t] for t in ("coarse", "fine") for c in ("Semapix tiny", "JPEG")]
    assert {point["pictures"] for point in points.values()} == {10}
    table = findings.tables["Top-1, fine"]
    assert [row[0] for row in table[1:]] == ["features", "Semapix tiny", "JPEG"]
    low, high = (points["JPEG", quality, "fine"]["bpp"] for quality in (10, 90))
    assert [bool(cell) for cell in table[3][3:]] == [low <= rate <= high for rate in protocol.rates]


def test_refusals(run, photos):
    with pytest.raises(ArgumentError, match="has no label space of model tiny"):
        measure_features(photos, load_protocol(FeaturesProtocol, "features"), run())
    with pytest.raises(ArgumentError, match="jpeg has no machine layers"):
        measure_critical_rate(photos, load_protocol(CriticalRateProtocol, "critical-rate", codecs=["jpeg"]), run())
