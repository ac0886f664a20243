"""What outside networks see in decoded pictures, with networks that give back what they get."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from semapix.errors import ArgumentError
from semapix.evaluation.experiments.judge import JudgeProtocol, measure_judge
from semapix.evaluation.protocol import load_protocol
from semapix.training.recipe import load_recipe
from semapix.training.run import train
from tests.evaluation.experiments.conftest import png
from tests.evaluation.tflite import painter, scorer

SETTINGS = {"jpeg": [20, 90], "webp": [20, 90]}


def protocol(**chosen):
    chosen = {"codecs": ["jpeg", "webp"], "settings": SETTINGS, "against": ["jpeg"], **chosen}
    return load_protocol(JudgeProtocol, "judge", **chosen)


@pytest.fixture
def labelled(tmp_path):
    """Four pictures whose labels are numbers."""
    folder = tmp_path / "photos"
    folder.mkdir()
    table = pa.table({"image": [png(64, 48, i) for i in range(4)], "label": [5, 6, 7, 8]})
    pq.write_table(table, folder / "test.parquet")
    return folder


def test_a_classifier_is_asked_about_originals_and_decoded_pictures(run, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    table = pa.table({"image": [png(40, 40, i) for i in range(3)], "label": [5, 6, 7]})
    pq.write_table(table, folder / "test.parquet")
    network = scorer(tmp_path / "scorer.tflite", 1000)
    findings = measure_judge(folder, network, protocol(), run())
    points = {(point["of"], point["setting"]): point for point in findings.record.results["points"]}
    assert set(points) == {("not coded", 0), *((codec, s) for codec in ("JPEG", "WebP") for s in (20, 90))}
    assert all(point["pictures"] == 3 and 0 <= point["top1"] <= point["top5"] for point in points.values())
    assert points["JPEG", 20]["bpp"] < points["JPEG", 90]["bpp"]
    assert findings.failures == []
    (row,) = findings.tables["Against JPEG"][1:]
    assert row[0] == "WebP"
    if row[1] != "none":
        low, high = map(float, row[2].split(" to "))
        assert low <= float(row[1]) <= high


def test_a_segmenter_is_held_to_masks(run, tmp_path):
    folder = tmp_path / "voc"
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    flat = np.full((32, 32, 3), 40, np.uint8)
    flat[..., 0] = 3
    buffer = io.BytesIO()
    Image.fromarray(flat).save(buffer, "PNG")
    (folder / "images" / "a.png").write_bytes(buffer.getvalue())
    Image.fromarray(np.full((32, 32), 3, np.uint8)).save(folder / "masks" / "a.png")
    images = [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "without-mask.png"}]
    (folder / "instances_test.json").write_text(json.dumps({"images": images}))
    findings = measure_judge(folder, painter(tmp_path / "painter.tflite", 32), protocol(), run())
    (original, *_) = findings.record.results["points"]
    assert (original["of"], original["pictures"], original["miou"]) == ("not coded", 1, 100.0)


def test_pairs_are_compared_in_all_figures(run, labelled, tmp_path, tiny_bundles):
    adaptive = str(tiny_bundles["adaptive"])
    codecs = [f"{adaptive}:blended+rate", f"{adaptive}:uniform", "jpeg", "webp"]
    settings = {**SETTINGS, f"{adaptive}:blended+rate": [0.2, 2, 5], f"{adaptive}:uniform": [1, 5, 9]}
    pairs = [["adaptive:blended+rate", "adaptive:uniform"], ["webp", "jpeg"]]
    chosen = protocol(codecs=codecs, settings=settings, metrics=["psnr", "ssim"], pairs=pairs, pair_rates=[0.1, 20.0])
    findings = measure_judge(labelled, scorer(tmp_path / "scorer.tflite", 1000), chosen, run())
    assert findings.failures == []
    found = findings.record.results["pairs"]
    figures = ["top1", "top5", "psnr", "ssim"]
    ours, theirs = found[:4], found[4:]
    assert [(pair["codec"], pair["rate"], pair["figure"]) for pair in ours] == [
        ("adaptive:blended+rate", "bytes", figure) for figure in figures
    ]
    assert [(pair["over"], pair["rate"], pair["figure"]) for pair in theirs] == [
        ("jpeg", rate, figure) for rate in ("bytes", "payload") for figure in figures
    ]
    compared = [pair for pair in found if "difference" in pair]
    assert len(compared) >= 4
    for pair in compared:
        low, high = pair["interval"]
        assert low <= pair["difference"] <= high
        assert 0.1 <= pair["rates"][0] < pair["rates"][1] <= 20
    (table,) = [rows for title, rows in findings.tables.items() if title.startswith("Pairs")]
    assert len(table) == 1 + len(found)
    points = {(p["of"], p["setting"]): p for p in findings.record.results["points"]}
    assert points["JPEG", 90]["psnr"] > points["JPEG", 20]["psnr"]
    assert "psnr" not in points["not coded", 0]


def test_a_classifier_of_ours_may_judge(run, objects, training_data, tmp_path):
    folder = tmp_path / "classifier"
    train(load_recipe("adaptive-tiny"), "classifier", training_data, folder, steps=2)
    findings = measure_judge(objects, folder, protocol(only={"source": "large"}), run())
    assert findings.failures == []
    assert findings.record.settings["judge"].startswith("own, family residual, recipe adaptive-tiny (")
    points = findings.record.results["points"]
    assert [point["pictures"] for point in points] == [2] * 5
    assert all(point["top5"] == 100 for point in points)  # of four classes
    with pytest.raises(ArgumentError, match=r"column 'shade' has not the 4 labels of classifier"):
        measure_judge(objects, folder, protocol(label="shade"), run())
    with pytest.raises(ArgumentError, match="classifier"):
        measure_judge(objects, objects, protocol(), run())


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"pairs": [["jpeg", "heic"]]}, r"a pair \(jpeg, heic\) must be two of the codecs: jpeg, webp"),
        ({"pairs": [["jpeg"]]}, r"a pair \(jpeg\) must be two of the codecs: jpeg, webp"),
        ({"pair_rates": [0.3, 0.1]}, r"pair_rates \(=\[0.3, 0.1\]\) must be a lower and a higher rate"),
        ({"metrics": ["mse"]}, r"metric \(='mse'\) must be one of"),
    ],
)
def test_pairs_and_metrics_that_there_are_not(run, labelled, tmp_path, chosen, message):
    with pytest.raises(ArgumentError, match=message):
        measure_judge(labelled, scorer(tmp_path / "scorer.tflite", 1000), protocol(**chosen), run())


def test_refusals(run, photos, tmp_path):
    network = scorer(tmp_path / "scorer.tflite", 1000)
    with pytest.raises(ArgumentError, match="has neither masks nor a column 'label'; a judge needs the truth"):
        measure_judge(photos, network, protocol(), run())
