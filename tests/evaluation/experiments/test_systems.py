"""All systems in one table."""

import numpy as np
import pytest

import semapix
from semapix.errors import ArgumentError
from semapix.evaluation.datasets import open_dataset
from semapix.evaluation.experiments._run import Run
from semapix.evaluation.experiments.systems import SystemsProtocol, measure_systems
from semapix.evaluation.metrics import ms_ssim, psnr
from semapix.evaluation.protocol import load_protocol
from semapix.imaging import load


def protocol(**chosen):
    small = {"labelled": "things", "photos": "photos", "rounds": 1, "only": {}}
    return load_protocol(SystemsProtocol, "systems", **(small | chosen))


@pytest.fixture
def run(tmp_path) -> Run:
    return Run("semapix bench ...", tmp_path / "out", processes=1)


@pytest.fixture
def data(tmp_path, objects, photos):
    assert (objects, photos) == (tmp_path / "things", tmp_path / "photos")
    return tmp_path


def rows_of(findings, table):
    found = findings.record.tables[table]
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


def test_every_system_has_a_row_of_what_its_files_give(run, data, tiny_bundles):
    names = [str(path) for path in tiny_bundles.values()]
    assert len(names) == 4
    findings = measure_systems(data, protocol(codecs=names, quality=7), run)
    assert findings.failures == []
    ((title, (head, *table)),) = findings.tables.items()
    assert title == "Quality 7: 12 pictures of things, 3 of photos; times of 176x164"
    cells = {row[0].removeprefix("Semapix "): dict(zip(head, row, strict=False)) for row in table}
    assert set(cells) == {"tiny", "adaptive", "dicm", "deepsic"}
    for name, row in cells.items():
        dashes = {what for what, cell in row.items() if cell == "-"}
        assert dashes == ({"PSNR (RGB)", "MS-SSIM", "decode, ms"} if name == "dicm" else set())
    things, seen = open_dataset(data / "things").pictures, open_dataset(data / "photos").pictures
    assert [len(rows_of(findings, name)) for name in ("labelled", "photos")] == [4 * 12, 4 * 3]
    for codec, path in tiny_bundles.items():
        (figure,) = [f for f in findings.record.results["systems"] if f["system"] == f"Semapix {path.stem}"]
        for task, column, names in (("coarse", "group", ["even", "odd"]), ("fine", "label", None)):
            right, read, sizes = [], [], []
            for picture in things:
                file = semapix.encode(picture.image, quality=7, model=path).to_bytes()
                stream = semapix.open(file, path)
                truth = picture.columns[column]
                right.append(stream.look(task, 1)[0].name == (names[truth] if names else f"thing {truth}"))
                read.append(stream.bytes_read)
                sizes.append(len(file))
            assert figure["tasks"][task]["top1"] == pytest.approx(100 * np.mean(right))
            low, high = figure["tasks"][task]["top1_95"]
            assert 0 <= low <= figure["tasks"][task]["top1"] <= high <= 100
            assert figure["tasks"][task]["bytes_read"] == np.mean(read)
            assert figure["bytes"] == np.mean(sizes)
        originals = [load(photo.image).pixels for photo in seen]
        files = [semapix.encode(pixels, quality=7, model=path) for pixels in originals]
        assert figure["bpp"] == pytest.approx(np.mean([8 * file.bytes_total for file in files]) / (176 * 164))
        assert figure["first_label"] == np.mean([len(file.to_bytes(1)) for file in files])
        if codec == "dicm":
            assert figure["metrics"] == {}
            assert set(figure["seconds"]) == {"encode", "look"}
        else:
            pairs = [(np.asarray(file.image()), pixels) for file, pixels in zip(files, originals, strict=True)]
            assert figure["metrics"]["psnr"] == pytest.approx(np.mean([psnr(*pair) for pair in pairs]))
            assert figure["metrics"]["ms-ssim"] == pytest.approx(np.mean([ms_ssim(*pair) for pair in pairs]))
            assert set(figure["seconds"]) == {"encode", "look", "decode"}
        assert min(figure["seconds"].values()) > 0
        assert 30 < figure["peak_megabytes"] < 1000
    commands = [(row["command"].split()[1], row["what"]) for row in rows_of(findings, "commands")]
    assert len(set(commands)) == len(commands) == 4 * 3 - 1


def test_a_broken_photo_is_named_and_another_one_is_timed(run, data, tiny_bundle):
    (data / "photos" / "0.png").write_bytes(b"no picture")
    chosen = protocol(codecs=[str(tiny_bundle)], only={"source": "large"}, metrics=["psnr"], tasks=["fine", "coarse"])
    findings = measure_systems(data, chosen, run)
    assert [failure.name for failure in findings.failures] == ["0.png, tiny"]
    assert list(findings.tables) == ["Quality 5: 2 pictures of things, 2 of photos; times of 176x164"]
    (figure,) = findings.record.results["systems"]
    assert list(figure["tasks"]) == ["fine", "coarse"]
    assert list(figure["metrics"]) == ["psnr"]
    again = measure_systems(data, chosen, run)  # pictures from the journal
    assert again.record.tables["photos"] == findings.record.tables["photos"]


def test_without_photos_nothing_is_timed(run, data, tiny_bundle):
    for number in range(3):
        (data / "photos" / f"{number}.png").write_bytes(b"no picture")
    chosen = protocol(codecs=[str(tiny_bundle)], only={"source": "large", "label": 0})
    findings = measure_systems(data, chosen, run)
    assert [failure.name for failure in findings.failures] == [f"{number}.png, tiny" for number in range(3)]
    ((title, (_, row)),) = findings.tables.items()
    assert title == "Quality 5: 1 pictures of things, 0 of photos"
    assert row[1] in ("0.0", "100.0")
    assert row[6:] == ["-"] * 8


def test_by_default_systems_are_those_with_an_installed_model(run, data):
    with pytest.raises(ArgumentError, match="has no labels of the tasks coarse, fine of scalable; choose another"):
        measure_systems(data, protocol(), run)


def test_a_system_without_a_model_is_refused_where_it_is_named(run, data, monkeypatch):
    monkeypatch.setattr("semapix.evaluation.experiments.systems.installed", tuple)
    with pytest.raises(ArgumentError, match="no model for codec dicm is installed; name the path of its bundle"):
        measure_systems(data, protocol(codecs=["dicm"]), run)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"rounds": 0}, r"rounds \(=0\) must be 1 or more"),
        ({"quality": 10}, r"adaptive: quality \(=10\) must lie between 1 and 9"),
        (
            {"codecs": ["adaptive:uniform+rate"]},
            r"uniform\+rate is coded to a rate, the others at quality 5; drop `rate`",
        ),
        ({"codecs": ["jpeg"]}, "jpeg has no machine layers; codecs of this experiment are Semapix's own"),
        ({"metrics": ["psnr", "mse"]}, r"metric \(='mse'\) must be one of"),
        ({"labelled": "photos"}, "photos: has no labels of the tasks coarse, fine of adaptive; choose another codec"),
        ({"tasks": ["mood"]}, "things: has no labels of the tasks mood of adaptive"),
        (
            {"only": {"source": "sky"}},
            r"things: has no picture with the values of only \(=\{'source': 'sky'\}\); change",
        ),
        ({"photos": "slides"}, "slides: there is no such directory"),
    ],
)
def test_refusals(run, data, chosen, message):
    with pytest.raises(ArgumentError, match=message):
        measure_systems(data, protocol(**({"codecs": ["adaptive"]} | chosen)), run)
