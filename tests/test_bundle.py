"""Bundles: equal content gives equal files, every change is noticed."""

import zipfile

import numpy as np
import pytest

from semapix.bundle import Bundle, save_bundle
from semapix.errors import BrokenBundle, OutputError, UnknownModel

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


def test_members_are_compressed_as_it_pays(tmp_path):
    smooth = (1000 * np.sin(np.arange(20000) / 50)).astype(np.int16)  # whose bytes tell each other's places
    noise = np.random.default_rng(0).integers(0, 256, 5000, np.uint8)
    save_bundle(tmp_path / "x.spxm", MANIFEST, {"noise": noise.tobytes()}, {"smooth": {"x": smooth}})
    with zipfile.ZipFile(tmp_path / "x.spxm") as archive:
        methods = {entry.filename: entry.compress_type for entry in archive.infolist()}
    assert methods["arrays/smooth.npz"] == zipfile.ZIP_LZMA
    assert methods["graphs/noise.onnx"] == zipfile.ZIP_DEFLATED
    assert np.array_equal(Bundle(tmp_path / "x.spxm").arrays("smooth")["x"], smooth)
