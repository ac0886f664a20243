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
from tests.evaluation.experiments.conftest import png
from tests.evaluation.tflite import painter, scorer


def protocol(**chosen):
    settings = {"jpeg": [20, 90], "webp": [20, 90]}
    return load_protocol(JudgeProtocol, "judge", codecs=["jpeg", "webp"], settings=settings, against=["jpeg"], **chosen)


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


def test_refusals(run, photos, tmp_path):
    network = scorer(tmp_path / "scorer.tflite", 1000)
    with pytest.raises(ArgumentError, match="has neither masks nor a column 'label'; a judge needs the truth"):
        measure_judge(photos, network, protocol(), run())
