"""The experiments about DeepSIC: its variants, its bit-plane coder."""

import pytest

import semapix
from semapix.bundle import Bundle
from semapix.errors import ArgumentError
from semapix.evaluation.datasets import open_dataset
from semapix.evaluation.experiments._run import Run
from semapix.evaluation.experiments.planes import PlanesProtocol, measure_planes
from semapix.evaluation.experiments.variants import VariantsProtocol, measure_variants
from semapix.evaluation.protocol import load_protocol
from semapix.imaging import load


@pytest.fixture
def deepsic_run(tmp_path, tiny_bundles):
    return Run("semapix bench ...", tmp_path / "out", processes=1, limit=6, model=str(tiny_bundles["deepsic"]))


def test_variants_are_asked_at_the_same_qualities(deepsic_run, objects, tiny_bundles):
    protocol = load_protocol(VariantsProtocol, "variants", None, only={}, qualities=[1, 9])
    findings = measure_variants(objects, protocol, deepsic_run)
    figures = findings.record.results["figures"]
    assert [(f["task"], f["quality"], f["variant"]) for f in figures] == [
        (task, quality, variant) for quality in (1, 9) for task in ("coarse", "fine") for variant in ("pre", "post")
    ]
    table = findings.record.tables["pictures"]
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    bundle = Bundle(tiny_bundles["deepsic"])
    first = next(row for row in rows if (row["quality"], row["variant"], row["task"]) == (9, "post", "fine"))
    picture = open_dataset(objects).pictures[0]
    stream = semapix.encode(picture.image, quality=9, model=bundle, variant="post")
    labels = [label.name for label in stream.look("fine", 4)]
    assert first["rank"] == labels.index(f"thing {picture.columns['label']}")
    pixels = load(picture.image).pixels
    assert first["bpp"] == 8 * stream.bytes_total / (pixels.shape[0] * pixels.shape[1])
    for figure in figures:
        if figure["variant"] == "post":
            assert figure["first_ahead"][1] <= figure["first_ahead"][0] <= figure["first_ahead"][2]
            assert figure["pictures"] == 6


def test_codecs_without_variants_for_machines_are_refused(deepsic_run, objects, tiny_bundles):
    looked = 0
    for system in ("scalable", "adaptive"):
        bundle = tiny_bundles[system]
        protocol = load_protocol(VariantsProtocol, "variants", None, codecs=[str(bundle)])
        with pytest.raises(ArgumentError, match=f"{bundle.stem} has no variants that machines read differently"):
            measure_variants(objects, protocol, deepsic_run)
        looked += 1
    assert looked == 2


def test_the_bit_plane_coder_is_timed_and_weighed(deepsic_run, photos):
    protocol = load_protocol(PlanesProtocol, "planes", None, qualities=[1, 9], repeats=1)
    findings = measure_planes(photos, protocol, deepsic_run)
    for figure in findings.record.results["figures"]:
        assert figure["pictures"] == 3
        assert abs(figure["over_information"]) < 0.03
        assert figure["encode_mbit"] > 0
        assert figure["bits_per_feature"] < 6
    assert len(findings.tables["Bit planes"]) == 3


def test_other_codecs_have_no_bit_planes(deepsic_run, photos, tiny_bundle):
    protocol = load_protocol(PlanesProtocol, "planes", None, codecs=[str(tiny_bundle)])
    with pytest.raises(ArgumentError, match="tiny has no bit-plane coder; this experiment is about deepsic"):
        measure_planes(photos, protocol, deepsic_run)
