"""What DeepSIC alone does: labels of a file, labels of one's own, tiles."""

import numpy as np
import pytest

import semapix
from semapix.bundle import Bundle
from semapix.codecs import Layers, PictureInfo, deepsic
from semapix.codecs.deepsic import Deepsic
from semapix.errors import ArgumentError, CorruptLayer
from semapix.graphs import OnnxGraphs
from semapix.stream import write
from semapix.tasks import probabilities
from tests.pictures import picture


class NoGraphs:
    """Graphs that must not be run."""

    def run(self, name, *inputs):
        raise AssertionError(f"graph {name} was run")


@pytest.fixture(scope="module")
def bundle(tiny_bundles) -> Bundle:
    return Bundle(tiny_bundles["deepsic"])


def test_looking_at_a_pre_semantic_file_runs_no_network_and_reads_40_bytes(bundle):
    pixels = picture(70, 50)
    stream = semapix.encode(pixels, model=bundle)
    payload = stream.to_bytes()
    opened = semapix.open(payload, bundle)
    labels = opened.look()
    assert opened.bytes_read <= 40
    assert labels.task == "fine"
    codec = Deepsic(bundle, NoGraphs())
    machine = Layers([opened._reader.machine_layer(0)], [], 0)
    scores = codec.scores(machine, PictureInfo(70, 50, 5, 0), "fine")
    assert np.isfinite(scores).all()


def test_the_labels_of_a_file_are_those_of_float_features(bundle):
    codec = Deepsic(bundle, OnnxGraphs(bundle))
    pixels = picture(70, 50)
    info = PictureInfo(70, 50, 5)
    machine = codec.encode_machine(pixels)
    assert np.argmax(codec.scores(machine, info, "fine")) == np.argmax(codec.uncoded_scores(pixels, "fine"))
    for task in ("coarse", "fine"):  # up to the four bits of a probability
        t = next(x["temperature"] for x in bundle.manifest["tasks"] if x["name"] == task)
        said, seen = (
            probabilities(x, t) for x in (codec.scores(machine, info, task), codec.uncoded_scores(pixels, task))
        )
        assert said == pytest.approx(seen, rel=0.35)


@pytest.mark.parametrize("variant", ["pre", "post"])
def test_a_group_has_the_sum_of_its_classes(bundle, monkeypatch, variant):
    fine = next(task for task in bundle.manifest["tasks"] if task["name"] == "fine")
    monkeypatch.setitem(fine, "temperature", 2.0)
    codec = Deepsic(bundle, OnnxGraphs(bundle))
    info = PictureInfo(70, 50, 5, codec.variant(variant))
    layers = codec.encode(picture(70, 50), 5, variant)
    shares = {task: probabilities(codec.scores(layers, info, task), t) for task, t in (("fine", 2.0), ("coarse", 1.0))}
    sums = np.bincount(bundle.manifest["parents"], shares["fine"])
    assert shares["coarse"] == pytest.approx(sums, abs=1e-4)


def test_labels_of_ones_own(bundle):
    pixels = picture(40, 30)
    stream = semapix.encode(pixels, model=bundle, labels=["thing 3", "thing 0"])
    assert {label.name for label in stream.look(top=2)} == {"thing 0", "thing 3"}
    assert stream.look(top=2)[0].probability == pytest.approx(0.5, abs=0.01)
    group = semapix.encode(pixels, model=bundle, labels=["odd"])
    assert group.look("coarse", top=1)[0] == semapix.Label("odd", pytest.approx(1.0, abs=0.01))
    without = semapix.encode(pixels, model=bundle)
    assert stream.layers[1].checksums == without.layers[1].checksums


def test_errors_name_the_value_and_the_way_out(bundle):
    pixels = picture(40, 30)
    with pytest.raises(ArgumentError, match=r"label 'cow' is none of the model's; `semapix models --labels"):
        semapix.encode(pixels, model=bundle, labels=["cow"])
    with pytest.raises(ArgumentError, match=r"labels \(='odd'\) must be a list of names, not one string"):
        semapix.encode(pixels, model=bundle, labels="odd")
    with pytest.raises(ArgumentError, match="1 to 5 can be stated, not 0"):
        semapix.encode(pixels, model=bundle, labels=[])
    with pytest.raises(ArgumentError, match=r"a post-semantic file holds no labels; .* choose variant pre"):
        semapix.encode(pixels, model=bundle, labels=["odd"], variant="post")
    stream = semapix.encode(pixels, model=bundle)
    with pytest.raises(ArgumentError, match="holds labels, no features for heads; encode with variant post"):
        stream.machine_features()


def test_a_picture_of_the_cores_size_is_one_post_semantic_layer(bundle):
    stream = semapix.encode(picture(16, 16), model=bundle, variant="post")
    assert [layer.name for layer in stream.layers] == ["s1"]
    assert np.asarray(stream.image()).shape == (16, 16, 3)


def test_the_result_does_not_depend_on_tiles(bundle, monkeypatch):
    codec = Deepsic(bundle, OnnxGraphs(bundle))
    pixels = picture(300, 210)
    whole = codec._features(pixels)
    decoded = codec._reconstruct(whole, (300, 210))
    monkeypatch.setattr(deepsic, "_TILE", 64)
    assert np.allclose(codec._features(pixels), whole, atol=1e-4)
    tiled = codec._reconstruct(whole, (300, 210))
    assert np.abs(tiled.astype(int) - decoded).max() <= 1


def test_a_file_of_an_unknown_variant_is_damaged(bundle):
    content = write(
        codec=4, quality=5, fingerprint=bundle.fingerprint[:4], width=20, height=20, machine=[b""], variant=2
    )
    with pytest.raises(CorruptLayer, match="says variant 2, which codec deepsic does not have"):
        semapix.open(content, bundle).look()


def test_the_number_of_planes_is_checked(bundle):
    codec = Deepsic(bundle, OnnxGraphs(bundle))
    layers = codec.encode(picture(20, 20), 5)
    broken = Layers(layers.machine, [list(layers.signal[0]) * 2], 0)
    with pytest.raises(CorruptLayer, match="layer s2 has 2 sub-layers; here it must have 1 to 1, in one layer"):
        codec.image(broken, PictureInfo(20, 20, 5, 0))
