"""Rate and distortion of small photos, through real files."""

import json

import pytest

import semapix
from semapix.errors import ArgumentError
from semapix.evaluation.bjontegaard import Curve, bd_rate
from semapix.evaluation.experiments import signal
from semapix.evaluation.experiments.signal import SignalProtocol, measure_signal
from semapix.evaluation.metrics import find_metrics, psnr
from semapix.evaluation.protocol import load_protocol
from semapix.evaluation.published import Published
from semapix.imaging import load


def protocol(**chosen):
    chosen = {"codecs": ["scalable", "jpeg", "webp"], "metrics": ["psnr", "ms-ssim"], "against": ["jpeg"]} | chosen
    settings = {"scalable": [1, 9], "jpeg": [10, 40, 80], "webp": [10, 50, 90]}
    return load_protocol(SignalProtocol, "signal", settings=settings, sheet_pictures=1, **chosen)


def test_figures_are_those_of_the_files(run, photos, tiny_bundle):
    findings = measure_signal(photos, protocol(), run())
    rows = findings.record.tables["pictures"]
    own = [dict(zip(rows.columns, row, strict=True)) for row in rows.rows if row[1] == "tiny"]
    assert [(row["picture"], row["setting"]) for row in own] == [(f"{i}.png", q) for q in (1, 9) for i in range(3)]
    original = load(photos / "1.png").pixels
    stream = semapix.encode(original, quality=9, model=tiny_bundle)
    assert own[4]["bytes"] == len(stream.to_bytes()) == own[4]["payload"]
    assert own[4]["layers"] == [layer.length for layer in stream.layers]
    assert own[4]["psnr"] == pytest.approx(psnr(load(stream.image()).pixels, original))
    curve = findings.record.results["curves"]["Semapix tiny"]
    assert curve[1]["bpp"] == pytest.approx(sum(8 * own[i]["bytes"] / (176 * 164) for i in (3, 4, 5)) / 3)
    assert -0.01 < curve[1]["overhead"] < 0.1


def test_curves_are_compared(run, photos):
    findings = measure_signal(photos, protocol(), run())
    found = {(b["metric"], b["codec"], b["against"]): b for b in findings.record.results["bd_rate"]}
    webp = found["psnr", "WebP", "JPEG"]
    assert webp["interval"][0] <= webp["percent"] <= webp["interval"][1] < 0
    assert "do not overlap" in found["psnr", "Semapix tiny", "JPEG"]["why_none"]
    findings.save(run().out)
    assert {path.name for path in run().out.iterdir()} == {
        *("record.json", "tables.md", "curves.png", "crops.jpg", "journal.jsonl")
    }
    record = json.loads((run().out / "record.json").read_text())
    assert record["models"][0]["name"] == "tiny"
    assert "| WebP | 10 |" in (run().out / "tables.md").read_text()


def test_curves_of_single_pictures_are_compared(run, photos):
    findings = measure_signal(photos, protocol(codecs=["jpeg", "webp"]), run())
    (webp,) = (b for b in findings.record.results["bd_rate"] if (b["metric"], b["codec"]) == ("psnr", "WebP"))
    rows = findings.record.tables["pictures"]
    measured = [dict(zip(rows.columns, row, strict=True)) for row in rows.rows]

    def curve(codec, picture):
        points = [row for row in measured if (row["codec"], row["picture"]) == (codec, picture)]
        return Curve([8 * row["bytes"] / row["pixels"] for row in points], [row["psnr"] for row in points])

    pictures = [f"{number}.png" for number in range(3)]
    own = [bd_rate(curve("webp", picture), curve("jpeg", picture)).percent for picture in pictures]
    assert webp["own"] == pytest.approx(dict(zip(pictures, own, strict=True)))
    table = findings.tables["BD-rate against JPEG, psnr"]
    assert table[0][3] == "mean of pictures' own, %"
    assert next(row for row in table if row[0] == "WebP")[3] == f"{sum(own) / 3:+.1f} of 3"


def test_pictures_whose_curves_do_not_overlap_have_no_figure_of_their_own():
    (metric,) = find_metrics(["psnr"], None)

    def rows(**qualities):
        return [
            [{"picture": p, "bytes": size, "pixels": 800, "psnr": quality + size} for p, quality in qualities.items()]
            for size in (10, 12)
        ]

    found = signal._bd_rate(rows(a=10, b=20, c=17), rows(a=20, b=10, c=16), metric)
    assert found.own.keys() == {"c"}
    assert found.own["c"] < 0
    assert found.own_mean == f"{found.own['c']:+.1f} of 1"
    none = signal._bd_rate(rows(a=10, b=20), rows(a=20, b=10), metric)
    assert none.of_means.percent == pytest.approx(0)
    assert none.own_mean == "none"


def test_measured_curves_stand_beside_published_ones(run, photos, monkeypatch):
    curve = Curve([0.1, 0.4, 1.0], [25.0, 33.0, 39.0])
    published = Published("somebody", {"JPEG": curve, "HM (HEVC intra)": Curve([0.1, 1.0], [90.0, 95.0])})
    monkeypatch.setattr(signal, "published_curves", lambda name, pictures, metric: published)
    chosen = protocol(codecs=["jpeg"], metrics=["psnr"], bd_metrics=["psnr"], published=["HM (HEVC intra)", "JPEG"])
    findings = measure_signal(photos, chosen, run())
    (row,) = findings.tables["BD-rate against published curves, %, psnr"][1:]
    points = findings.record.results["curves"]["JPEG"]
    measured = Curve([p["bpp"] for p in points], [p["values"]["psnr"] for p in points])
    assert row == ["JPEG", "none", f"{bd_rate(measured, curve).percent:+.1f}"]


def test_a_broken_picture_is_named_and_left_out_for_all(run, photos):
    (photos / "1.png").write_bytes(b"no picture")
    findings = measure_signal(photos, protocol(codecs=["jpeg", "webp"]), run())
    assert [failure.name for failure in findings.failures] == ["1.png"]
    assert findings.record.results["pictures"] == 2
    assert "## Not measured (1)" in findings.text


def test_a_codec_that_is_not_installed_is_named(run, photos, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    findings = measure_signal(photos, protocol(codecs=["jpeg", "heic"]), run())
    ((name, reason),) = [(failure.name, failure.reason) for failure in findings.failures]
    assert name == "heic"
    assert "pillow-heif" in reason


def test_a_picture_too_small_for_a_metric_has_no_mean(run, tmp_path, photos):
    small = load(photos / "0.png").pixels[:20, :20]
    __import__("PIL.Image", fromlist=["Image"]).fromarray(small).save(photos / "small.png")
    findings = measure_signal(photos, protocol(codecs=["jpeg"], bd_metrics=["psnr"]), run())
    assert findings.failures == []
    assert "nan" in findings.text


def test_wrong_names_are_refused_before_anything_is_measured(run, photos):
    with pytest.raises(ArgumentError, match="no codec is called 'jpg'"):
        measure_signal(photos, protocol(codecs=["jpg"]), run())
    with pytest.raises(ArgumentError, match="metric"):
        measure_signal(photos, protocol(metrics=["psnr", "mse"]), run())
    with pytest.raises(ArgumentError, match=r"bd_metrics \['ms-ssim'\] are not among"):
        measure_signal(photos, protocol(metrics=["psnr"]), run())
    assert not run().journal.exists()
