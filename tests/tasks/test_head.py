"""Heads as files: what was saved comes back, and what is none is refused."""

import json
import zipfile

import numpy as np
import pytest

from semapix.errors import ArgumentError, BrokenHead, OutputError
from semapix.tasks import Head, teach_task

FINGERPRINT = bytes(range(32))


@pytest.fixture(scope="module")
def head() -> Head:
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    features = rng.normal(size=(60, 4, 2, 2)).astype(np.float32) + labels[:, None, None, None]
    tasks = {
        "coarse": teach_task("coarse", ["low", "high"], 1, features[:, :2], labels // 2),
        "fine": teach_task("fine", ["a", "b", "c"], 2, features, labels),
    }
    return Head("tiny", FINGERPRINT, tasks)


@pytest.fixture
def path(head, tmp_path):
    head.save(tmp_path / "a.spxh")
    return tmp_path / "a.spxh"


def test_what_was_saved_comes_back(head, path, tmp_path):
    again = Head.load(path)
    assert (again.model, again.fingerprint, list(again.tasks)) == ("tiny", FINGERPRINT, ["coarse", "fine"])
    features = np.random.default_rng(1).normal(size=(4, 2, 2)).astype(np.float32)
    for name, part in (("coarse", features[:2]), ("fine", features)):
        assert again.find(name) == head.find(name)
        assert np.array_equal(again.scores(name, part), head.scores(name, part))
        kept, taught = again.tasks[name], head.tasks[name]
        assert (kept.pictures, kept.accuracy, kept.guessing) == (taught.pictures, taught.accuracy, taught.guessing)
    again.save(tmp_path / "b.spxh")
    assert (tmp_path / "b.spxh").read_bytes() == path.read_bytes()
    assert path.stat().st_size < 10_000


def test_a_head_says_how_good_it_is(head):
    taught = head.tasks["fine"]
    assert (taught.pictures, taught.guessing) == (60, pytest.approx(1 / 3))
    assert 0.5 < taught.accuracy <= 1
    assert 0.05 <= taught.task.temperature <= 20


def test_the_finest_task_is_the_default(head):
    assert head.find().name == "fine"
    with pytest.raises(ArgumentError, match="no task is called 'mood'; this head has: coarse, fine"):
        head.find("mood")


def test_a_head_is_for_one_model(head):
    head.check(FINGERPRINT[:4], "tiny")
    with pytest.raises(
        ArgumentError, match=r"taught for model tiny \(00010203\), the file was made with other \(09090909\); "
    ):
        head.check(b"\x09" * 4, "other")
    with pytest.raises(ArgumentError, match=r"features \(3, 2, 2\) must hold the 16 numbers of task fine"):
        head.scores("fine", np.zeros((3, 2, 2), np.float32))


def test_other_files_are_refused(head, path, tmp_path):
    with pytest.raises(ArgumentError, match=r"b.spxh: no such head"):
        Head.load(tmp_path / "b.spxh")
    (tmp_path / "c.spxh").write_bytes(b"no archive")
    with pytest.raises(BrokenHead, match=r"c.spxh: not an intact head"):
        Head.load(tmp_path / "c.spxh")
    with pytest.raises(OutputError, match="exists"):
        head.save(path)


def changed(path, manifest=None, arrays=None) -> None:
    """Rewrite a head with other content and right checksums, as someone does who means it."""
    from semapix.archive import Archive, save_archive
    from semapix.tasks.head import _KIND

    archive = Archive(path, _KIND)
    kept = {key: value for key, value in archive.manifest.items() if key not in ("members", "head_format")}
    groups = {name: archive.arrays(name) for name in ("head.coarse", "head.fine")}
    for name, values in (arrays or {}).items():
        groups[name] = {**groups[name], **values}
    save_archive(path, _KIND, {**kept, **(manifest or {})}, {}, groups, force=True)


@pytest.mark.parametrize(
    ("manifest", "arrays", "message"),
    [
        ({"tasks": []}, None, "it needs a task"),
        ({"tasks": [3]}, None, "not subscriptable"),
        ({"model_fingerprint": "00"}, None, "a fingerprint of 32 bytes"),
        ({"taught": {}}, None, "coarse"),
        (None, {"head.fine": {"bias": np.zeros(2, np.float32)}}, r"bias of task fine must be .* of shape \(3,\)"),
        (None, {"head.fine": {"mean": np.full(16, np.nan, np.float32)}}, "mean of task fine must be finite"),
        (None, {"head.fine": {"weights": np.zeros((16, 2), np.float32)}}, "3 labels for 2 classes"),
        (None, {"head.fine": {"scale": np.zeros(16, np.float32)}}, "no scale of 0"),
    ],
)
def test_content_that_does_not_fit_is_refused(path, manifest, arrays, message):
    changed(path, manifest, arrays)
    with pytest.raises(BrokenHead, match=f"a.spxh: not an intact head .*{message}"):
        Head.load(path)


def test_pickled_arrays_are_never_loaded(path, tmp_path):
    changed(path, arrays={"head.fine": {"bias": np.array([print, print, print], object)}})
    with pytest.raises(BrokenHead, match=r"a.spxh: not an intact head \(Object arrays cannot be loaded"):
        Head.load(path)


def test_no_flipped_byte_gets_through_as_another_error(path, tmp_path):
    content = path.read_bytes()
    refused = 0
    for position in range(0, len(content), 3):
        damaged = bytearray(content)
        damaged[position] ^= 0x21
        (tmp_path / "y.spxh").write_bytes(damaged)
        try:
            Head.load(tmp_path / "y.spxh")
        except BrokenHead:
            refused += 1
    assert refused > len(content) // 6


def test_the_manifest_is_plain_json(path):
    with zipfile.ZipFile(path) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        assert sorted(archive.namelist()) == ["arrays/head.coarse.npz", "arrays/head.fine.npz", "manifest.json"]
    assert manifest["head_format"] == 1
    assert [task["name"] for task in manifest["tasks"]] == ["coarse", "fine"]
