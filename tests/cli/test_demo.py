"""demo, and the picture that it draws."""

from __future__ import annotations

from importlib import resources

import numpy as np
import pytest
from PIL import Image

import semapix
from semapix.cli._poster import Panel, draw


def test_demo_leaves_a_file_and_one_picture(run, tiny_bundle, tmp_path):
    out = tmp_path / "new" / "demo"
    result = run("demo", "-o", out, "--model", tiny_bundle)
    assert (result.status, result.err) == (0, "")
    assert {path.name for path in out.iterdir()} == {"lighthouse.spix", "demo.png"}
    stream = semapix.open(out / "lighthouse.spix", tiny_bundle)
    ends = [layer.end for layer in stream.layers]
    labels = [(task, stream.look(task, top=1)[0]) for task in ("coarse", "fine")]
    rows = [line.split() for line in result.out.splitlines()]
    truths = ["building or structure", "beacon"]
    for (task, label), truth, end in zip(labels, truths, ends, strict=False):
        assert [task, *label.name.split(), f"{label.probability:.0%}", *truth.split(), f"{end}"] in rows
    points = stream.cut_points
    preview = [point.bytes for point in points].index(ends[-2])
    for point in (points[0], points[1], points[preview], points[preview + 1], points[-1]):
        assert [point.name, f"{point.bytes:,}", f"{point.bytes / ends[-1]:.1%}"] in rows
    assert rows[-1] == ["All", "in", "one", "picture:", str(out / "demo.png")]
    with Image.open(out / "demo.png") as poster:
        assert poster.format == "PNG"
        assert poster.width > 1500

    before = (out / "demo.png").read_bytes()
    result = run("demo", "-o", out, "--model", tiny_bundle)
    spix = out / "lighthouse.spix"
    assert result == (2, "", f"semapix: {spix}: exists already; --force overwrites it\n")
    assert (out / "demo.png").read_bytes() == before


def test_demo_takes_a_model_of_any_codec(run, tiny_bundles, tmp_path):
    for name, bundle in tiny_bundles.items():
        result = run("demo", "-o", tmp_path / name, "--model", bundle)
        if name == "dicm":
            line = f"semapix: model {bundle.stem} keeps no pixels, which the demonstration shows; name another model\n"
            assert result == (2, "", line)
            continue
        assert (result.status, result.err) == (0, "")
        assert {path.name for path in (tmp_path / name).iterdir()} == {"lighthouse.spix", "demo.png"}
        assert "100.0%" in result.out


def test_demo_refuses_an_output_that_is_no_directory(run, tiny_bundle, photo):
    result = run("demo", "-o", photo, "--model", tiny_bundle)
    assert result == (2, "", f"semapix: {photo}: cannot become a directory (File exists)\n")


def test_the_photo_is_small_and_its_origin_is_stated():
    assets = resources.files("semapix") / "assets"
    assert len((assets / "lighthouse.png").read_bytes()) < 700_000
    assert "kodim21.png" in (assets / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("count", [1, 3, 4])
def test_draw_puts_panels_into_a_grid(count):
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (200, 200, 0)][:count]
    panels = [Panel("title", Image.new("RGB", (30, 20), colour), ["one", "two"]) for colour in colours]
    poster = np.asarray(draw(panels, columns=3))
    areas = [int((poster == colour).all(axis=2).sum()) for colour in colours]
    assert len(areas) == count
    assert set(areas) == {560 * 373}
    assert (poster[0] == 255).all()
    assert (poster < 100).all(axis=2).any(), "the captions are there"
