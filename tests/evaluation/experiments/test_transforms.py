"""Networks trained alike and asked about the same pictures."""

import pytest

from semapix.errors import ArgumentError
from semapix.evaluation.experiments.transforms import TransformsProtocol, measure_transforms
from semapix.training.checkpoint import read_checkpoint


def test_all_networks_are_trained_and_compared(run, training_data, objects, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "objects").mkdir()
    for path in [*(training_data / "objects").iterdir(), objects / "test.parquet"]:
        (data / "objects" / path.name).write_bytes(path.read_bytes())
    protocol = TransformsProtocol("scalable-tiny", ["lifting", "plain"], batch=8, learning_rate=1e-3)
    findings = measure_transforms(data, protocol, run(), minutes=1, steps=2)
    figures = {(f["network"], f["task"], f["source"]): f for f in findings.record.results["figures"]}
    assert len(figures) == 8
    assert figures["plain", "fine", "small"]["pictures"] == 10
    assert figures["lifting", "fine", "small"]["of_lifting"] is None
    low, high = figures["plain", "fine", "small"]["of_lifting"][1:]
    assert low <= figures["plain", "fine", "small"]["top1"] - figures["lifting", "fine", "small"]["top1"] <= high
    assert all(cost["steps"] == 2 for cost in findings.record.results["costs"].values())
    for name in protocol.networks:  # none has a loss that the others lack
        stage = read_checkpoint(run().out / "runs", name)["recipe"]["lfrnet"]
        assert (stage["first_fine_weight"], stage["teacher_weight"]) == (0, 0)
        assert (stage["batch"], stage["learning_rate"]) == (8, 1e-3)


def test_unknown_networks(run, tmp_path):
    protocol = TransformsProtocol("scalable-tiny", ["vgg"], batch=8, learning_rate=1e-3)
    with pytest.raises(ArgumentError, match=r"networks \['vgg'\] must be among: lifting, plain, reversible"):
        measure_transforms(tmp_path, protocol, run(), minutes=1)
