"""Codecs by their names, and pictures through real files."""

import pickle

import numpy as np
import pytest

import semapix
from semapix.errors import ArgumentError
from semapix.evaluation.reference import REFERENCES
from semapix.evaluation.tested import choose, code
from tests.pictures import picture


def test_names_of_all_kinds(tiny_bundle):
    codecs, missing = choose(["scalable", "jpeg", str(tiny_bundle)], {"jpeg": [50]})
    assert missing == []
    assert [codec.name for codec in codecs] == ["scalable", "jpeg", "tiny"]
    assert codecs[0].settings == (1, 2, 3, 4, 5, 6, 7, 8, 9)
    assert codecs[1].settings == (50,)
    assert codecs[2].bundle == semapix.bundle.Bundle(tiny_bundle)
    assert pickle.loads(pickle.dumps(codecs)) == codecs


def test_a_model_stands_for_the_codec(tiny_bundle):
    ((codec,), _) = choose(["scalable"], {}, str(tiny_bundle))
    assert codec.label == "Semapix tiny"


def test_unknown_names_list_what_there_is():
    with pytest.raises(ArgumentError, match=r"called 'jpg'.*there are: scalable, adaptive, deepsic, jpeg, "):
        choose(["jpg"], {})
    with pytest.raises(ArgumentError, match="two codecs are called jpeg"):
        choose(["jpeg", "jpeg"], {})


def test_a_codec_that_is_not_installed_is_told(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "imagecodecs", None)
    codecs, (line,) = choose(["jpeg", "jxl"], {})
    assert [codec.name for codec in codecs] == ["jpeg"]
    assert line.name == "jxl"
    assert "imagecodecs" in line.reason


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("jpeg", [10, 10], r"settings of jpeg \(=\[10, 10\]\) must be one or more, each once"),
        ("jpeg", 50, r"settings of jpeg \(=50\) must be a list of numbers"),
        ("jpeg", [0], r"jpeg: quality \(=0\) must lie between 1 and"),
        ("scalable", [5.5], r"scalable: quality \(=5.5\) must be a whole number"),
        ("scalable", [], "must be one or more"),
    ],
)
def test_settings_that_a_codec_does_not_have(name, settings, message):
    with pytest.raises(ArgumentError, match=message):
        choose([name], {name: settings})


def test_our_files_are_whole_files(tiny_bundle):
    pixels = picture(70, 40)
    ((codec,), _) = choose([str(tiny_bundle)], {})
    coded = code(codec, 5, pixels)
    stream = semapix.encode(pixels, quality=5, model=tiny_bundle)
    assert coded.size == coded.payload == len(stream.to_bytes())
    assert coded.layers == tuple(layer.length for layer in stream.layers)
    assert coded.machine == 2
    assert (coded.pixels == np.asarray(stream.image())).all()
    assert coded.overhead is not None
    assert 0 < coded.overhead < 0.2  # small layers: some bits each to end them


def test_reference_codecs_give_size_and_payload():
    pixels = picture(70, 40)
    ((codec,), _) = choose(["webp"], {})
    coded = code(codec, 50, pixels)
    assert coded.size == len(REFERENCES["webp"].encode(pixels, 50)) > coded.payload
    assert coded.pixels.shape == pixels.shape
    assert coded.overhead is None


def test_figures_depend_on_model_and_versions(tiny_bundle):
    (one, jpeg), _ = choose([str(tiny_bundle), "jpeg"], {})
    assert one.depends["model"] == one.bundle.fingerprint.hex()
    assert jpeg.depends["model"] is None
    assert "Pillow" in jpeg.depends["versions"]
