"""Labels of a user's own: a head is trained on the machine layers' features of examples, the codec stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from semapix._stream import ModelLike, Stream, choose_model, open
from semapix.bundle import Bundle
from semapix.codecs import Layers, PictureInfo, open_codec
from semapix.errors import ArgumentError
from semapix.imaging import ImageLike, load, readable_endings
from semapix.tasks import Head, TaughtTask, teach_task

__all__ = ["ExampleLike", "Examples", "teach"]

Features: TypeAlias = NDArray[np.float32]

ExampleLike: TypeAlias = ImageLike | Stream
"""A picture as `encode` takes it, the path of a .spix file, or an open codestream."""

Examples: TypeAlias = Mapping[str, Sequence[ExampleLike]] | Mapping[str, Mapping[str, Sequence[ExampleLike]]]
"""Label to its examples; or coarse label to fine labels to their examples."""

_CODED = ".spix"
_COARSE, _FINE = "coarse", "fine"
_QUALITY = 5  # matters for the few machine layers that serve people too


@dataclass(frozen=True, eq=False)
class _Example:
    content: ExampleLike
    coarse: str | None
    fine: str


def teach(
    examples: str | PathLike[str] | Examples,
    model: ModelLike | None = None,
    watch: Callable[[int, int], object] | None = None,
) -> Head:
    """Teach a model labels of your own, from some ten examples of each or more; no layer of any file changes.

    `examples`: a folder of class folders (FOLDER/label/picture.jpg), or of two levels of them
    (FOLDER/coarse/fine/picture.jpg); or a mapping of the same form. Pictures and .spix files of the model are taken
    alike, and files with other endings are left alone. Classifiers are trained on features as they are after coding.
    The head has the task `fine`, which reads all machine layers, and with two levels `coarse`, which reads the first.
    `model`: name or path of a bundle; by default the one that ships. `watch`: called with how many examples are done,
    and of how many there are.

    Raises ArgumentError for a folder or a mapping of another form, for less than ten examples in all, two of a label or
    two labels, and for a .spix file of another model; ImageError and StreamError for an example that cannot be read.
    """
    bundle = choose_model(None, model)
    if isinstance(examples, (str, PathLike)):
        examples = _in_folder(Path(examples))
    elif not isinstance(examples, Mapping):
        raise ArgumentError(f"examples must be a folder or a mapping of labels, not {type(examples).__name__}")
    known = list(_flat(examples))
    _check(known)
    features = []
    for number, example in enumerate(known, start=1):
        features.append(_features(example.content, bundle))
        if watch is not None:
            watch(number, len(known))
    decoded = np.stack([whole for _, whole in features])
    tasks = {_FINE: _taught(_FINE, [x.fine for x in known], open_codec(bundle).machine_layers, decoded)}
    if known[0].coarse is not None:
        first = np.stack([part for part, _ in features])
        tasks = {_COARSE: _taught(_COARSE, [str(x.coarse) for x in known], 1, first), **tasks}
    return Head(bundle.name, bundle.fingerprint, tasks)


def _taught(task: str, labels: Sequence[str], layers: int, features: Features) -> TaughtTask:
    names = list(dict.fromkeys(labels))
    return teach_task(task, names, layers, features, np.array([names.index(label) for label in labels], np.int64))


def _features(example: ExampleLike, bundle: Bundle) -> tuple[Features, Features]:
    """What the first machine layer, and all of them, hold of an example."""
    if isinstance(example, (str, PathLike)) and Path(example).suffix.lower() == _CODED:
        example = open(example)
    if isinstance(example, Stream):
        start, reader = example.header.fingerprint, example._reader
        if not bundle.fingerprint.startswith(start):
            mine = bundle.fingerprint[: len(start)].hex()
            raise ArgumentError(
                f"{reader.name}: was made with model {start.hex()}, not with {bundle.name} ({mine}), which is taught; "
                "give the picture itself, or name the file's model"
            )
        stream = Stream(reader, bundle)
        return stream.machine_features(1), stream.machine_features()
    codec = open_codec(bundle)
    pixels = load(example).pixels
    coded = codec.encode_machine(pixels, codec.head_variant, _QUALITY)
    info = PictureInfo(pixels.shape[1], pixels.shape[0], _QUALITY, coded.variant)
    whole = codec.machine_features(coded, info)
    if codec.machine_layers == 1:
        return whole, whole
    return codec.machine_features(Layers(coded.machine[:1], [], coded.variant), info), whole


def _flat(examples: Examples) -> Iterator[_Example]:
    """All examples with their labels. Raises ArgumentError when only some labels have finer ones."""
    levels = {isinstance(below, Mapping) for below in examples.values()}
    if len(levels) > 1:
        raise ArgumentError("some labels hold examples and others finer labels; all must do the same")
    for label, below in examples.items():
        if isinstance(below, Mapping):
            if not below:
                raise ArgumentError(f"label {label!r} has no finer labels; fill it or leave it out")
            for fine, contents in below.items():
                yield from _of(fine, contents, label)
        else:
            yield from _of(label, below, None)


def _of(label: str, contents: Sequence[ExampleLike], coarse: str | None) -> Iterator[_Example]:
    """The examples of a label. Raises ArgumentError for none, and for what is no label or no row of examples."""
    for name in (label,) if coarse is None else (coarse, label):
        if not isinstance(name, str):
            raise ArgumentError(f"label {name!r} must be a string, not {type(name).__name__}")
    if isinstance(contents, (str, bytes, PathLike)):
        raise ArgumentError(f"label {label!r} must have a list of examples, not {contents!r}")
    if not len(contents):
        raise ArgumentError(f"label {label!r} has no examples; give it some twenty")
    return (_Example(content, coarse, label) for content in contents)


def _check(known: Sequence[_Example]) -> None:
    """Raises ArgumentError for what no head can be made of; numbers in all are for the classifier to judge."""
    counts: dict[str, int] = {}
    parents: dict[str, str | None] = {}
    for example in known:
        counts[example.fine] = counts.get(example.fine, 0) + 1
        if parents.setdefault(example.fine, example.coarse) != example.coarse:
            raise ArgumentError(
                f"label {example.fine!r} lies in both {parents[example.fine]!r} and {example.coarse!r}; rename one"
            )
    if not counts:
        raise ArgumentError("there are no examples; give some twenty of each label")
    if len(counts) == 1:
        raise ArgumentError(f"{next(iter(counts))!r} is the only label; a head tells two or more apart")
    for label, count in counts.items():
        if count < 2:
            raise ArgumentError(f"label {label!r} has one example; give it two or more, better twenty")


def _in_folder(folder: Path) -> Examples:
    """The examples in a folder of class folders, one or two levels deep, in the order of their names."""
    if not folder.is_dir():
        raise ArgumentError(f"{folder}: there is no such directory; examples lie in a directory of class directories")
    below = {path: _directories(path) for path in _directories(folder)}
    if not below:
        raise ArgumentError(f"{folder}: holds no class directories; put the pictures of each label in one of its own")
    if not any(below.values()):
        return {path.name: _files(path) for path in below}
    plain = next((path for path, deeper in below.items() if not deeper), None)
    if plain is not None:
        raise ArgumentError(f"{plain}: holds no directories, others beside it do; all labels need as many levels")
    return {path.name: {fine.name: _files(fine) for fine in deeper} for path, deeper in below.items()}


def _directories(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _files(folder: Path) -> list[Path]:
    """The pictures and .spix files of a label. Raises ArgumentError when there are none, or directories."""
    if _directories(folder):
        raise ArgumentError(f"{folder}: holds directories; labels have two levels at most")
    endings = {*readable_endings(), _CODED}
    files = [path for path in folder.iterdir() if path.suffix.lower() in endings and not path.name.startswith(".")]
    if not files:
        raise ArgumentError(f"{folder}: holds no pictures and no {_CODED} files; fill it or remove it")
    return sorted(files)
