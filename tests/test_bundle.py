"""Bundles: equal content gives equal files, every change is noticed."""

import json
import multiprocessing
import re
import zipfile
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from semapix.bundle import Bundle, installed, leave_out, save_bundle
from semapix.errors import ArgumentError, BrokenBundle, OutputError, UnknownModel

MANIFEST = {"name": "x", "codec": "scalable", "tasks": []}


def save(path, value=1.0):
    save_bundle(path, MANIFEST, {"g": b"graph"}, {"a": {"b": np.array([value])}})


def test_content_comes_back(tmp_path):
    save(tmp_path / "x.spxm")
    bundle = Bundle(tmp_path / "x.spxm")
    assert (bundle.name, bundle.codec, bundle.graph_names) == ("x", "scalable", ["g"])
    assert bundle.graph("g") == b"graph"
    assert bundle.arrays("a")["b"] == 1.0


def test_the_fingerprint_is_the_content(tmp_path):
    for name, value in (("a", 1.0), ("b", 1.0), ("c", 2.0)):
        save(tmp_path / f"{name}.spxm", value)
    same, again, other = (Bundle(tmp_path / f"{name}.spxm") for name in "abc")
    assert (tmp_path / "a.spxm").read_bytes() == (tmp_path / "b.spxm").read_bytes()
    assert same.fingerprint == again.fingerprint != other.fingerprint


def test_a_changed_member_is_refused(tmp_path):
    save(tmp_path / "x.spxm")
    with zipfile.ZipFile(tmp_path / "x.spxm") as old, zipfile.ZipFile(tmp_path / "y.spxm", "w") as new:
        for name in old.namelist():
            new.writestr(name, b"other" if name == "graphs/g.onnx" else old.read(name))
    with pytest.raises(BrokenBundle, match=r"y.spxm: member graphs/g.onnx was changed"):
        Bundle(tmp_path / "y.spxm").graph("g")
    with pytest.raises(BrokenBundle, match=r"member graphs/h.onnx cannot be read"):
        Bundle(tmp_path / "x.spxm").graph("h")


def test_other_files_are_refused(tmp_path):
    (tmp_path / "x.spxm").write_bytes(b"no archive")
    with pytest.raises(BrokenBundle, match=r"x.spxm: not an intact bundle"):
        Bundle(tmp_path / "x.spxm")
    with pytest.raises(UnknownModel, match=r"y.spxm: no such bundle"):
        Bundle(tmp_path / "y.spxm")
    save_bundle(tmp_path / "z.spxm", {**MANIFEST, "bundle_format": 9}, {}, {})
    with pytest.raises(BrokenBundle, match=r"bundle format 9, this release reads 1"):
        Bundle(tmp_path / "z.spxm")


def test_nothing_is_overwritten(tmp_path):
    save(tmp_path / "x.spxm")
    with pytest.raises(OutputError, match="exists"):
        save(tmp_path / "x.spxm")


def test_no_flipped_byte_gets_through_as_another_error(tmp_path):
    save(tmp_path / "x.spxm")
    content = (tmp_path / "x.spxm").read_bytes()
    refused = 0
    for position in range(0, len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 0x21
        (tmp_path / "y.spxm").write_bytes(damaged)
        try:
            bundle = Bundle(tmp_path / "y.spxm")
            bundle.graph("g")
            bundle.arrays("a")
        except BrokenBundle:
            refused += 1
    assert refused > len(content) // 2


@pytest.mark.parametrize("manifest", ["[]", "null", "{", "{}", '{"bundle_format": 1}'])
def test_a_manifest_that_is_none_is_refused(manifest, tmp_path):
    with zipfile.ZipFile(tmp_path / "x.spxm", "w") as archive:
        archive.writestr("manifest.json", manifest)
    with pytest.raises(BrokenBundle, match=r"x.spxm: (not an intact bundle|its manifest lacks name, codec)"):
        Bundle(tmp_path / "x.spxm")


@pytest.mark.parametrize("members", [["graphs/g.onnx"], None, "graphs/g.onnx"])
def test_members_that_are_no_object_are_refused(members, tmp_path):
    with zipfile.ZipFile(tmp_path / "x.spxm", "w") as archive:
        archive.writestr("manifest.json", json.dumps({**MANIFEST, "bundle_format": 1, "members": members}))
    line = f"x.spxm: members of its manifest must be an object of digests, not {members!r}"
    with pytest.raises(BrokenBundle, match=re.escape(line)):
        Bundle(tmp_path / "x.spxm")


def test_members_are_compressed_as_it_pays(tmp_path):
    smooth = (1000 * np.sin(np.arange(20000) / 50)).astype(np.int16)  # whose bytes tell each other's places
    noise = np.random.default_rng(0).integers(0, 256, 5000, np.uint8)
    save_bundle(tmp_path / "x.spxm", MANIFEST, {"noise": noise.tobytes()}, {"smooth": {"x": smooth}})
    with zipfile.ZipFile(tmp_path / "x.spxm") as archive:
        methods = {entry.filename: entry.compress_type for entry in archive.infolist()}
    assert methods["arrays/smooth.npz"] == zipfile.ZIP_LZMA
    assert methods["graphs/noise.onnx"] == zipfile.ZIP_DEFLATED
    assert np.array_equal(Bundle(tmp_path / "x.spxm").arrays("smooth")["x"], smooth)


def two_models(folder):
    """Bundles x.spxm and y.spxm, which have graph `g` and arrays `a` in common; graph `own` is of each its own."""
    for name, own in (("x", b"one"), ("y", b"other")):
        graphs = {"g": bytes(3000), "own": own}
        save_bundle(folder / f"{name}.spxm", {**MANIFEST, "name": name}, graphs, {"a": {"b": np.arange(5)}})
    return folder / "x.spxm", folder / "y.spxm"


def stored(path):
    with zipfile.ZipFile(path) as archive:
        return sorted(archive.namelist())


def test_what_is_left_out_is_read_from_the_bundle_beside(tmp_path):
    x, y = two_models(tmp_path)
    before, size = Bundle(y), y.stat().st_size
    assert leave_out(y, Bundle(x)) == ["arrays/a.npz", "graphs/g.onnx"]
    assert stored(y) == ["graphs/own.onnx", "manifest.json"]
    assert y.stat().st_size < size
    after = Bundle(y)
    assert (after.fingerprint, after.graph_names) == (before.fingerprint, ["g", "own"])
    assert (after.graph("g"), after.graph("own")) == (bytes(3000), b"other")
    assert after.arrays("a")["b"].tolist() == [0, 1, 2, 3, 4]


def test_without_that_bundle_one_line_says_what_is_missing(tmp_path):
    x, y = two_models(tmp_path)
    leave_out(y, Bundle(x))
    line = (
        r"y.spxm: member graphs/g.onnx was left out for a bundle beside it, and none in this folder stores it%s; "
        "put the file into the folder of the bundle that it was exported beside$"
    )
    save_bundle(x, MANIFEST, {"g": b"of another version"}, {}, force=True)
    bundle = Bundle(y)
    with pytest.raises(BrokenBundle, match=line % ""):
        bundle.graph("g")
    x.write_bytes(b"no archive")
    with pytest.raises(BrokenBundle, match=line % r" \(unreadable: x.spxm\)"):
        bundle.graph("g")
    assert bundle.graph("own") == b"other"


def test_a_bundle_beside_whose_member_was_changed_is_named(tmp_path):
    x, y = two_models(tmp_path)
    leave_out(y, Bundle(x))
    with zipfile.ZipFile(x) as old, zipfile.ZipFile(tmp_path / "z", "w") as new:
        for name in old.namelist():
            new.writestr(name, b"changed" if name == "graphs/g.onnx" else old.read(name))
    (tmp_path / "z").replace(x)
    with pytest.raises(BrokenBundle, match=r"x.spxm: member graphs/g.onnx was changed"):
        Bundle(y).graph("g")


def test_only_what_is_stored_can_be_left_out_elsewhere(tmp_path):
    x, y = two_models(tmp_path)
    third = tmp_path / "third.spxm"
    third.write_bytes(y.read_bytes())
    leave_out(y, Bundle(x))
    assert leave_out(third, Bundle(y)) == ["graphs/own.onnx"]
    assert stored(third) == ["arrays/a.npz", "graphs/g.onnx", "manifest.json"]


def test_a_bundle_leaves_nothing_out_for_itself(tmp_path):
    x, _ = two_models(tmp_path)
    content = x.read_bytes()
    with pytest.raises(ArgumentError, match=r"x.spxm: a bundle cannot leave out what it stores itself; name another"):
        leave_out(x, Bundle(x))
    assert x.read_bytes() == content


def test_the_bundles_that_ship_are_whole_together():
    looked_at = 0
    for bundle in installed():
        for member in bundle.manifest["members"]:
            assert any(other.can_lend(member, bundle) for other in installed()), f"{bundle.path}: {member}"
            looked_at += 1
    assert looked_at > 100


KEPT = []  # of a fork: the bundle as its parent opened it


def read_kept(number):
    return [KEPT[0].graph(name) for _ in range(50) for name in KEPT[0].graph_names]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # these processes use none of what threads hold
def test_a_bundle_that_is_open_is_read_by_forks_at_once(tmp_path):
    noise = np.random.default_rng(0)
    save_bundle(tmp_path / "x.spxm", MANIFEST, {f"g{i}": noise.bytes(20_000) for i in range(8)}, {})
    bundle = Bundle(tmp_path / "x.spxm")
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(2, mp_context=fork, initializer=KEPT.append, initargs=(bundle,)) as executor:
        found = list(executor.map(read_kept, range(4)))
    assert found == [[bundle.graph(name) for _ in range(50) for name in bundle.graph_names]] * 4
