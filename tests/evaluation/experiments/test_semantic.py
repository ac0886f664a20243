"""Accuracy from the first bytes, of tasks and of probes."""

import pytest

import semapix
from semapix.errors import ArgumentError
from semapix.evaluation.datasets import open_dataset
from semapix.evaluation.experiments.semantic import SemanticProtocol, measure_semantic
from semapix.evaluation.protocol import load_protocol


@pytest.fixture
def findings(run, objects):
    return measure_semantic(objects, load_protocol(SemanticProtocol, "semantic"), run())


def test_tasks_answer_for_their_label_spaces(findings, objects, tiny_bundle):
    table = findings.record.tables["pictures"]
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    fine = [row for row in rows if row["task"] == "fine"]
    assert len(fine) == 12
    for row, picture in zip(fine, open_dataset(objects).pictures, strict=True):
        stream = semapix.encode(picture.image, model=tiny_bundle)
        labels = [label.name for label in stream.look("fine", 4)]
        assert row["rank"] == labels.index(f"thing {picture.columns['label']}")
        assert row["bytes"] == len(stream.to_bytes(2))


def test_parts_are_counted_apart(findings):
    figures = {(f["task"], f["pictures of"]): f for f in findings.record.results["figures"]}
    assert figures["coarse", "large"]["pictures"] == 2
    assert figures["coarse", "small"]["pictures"] == 10
    assert figures["coarse", "small"]["bytes_p95"] >= figures["coarse", "small"]["bytes_mean"]
    low, high = figures["fine", "small"]["loss"][1:]
    assert low <= figures["fine", "small"]["top1_uncoded"] - figures["fine", "small"]["top1"] <= high


def test_other_label_spaces_get_probes(findings):
    tasks = {figure["task"] for figure in findings.record.results["figures"]}
    assert tasks == {"coarse", "fine", "probe of shade, s1", "probe of shade, s1 to s2"}


def test_a_broken_picture_is_a_failure(run, objects):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(objects / "test.parquet")
    images = table["image"].to_pylist()
    images[3] = b"broken"
    pq.write_table(table.set_column(0, "image", pa.array(images)), objects / "test.parquet")
    findings = measure_semantic(objects, load_protocol(SemanticProtocol, "semantic"), run())
    assert [failure.name for failure in findings.failures] == ["test-00003"]


def test_refusals(run, photos, objects):
    protocol = load_protocol(SemanticProtocol, "semantic")
    with pytest.raises(ArgumentError, match="has no labels"):
        measure_semantic(photos, protocol, run())
    with pytest.raises(ArgumentError, match="jpeg has no machine layers"):
        measure_semantic(objects, load_protocol(SemanticProtocol, "semantic", codecs=["jpeg"]), run())
