"""Probes on the first channels."""

import json

import numpy as np
import pytest

from semapix.errors import ArgumentError
from semapix.evaluation.experiments.channels import ChannelsProtocol, _critical, measure_channels
from semapix.evaluation.protocol import load_protocol


@pytest.fixture
def protocol(tmp_path):
    """Channels of the tiny model (4 in s1, 12 in all), and pairs of its four classes that cut across its groups."""
    file = tmp_path / "pairs.yaml"
    pairs = {"low": ["thing 0", "thing 1"], "high": ["thing 2", "thing 3"]}
    file.write_text(json.dumps({"name": "pair", "groups": {"any": pairs}}))
    chosen = {"channels": [2, 4, 6, 12], "uncoded": [4, 12], "derived": [str(file)], "only": {}}
    return load_protocol(ChannelsProtocol, "channels", **chosen)


def test_every_label_space_is_probed_from_every_number_of_channels(run, objects, protocol):
    findings = measure_channels(objects, protocol, run())
    figures = findings.record.results["figures"]
    spaces = {"group", "label", "shade", "pair"}
    assert [f["channels"] for f in figures if f["space"] == "pair"] == [2, 4, 6, 12]
    assert {f["space"] for f in figures} == spaces == set(findings.record.results["critical"])
    assert {f["channels"]: f["layers"] for f in figures} == {2: "s1", 4: "s1", 6: "s1 to s2", 12: "s1 to s2"}
    first, *_, last = (f for f in figures if f["space"] == "pair")
    assert first["bytes"] < last["bytes"]
    assert last["less"] == [0, 0, 0]
    assert [f["channels"] for f in figures if f["space"] == "pair" and f["loss"]] == [4, 12]
    stated = findings.record.settings["label spaces"]
    assert "never" not in stated["label"]
    assert stated["pair"] == "2 labels; the model was never trained for it"
    ranks = findings.record.tables["ranks"]
    assert len(ranks.rows) == 12
    column = ranks.columns.index("pair, 4 channels, decoded")
    share = 100 * np.mean([row[column] == 0 for row in ranks.rows])
    assert [f["top1"] for f in figures if (f["space"], f["channels"]) == ("pair", 4)] == [pytest.approx(share)]
    assert len(findings.tables["pair, from the first channels"]) == 5
    assert set(findings.plots) == {"curves.png"}


def test_a_journal_serves_a_second_run(run, objects, protocol, monkeypatch):
    first = measure_channels(objects, protocol, run())
    monkeypatch.setattr("semapix.evaluation.runner._work_off", lambda jobs, *_: iter([] if not jobs else [1 / 0]))
    assert measure_channels(objects, protocol, run()).record.results == first.record.results


def test_the_critical_number_is_the_smallest_that_is_enough():
    figures = [{"space": "a", "channels": k, "top1": top1} for k, top1 in ((8, 30), (16, 39.5), (24, 40), (32, 38))]
    assert _critical("a", figures, 1.0) == 16
    assert _critical("a", figures, 0.0) == 24
    assert _critical("b", figures, 1.0) is None


def test_refusals(run, photos, objects, protocol):
    with pytest.raises(ArgumentError, match="has no labels"):
        measure_channels(photos, protocol, run())
    wide = load_protocol(ChannelsProtocol, "channels", only={})
    with pytest.raises(ArgumentError, match=r"channels \(=16\) must lie between 1 and 12, all of this model"):
        measure_channels(objects, wide, run())
    other = load_protocol(ChannelsProtocol, "channels", channels=[4, 12], uncoded=[8], only={})
    with pytest.raises(ArgumentError, match=r"uncoded \(=\[8\]\) must be among channels \(=\[4, 12\]\)"):
        measure_channels(objects, other, run())
