"""Labels of a user's own: examples in, a head out, and what it says of files."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import semapix
from semapix.bundle import Bundle
from semapix.errors import ArgumentError, ImageError, TruncatedStream
from tests.pictures import picture


def shade(level: int, seed: int) -> np.ndarray:
    """A noisy picture of one brightness, which the tiny model's features tell apart."""
    return (picture(24, 20, seed) // 8 + level).astype(np.uint8)


SHADES = {"dark": 10, "grey": 110, "light": 210}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("shades")
    for name, level in SHADES.items():
        (root / name).mkdir()
        for seed in range(6):
            Image.fromarray(shade(level, seed)).save(root / name / f"{seed}.png")
    (root / "dark" / "notes.txt").write_text("no picture")
    (root / ".hidden").mkdir()
    return root


@pytest.fixture(scope="module")
def head(folder, tiny_bundle) -> semapix.Head:
    return semapix.teach(folder, tiny_bundle)


def asked(tiny_bundle) -> Iterator[tuple[str, semapix.Stream]]:
    for name, level in SHADES.items():
        yield name, semapix.encode(shade(level, 99), model=tiny_bundle)


def test_a_folder_of_class_folders_becomes_labels(head, tiny_bundle):
    assert list(head.tasks) == ["fine"]
    task = head.tasks["fine"]
    assert (task.task.labels, task.task.layers, task.pictures) == (["dark", "grey", "light"], 2, 18)
    assert task.accuracy == 1.0
    assert task.guessing == pytest.approx(1 / 3)
    assert head.fingerprint == Bundle(tiny_bundle).fingerprint
    looked = 0
    for name, stream in asked(tiny_bundle):
        labels = stream.look(head=head)
        assert (labels[0].name, labels.task, len(labels)) == (name, "fine", 3)
        assert sum(label.probability for label in labels) == pytest.approx(1)
        looked += 1
    assert looked == 3


def test_a_saved_head_says_the_same(head, tiny_bundle, tmp_path):
    path = tmp_path / "shades.spxh"
    head.save(path)
    stream = semapix.encode(shade(110, 5), model=tiny_bundle)
    coded = stream.to_bytes()
    assert semapix.look(coded, model=tiny_bundle, head=path) == stream.look(head=head)
    assert semapix.look(coded, "fine", 1, tiny_bundle, head=str(path)) == stream.look("fine", 1, head=head)
    assert stream.look().task == "fine"


def test_a_head_needs_no_byte_behind_its_layers(head, tiny_bundle):
    stream = semapix.encode(shade(110, 5), model=tiny_bundle)
    ends = [layer.end for layer in stream.layers]
    prefix = stream.to_bytes()[: ends[1]]
    assert semapix.look(prefix, model=tiny_bundle, head=head) == stream.look(head=head)
    with pytest.raises(TruncatedStream, match="ends after"):
        semapix.look(prefix[:-1], model=tiny_bundle, head=head)


def test_two_levels_teach_two_tasks(tiny_bundle, tmp_path):
    for coarse, names in {"extreme": ("dark", "light"), "middle": ("grey",)}.items():
        for name in names:
            (tmp_path / coarse / name).mkdir(parents=True)
            for seed in range(6):
                Image.fromarray(shade(SHADES[name], seed)).save(tmp_path / coarse / name / f"{seed}.png")
    head = semapix.teach(tmp_path, tiny_bundle)
    assert [(n, t.task.labels, t.task.layers) for n, t in head.tasks.items()] == [
        ("coarse", ["extreme", "middle"], 1),
        ("fine", ["dark", "light", "grey"], 2),
    ]
    assert head.tasks["coarse"].guessing == pytest.approx(2 / 3)
    stream = semapix.encode(shade(210, 7), model=tiny_bundle)
    assert stream.look(head=head).task == "fine"
    first = stream.to_bytes()[: stream.layers[0].end]
    assert semapix.look(first, "coarse", model=tiny_bundle, head=head).task == "coarse"


def test_pictures_and_files_teach_the_same(folder, head, tiny_bundle, tmp_path):
    mapping = {name: sorted((folder / name).glob("*.png")) for name in SHADES}
    for name, paths in mapping.items():
        (tmp_path / name).mkdir()
        for path in paths:
            semapix.encode(path, model=tiny_bundle, quality=3).save(tmp_path / name / f"{path.stem}.spix")
    streams = {n: [semapix.open(p) for p in sorted((tmp_path / n).iterdir())] for n in SHADES}
    for examples in (mapping, tmp_path, streams):
        again = semapix.teach(examples, tiny_bundle)
        assert np.array_equal(again.tasks["fine"].classifier.weights, head.tasks["fine"].classifier.weights)


def test_teaching_tells_how_far_it_is(folder, tiny_bundle):
    seen = []
    semapix.teach(folder, tiny_bundle, lambda done, of: seen.append((done, of)))
    assert seen == [(number, 18) for number in range(1, 19)]


def test_machine_features_are_those_of_the_layers(tiny_bundle):
    stream = semapix.encode(shade(110, 5), model=tiny_bundle)
    both = stream.machine_features()
    assert np.array_equal(both, np.concatenate([stream.features(1), stream.features(2)]))
    assert np.array_equal(stream.machine_features(1), stream.features(1))
    with pytest.raises(ArgumentError, match=r"layers \(=3\) must lie between 1 and 2, the machine layers"):
        stream.machine_features(3)


def test_another_models_head_and_files_are_refused(folder, head, tiny_bundle, other_model, tmp_path):
    mine, other = (Bundle(path).fingerprint[:4].hex() for path in (tiny_bundle, other_model))
    with pytest.raises(
        ArgumentError, match=rf"taught for model tiny \({mine}\), the file was made with other \({other}\)"
    ):
        semapix.encode(shade(10, 0), model=other_model).look(head=head)
    path = tmp_path / "a.spix"
    semapix.encode(shade(10, 0), model=other_model).save(path)
    examples = {"a": [path] * 5, "b": [path] * 5}
    with pytest.raises(ArgumentError, match=rf"a.spix: was made with model {other}, not with tiny \({mine}\)"):
        semapix.teach(examples, tiny_bundle)


@pytest.fixture(scope="module")
def other_model(tiny_bundle, tmp_path_factory) -> Path:
    """The same networks under another name."""
    from semapix.bundle import save_bundle

    bundle = Bundle(tiny_bundle)
    manifest = {key: value for key, value in bundle.manifest.items() if key not in ("members", "bundle_format")}
    groups = [name[len("arrays/") : -len(".npz")] for name in bundle.manifest["members"] if name.startswith("arrays/")]
    path = tmp_path_factory.mktemp("other") / "other.spxm"
    graphs = {name: bundle.graph(name) for name in bundle.graph_names}
    save_bundle(path, {**manifest, "name": "other"}, graphs, {name: bundle.arrays(name) for name in groups})
    return path


def test_examples_that_cannot_teach(tiny_bundle, tmp_path):
    some = [shade(10, seed) for seed in range(6)]
    for examples, message in (
        ({"a": some[:1], "b": some}, "label 'a' has one example; give it two or more"),
        ({"a": some[:3], "b": some[:3]}, "10 examples or more, not 6"),
        ({"a": some * 2}, "'a' is the only label; a head tells two or more apart"),
        ({"a": some, "b": []}, "label 'b' has no examples; give it some twenty"),
        ({"a": some, "b": "folder"}, "label 'b' must have a list of examples, not 'folder'"),
        ({1: some, 2: some}, "label 1 must be a string, not int"),
        ({None: some, "b": some}, "label None must be a string, not NoneType"),
        ({"a": {}, "b": {"c": some, "d": some}}, "label 'a' has no finer labels"),
        (["a"], "examples must be a folder or a mapping of labels, not list"),
        ({}, "there are no examples; give some twenty of each label"),
        ({"a": {"b": some}, "c": some}, "some labels hold examples and others finer labels"),
        ({"a": {"b": some}, "c": {"b": some}}, "label 'b' lies in both 'a' and 'c'; rename one"),
    ):
        with pytest.raises(ArgumentError, match=message):
            semapix.teach(examples, tiny_bundle)
    with pytest.raises(ImageError, match="is not an image"):
        semapix.teach({"a": [b"text", b"text"], "b": some}, tiny_bundle)


def test_folders_that_cannot_teach(tiny_bundle, tmp_path):
    with pytest.raises(ArgumentError, match=r"nowhere: there is no such directory"):
        semapix.teach(tmp_path / "nowhere", tiny_bundle)
    with pytest.raises(ArgumentError, match="holds no class directories"):
        semapix.teach(tmp_path, tiny_bundle)
    (tmp_path / "a").mkdir()
    with pytest.raises(ArgumentError, match=r"a: holds no pictures and no .spix files; fill it or remove it"):
        semapix.teach(tmp_path, tiny_bundle)
    (tmp_path / "b" / "c").mkdir(parents=True)
    with pytest.raises(ArgumentError, match=r"a: holds no directories, others beside it do"):
        semapix.teach(tmp_path, tiny_bundle)
    (tmp_path / "a").rmdir()
    (tmp_path / "b" / "c" / "d").mkdir()
    with pytest.raises(ArgumentError, match=r"c: holds directories; labels have two levels at most"):
        semapix.teach(tmp_path, tiny_bundle)
