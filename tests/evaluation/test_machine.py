"""Machine layers through files: the same bytes as in whole files, the same answers as the public face gives."""

import numpy as np
import pytest

import semapix
from semapix.bundle import Bundle
from semapix.codecs import open_codec
from semapix.codecs._lifting import forward_step
from semapix.codecs._pixels import normalise
from semapix.errors import ArgumentError
from semapix.evaluation.machine import MachineCoder, look_at, rank_of
from semapix.graphs import OnnxGraphs
from semapix.stream import Reader
from tests.pictures import picture


@pytest.fixture
def bundle(tiny_bundle) -> Bundle:
    return Bundle(tiny_bundle)


def test_machine_layers_are_those_of_whole_files(bundle):
    coder = MachineCoder(bundle)
    for width, height in ((16, 16), (1, 1), (70, 40)):
        pixels = picture(width, height)
        coded = coder.encode(pixels)
        prefix = Reader(coded).prefix(2)
        assert semapix.encode(pixels, quality=5, model=bundle).to_bytes(2) == prefix
        better = Reader(semapix.encode(pixels, quality=9, model=bundle).to_bytes())
        assert [better.machine_layer(i) for i in (0, 1)] == [Reader(coded).machine_layer(i) for i in (0, 1)]
        assert coder.machine_bytes(coded) + len(Reader(coded).header.pack()) == len(prefix)


@pytest.mark.parametrize(("task", "layers"), [("coarse", 1), ("fine", 2)])
def test_looks_read_a_file_that_ends_behind_the_layers_of_the_task(bundle, task, layers, tmp_path):
    pixels = picture(70, 40)
    coder = MachineCoder(bundle)
    look = coder.look(coder.encode(pixels), task)
    prefix = semapix.encode(pixels, quality=1, model=bundle).to_bytes(layers)
    stream = semapix.open(prefix, bundle)
    assert look.bytes_read == len(prefix) == coder.prefix_bytes(coder.encode(pixels), layers)
    best = stream.look(task, top=1)[0].name
    assert next(t for t in bundle.manifest["tasks"] if t["name"] == task)["labels"][np.argmax(look.scores)] == best
    whole = tmp_path / "whole.spix"
    semapix.encode(pixels, quality=5, model=bundle).save(whole)
    again = look_at(whole, open_codec(bundle), task)
    assert again.bytes_read == len(prefix) < whole.stat().st_size
    assert (again.scores == look.scores).all()


def test_uncoded_scores_are_of_the_transform_alone(bundle):
    graphs = OnnxGraphs(bundle)
    pixels = picture(16, 16)
    band = normalise(pixels).astype(np.float64)
    for level in (1, 2):
        band, _ = forward_step(graphs, level, band)
    main = band.astype(np.float32)
    coder = MachineCoder(bundle)
    assert coder.uncoded(pixels, "coarse") == pytest.approx(graphs.run("head.coarse", main[:, :4])[0][0], abs=1e-5)
    assert coder.uncoded(pixels, "fine") == pytest.approx(graphs.run("head.fine", main)[0][0], abs=1e-5)


def test_features_grow_with_each_layer(bundle):
    coder, pixels = MachineCoder(bundle), picture(16, 16)
    coded = coder.encode(pixels)
    first, both = (coder.features(coded, layers) for layers in (1, 2))
    assert (len(first), len(both)) == (4, 12)
    assert (both[:4] == first).all()
    assert coder.uncoded_features(pixels).shape == both.shape


def test_labels_of_other_data_are_refused(bundle):
    coder = MachineCoder(bundle)
    coder.check_labels("coarse", ["even", "odd"])
    with pytest.raises(ArgumentError, match=r"task coarse has 2 labels \(even, odd, \.\.\.\) that are not the 3"):
        coder.check_labels("coarse", ["a", "b", "c"])


def test_ranks():
    scores = np.array([0.5, 2.0, 0.5, -1.0], np.float32)
    assert [rank_of(label, scores) for label in range(4)] == [1, 0, 2, 3]
