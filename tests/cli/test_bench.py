"""`semapix bench` as a user meets it; the experiments have tests of their own."""

import json

import pytest
from PIL import Image

from tests import pictures


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(2):
        Image.fromarray(pictures.picture(64, 48, number)).save(folder / f"{number}.png")
    return folder


PROTOCOL = """
codecs: [jpeg, webp]
settings: {jpeg: [10, 60], webp: [10, 60]}
metrics: [psnr]
against: [jpeg]
bd_metrics: [psnr]
published: []
sheet_bpp: 1.0
sheet_pictures: 1
sheet_side: 32
"""


@pytest.fixture
def protocol(tmp_path):
    path = tmp_path / "protocol.yaml"
    path.write_text(PROTOCOL)
    return path


def test_signal_then_report(run, photos, protocol, tmp_path):
    out = tmp_path / "results" / "signal"
    result = run("bench", "signal", "--dataset", photos, "--protocol", protocol, "-o", out, "--processes", 1)
    assert result.status == 0
    assert "## BD-rate against JPEG, psnr" in result.out
    assert json.loads((out / "record.json").read_text())["results"]["pictures"] == 2
    page = tmp_path / "page.html"
    result = run("bench", "report", tmp_path / "results", "-o", page)
    assert (result.status, result.out.split(" -> ")[0]) == (0, "1 experiments")
    result = run("bench", "report", tmp_path / "results", "-o", page)
    assert result.status == 2
    assert "exists" in result.err


def test_a_broken_picture_is_named_and_the_status_is_1(run, photos, protocol, tmp_path):
    (photos / "1.png").write_bytes(b"no picture")
    out = tmp_path / "results"
    result = run("bench", "signal", "--dataset", photos, "--protocol", protocol, "-o", out, "--processes", 1)
    assert result.status == 1
    assert "- 1.png: " in result.out
    assert json.loads((out / "record.json").read_text())["results"]["pictures"] == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["signal", "--dataset", "{empty}"], "holds no images"),
        (["signal", "--dataset", "{empty}/nowhere"], "there is no such directory"),
        (["signal", "--dataset", "{photos}", "--codecs", "jpg"], "no codec is called 'jpg'"),
        (["signal", "--dataset", "{photos}", "--metrics", "psnr,ms-ssim,mse"], "metric (='mse') must be one of"),
        (["signal", "--dataset", "{photos}", "--metrics", "psnr,ms-ssim,lpips"], "lpips"),
        (["semantic", "--dataset", "{photos}"], "has no labels"),
        (["features", "--dataset", "{photos}"], "has no labels"),
        (["channels", "--dataset", "{photos}"], "has no labels"),
        (["judge", "--dataset", "{photos}", "--judge", "{photos}/0.png"], "has neither masks nor a column 'label'"),
        (["speed", "--dataset", "{photos}", "--protocol", "{empty}/no.yaml"], "there is no such protocol"),
        (["critical-rate", "--dataset", "{photos}", "--codecs", "webp"], "webp has no machine layers"),
        (["systems", "--data", "{empty}"], "objects: there is no such directory"),
        (["steps", "--dataset", "{photos}", "--codecs", "webp"], "webp cannot be cut"),
        (
            ["rates", "--dataset", "{photos}", "--model", "deepsic"],
            "option 'blended' of 'blended': codec deepsic has rate;",
        ),
        (
            ["maps", "--dataset", "{photos}", "--model", "deepsic"],
            "option 'uniform' of 'uniform': codec deepsic has rate;",
        ),
    ],
)
def test_wrong_input_is_one_line_and_status_2(run, photos, tmp_path, words, message):
    (tmp_path / "empty").mkdir()
    words = [word.format(empty=tmp_path / "empty", photos=photos) for word in words]
    result = run("bench", *words, "-o", tmp_path / "results")
    assert result.status == 2
    (complaint,) = result.complaints
    assert message in complaint
    assert result.out == ""


def test_records_name_no_folder_of_this_machine(run, photos, protocol, tmp_path, monkeypatch):
    words = ["bench", "signal", "--dataset", photos, "--protocol", protocol, "-o", tmp_path / "out", "--processes", 1]
    monkeypatch.setattr("sys.argv", ["semapix", *map(str, words)])
    run(*words)
    command = json.loads((tmp_path / "out" / "record.json").read_text())["command"]
    assert command.startswith("semapix bench signal --dataset DATA/photos --protocol ")


def test_every_experiment_has_help_with_an_example(run):
    listed = run("bench", "--help").out
    names = (
        "signal",
        "semantic",
        "critical-rate",
        "steps",
        "features",
        "channels",
        "machine-share",
        "judge",
        "rates",
        "maps",
        "complexity",
        "speed",
        "transforms",
        "teach",
        "labels",
        "systems",
        "report",
    )
    for name in names:
        assert name in listed
        result = run("bench", name, "--help")
        assert result.status == 0
        assert f"semapix bench {name}" in " ".join(result.out.split())
