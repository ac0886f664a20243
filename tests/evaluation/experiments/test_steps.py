"""Files cut at all of their cut points, beside whole files."""

import numpy as np
import pytest
from PIL import Image

import semapix
from semapix.errors import ArgumentError
from semapix.evaluation.bjontegaard import Curve, bd_quality
from semapix.evaluation.experiments import steps
from semapix.evaluation.experiments.steps import StepsProtocol, measure_steps
from semapix.evaluation.metrics import psnr
from semapix.evaluation.protocol import load_protocol
from semapix.evaluation.runner import Outcome
from semapix.imaging import load


def protocol(**chosen):
    return load_protocol(StepsProtocol, "steps", **({"qualities": [1, 5, 9], "cut": [9]} | chosen))


def rows_of(findings):
    table = findings.record.tables["pictures"]
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def test_figures_are_those_of_the_files(run, photos, tiny_bundle):
    findings = measure_steps(photos, protocol(), run())
    assert findings.failures == []
    original = load(photos / "1.png").pixels
    stream = semapix.encode(original, quality=9, model=tiny_bundle)
    own = [row for row in rows_of(findings) if (row["picture"], row["quality"]) == ("1.png", 9)]
    assert [(row["end"], row["bytes"]) for row in own] == [(point.name, point.bytes) for point in stream.cut_points]
    assert own[-1]["psnr"] == pytest.approx(psnr(load(stream.image()).pixels, original))
    third = next(row for row in own if row["bytes"] == stream.layers[2].end)
    assert third["psnr"] == pytest.approx(psnr(load(stream.image(3)).pixels, original))
    found = findings.record.results["Semapix tiny"]
    assert [(point["quality"], point["pictures"]) for point in found["whole"]] == [(1, 3), (5, 3), (9, 3)]
    points = found["cut"]["9"]["points"]
    assert [point["end"] for point in points] == [point.name for point in stream.cut_points]
    assert points[-1]["bytes"] == found["whole"][-1]["bytes"]
    assert set(findings.plots) == {"curves.png"}
    findings.save(run().out)
    assert "## Semapix tiny: quality 9, cut behind" in (run().out / "tables.md").read_text()


def test_one_file_is_coded_once_for_each_quality(run, photos):
    findings = measure_steps(photos, protocol(cut=[5, 9]), run())
    per_picture = [(row["quality"], row["end"]) for row in rows_of(findings) if row["picture"] == "0.png"]
    assert len(per_picture) == len(set(per_picture)) > 10
    assert [quality for quality, _ in per_picture].count(1) == 1


@pytest.fixture
def stepped(monkeypatch, planes_bundle, run, tmp_path):
    """A run with the codec of many sub-layers, in this process, which alone knows it; its pictures are 20x12."""

    def in_process(jobs, work, journal, **more):
        return Outcome([row for job in jobs for row in work(job.details)], [])

    monkeypatch.setattr(steps, "run_jobs", in_process)
    folder = tmp_path / "small"
    folder.mkdir()
    for number in range(3):
        noise = np.random.default_rng(number).integers(0, 256, (12, 20, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"{number}.png")

    def measure(**chosen):
        chosen = {"codecs": [str(planes_bundle)], "qualities": [1, 3, 5, 7, 8]} | chosen
        return measure_steps(folder, protocol(**chosen), run())

    return measure


def test_steps_and_prices_of_a_codec_with_many_sublayers(stepped):
    findings = stepped(cut=[7])
    cut = findings.record.results["Semapix planes"]["cut"]["7"]
    assert {"s3.1", "s4.9", "s5.1"} <= {point["end"] for point in cut["points"]}
    differences = []
    for number in range(3):
        own = [row for row in rows_of(findings) if row["picture"] == f"{number}.png"]
        whole = [row for quality in (1, 3, 5, 7, 8) for row in [r for r in own if r["quality"] == quality][-1:]]
        prefixes = [row for row in own if row["quality"] == 7]
        curves = [Curve([r["bytes"] for r in some], [r["psnr"] for r in some]) for some in (prefixes, whole)]
        differences.append(bd_quality(*curves).difference)
    assert cut["price"]["psnr"] == pytest.approx(np.mean(differences))
    low, high = cut["price"]["interval"]
    assert low <= cut["price"]["psnr"] <= high
    assert (cut["price"]["pictures"], cut["price"]["left_out"]) == (3, 0)
    assert cut["steps"]["count"] > 10
    assert cut["steps"]["lowest_gain"] <= cut["steps"]["largest_gain"]
    assert 0 < cut["steps"]["largest_growth"] < 1


def test_curves_that_do_not_compare_have_no_price_and_say_why(stepped):
    findings = stepped(qualities=[7], cut=[7])
    price = findings.record.results["Semapix planes"]["cut"]["7"]["price"]
    assert (price["pictures"], price["left_out"]) == (0, 3)
    assert "a curve needs two points or more" in price["why_none"]
    assert findings.tables["Semapix planes: cut files"][1][1] == "none"
    assert findings.record.results["Semapix planes"]["cut"]["7"]["steps"] is None


def test_a_broken_picture_is_named(run, photos):
    (photos / "1.png").write_bytes(b"no picture")
    findings = measure_steps(photos, protocol(), run())
    assert [failure.name for failure in findings.failures] == ["1.png"]
    assert findings.record.results["Semapix tiny"]["whole"][0]["pictures"] == 2


def test_refusals(run, photos):
    with pytest.raises(ArgumentError, match="jpeg cannot be cut; codecs of this experiment are Semapix's own"):
        measure_steps(photos, protocol(codecs=["jpeg"]), run())
    with pytest.raises(ArgumentError, match=r"cut: qualities \[4\] are not among those of whole files: \[1, 5, 9\]"):
        measure_steps(photos, protocol(cut=[4, 9]), run())
    with pytest.raises(ArgumentError, match=r"scalable: quality \(=10\) must"):
        measure_steps(photos, protocol(qualities=[9, 10]), run())
    assert not run().journal.exists()
