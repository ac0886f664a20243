"""The codecs of a run, ours and those that they are compared with, behind one call: pixels through a real file."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import semapix
from semapix._budget import TooSmall
from semapix.bundle import Bundle, default_for, find
from semapix.codecs import CODECS, QUALITIES, Codec, ContinuousCodec, open_codec
from semapix.coding import counted_information
from semapix.errors import ArgumentError, ModelError
from semapix.evaluation.datasets import Dataset
from semapix.evaluation.records import versions
from semapix.evaluation.reference import REFERENCES
from semapix.evaluation.reference.base import Dial
from semapix.evaluation.runner import Failure

__all__ = [
    "Coded",
    "Options",
    "Tested",
    "asked_tasks",
    "choose",
    "code",
    "encode_own",
    "measured_bundle",
    "opened_bundle",
    "own_tasks",
]

Pixels = NDArray[np.uint8]

_CHECKSUM = 2  # bytes behind each machine layer
_RATES = (0.08, 0.1, 0.15, 0.2, 0.3, 0.4)  # bits per pixel, where settings are rates
_OF_ALL = ("semapix", "numpy", "torch", "pytorch-msssim", "ai-edge-litert")
_OF_OURS = ("onnxruntime", "constriction")
_OF_REFERENCES = ("Pillow", "pillow-heif", "imagecodecs", "imageio-ffmpeg")


@dataclass(frozen=True)
class Options:
    """How a codec of ours is used: what its name says behind a colon, such as `uniform`, `semantic+vivid+rate`.

    `strategy`, `decoder`: one of the codec's, None for its default. `rate`: settings are bits per pixel and not
    qualities: a file has at most so many, or as few as the codec can give the picture. Codecs without pixels have none.
    """

    strategy: str | None = None
    decoder: str | None = None
    rate: bool = False

    @classmethod
    def parse(cls, words: str, codec: Codec) -> Options:
        """Options joined by `+`. Raises ArgumentError for one that the codec does not have, or two of a kind."""
        kinds = {"strategy": codec.strategies, "decoder": codec.decoders, "rate": ("rate",) if codec.pixels else ()}
        found: dict[str, Any] = {}
        for word in words.split("+"):
            kind = next((kind for kind, known in kinds.items() if word in known), None)
            if kind is None or kind in found:
                known = ", ".join(name for names in kinds.values() for name in names) or "none"
                raise ArgumentError(
                    f"option {word!r} of {words!r}: codec {codec.name} has {known}; at most one strategy, one decoder"
                )
            found[kind] = word
        return cls(found.get("strategy"), found.get("decoder"), "rate" in found)

    def __str__(self) -> str:
        return "+".join(filter(None, (self.strategy, self.decoder, "rate" if self.rate else None)))


@dataclass(frozen=True)
class Tested:
    """A codec with the settings that it is tested at; survives pickling.

    `model`, `fingerprint`: of the bundle of a codec of ours, its path and what it was when it was chosen; None for a
    reference codec. `what`: library and choices, a line.
    """

    name: str
    label: str
    what: str
    settings: tuple[float, ...]
    model: Path | None = None
    fingerprint: str | None = None
    options: Options = field(default_factory=Options)

    @property
    def bundle(self) -> Bundle | None:
        """The model of a codec of ours."""
        return None if self.model is None else find(self.model)

    @cached_property
    def depends(self) -> dict[str, Any]:
        """What coded pictures depend on beside the setting, for the key of a job."""
        kept = versions((*_OF_ALL, *(_OF_REFERENCES if self.model is None else _OF_OURS)))
        return {"codec": self.name, "what": self.what, "model": self.fingerprint, "versions": kept}


@dataclass(frozen=True)
class Coded:
    """A picture that went through a file.

    `size`: bytes of the file, headers included. `payload`: without what the container adds; of our own files, all of
    it. `pixels`: the decoded picture, uint8 (H, W, 3). Of our own files alone: `layers`, bytes of each layer;
    `machine`, how many of them are machine layers; `information`, bits that the model's tables give to the symbols.
    """

    size: int
    payload: int
    pixels: Pixels
    layers: tuple[int, ...] = ()
    machine: int = 0
    information: float | None = None

    @property
    def overhead(self) -> float | None:
        """Bytes that carry symbols over the information in these, as a share less 1; None for reference codecs."""
        if not self.information:
            return None
        return (sum(self.layers) - _CHECKSUM * self.machine) * 8 / self.information - 1


def choose(
    names: Sequence[str], settings: Mapping[str, Sequence[float]], model: str | None = None
) -> tuple[list[Tested], list[Failure]]:
    """The codecs called `names`, and those of them that cannot run here.

    A name is that of a codec of ours, of a reference codec, or of an installed model, or the path of a bundle; those of
    ours may have `Options` behind a colon. `settings`: of codecs by their names, in place of their own; what is said of
    a name without options holds with them, unless settings are rates. `model`: the bundle for codecs of ours.
    Raises ArgumentError for an unknown name, listing what there is, for two codecs of one name, and for settings that a
    codec does not have.
    """
    chosen, missing = [], []
    for name in names:
        if name in REFERENCES:
            reference = REFERENCES[name]
            why = reference.missing()
            sweep = _checked(name, settings.get(name, reference.sweep), reference.dial)
            if why is None:
                chosen.append(Tested(name, reference.label, reference.what, sweep))
            else:
                missing.append(Failure(name, why))
            continue
        chosen.append(_own(name, settings, model))
    twice = sorted({codec.name for codec in chosen if [c.name for c in chosen].count(codec.name) > 1})
    if twice:
        raise ArgumentError(
            f"two codecs are called {', '.join(twice)}; name each once, and give models other file names"
        )
    return chosen, missing


def _own(name: str, settings: Mapping[str, Sequence[float]], model: str | None) -> Tested:
    """A codec of ours."""
    plain, colon, words = name.rpartition(":")
    if not colon or {"/", "\\"} & set(words):  # no options, though a path may have a colon
        plain, words = name, ""
    bundle = _bundle(plain, model)
    options = Options.parse(words, open_codec(bundle)) if words else Options()
    own: Sequence[float] = range(1, QUALITIES + 1)
    dial = Dial("quality", 1, QUALITIES)
    if options.rate:
        own, dial = _RATES, Dial("bpp", _RATES[0] / 100, 24, whole=False)
    sweep = _checked(name, settings.get(name, own if options.rate else settings.get(plain, own)), dial)
    what = f"model {bundle.name} ({bundle.fingerprint[:4].hex()}), codec {bundle.codec}; {dial.name} as given"
    called = bundle.name
    if words:
        called, what = f"{called}:{options}", f"{what}; {options}"
    if options.rate and isinstance(opened := open_codec(bundle), ContinuousCodec):
        what += f", at the sizes {', '.join(opened.variants())}"
    label = f"Semapix {called.replace(':', ' ')}"
    return Tested(called, label, what, sweep, bundle.path, bundle.fingerprint.hex(), options)


def _checked(name: str, settings: Sequence[float], dial: Dial) -> tuple[float, ...]:
    """Settings of a codec; raises ArgumentError unless each stands there once and the codec has it."""
    if not isinstance(settings, (list, tuple, range)) or not all(isinstance(s, (int, float)) for s in settings):
        raise ArgumentError(f"settings of {name} (={settings!r}) must be a list of numbers")
    if not settings or len(set(settings)) != len(settings):
        raise ArgumentError(f"settings of {name} (={list(settings)}) must be one or more, each once")
    for setting in settings:
        try:
            dial.check(setting)
        except ArgumentError as error:
            raise ArgumentError(f"{name}: {error}") from None
    return tuple(settings)


def own_tasks(tested: Tested, data: Dataset) -> dict[str, str]:
    """The tasks of a codec's model whose labels the data set knows, each with the column of the true labels.

    Raises ArgumentError for a reference codec.
    """
    bundle = tested.bundle
    if bundle is None:
        raise ArgumentError(f"{tested.name} has no machine layers; codecs of this experiment are Semapix's own")
    stated = bundle.manifest["tasks"]
    return {task["name"]: space.column for task in stated if (space := data.space_of(task["labels"]))}


def asked_tasks(tested: Tested, data: Dataset, names: Sequence[str]) -> dict[str, str]:
    """Those of `own_tasks` that are called `names`. Raises ArgumentError when there are none, and as `own_tasks`."""
    columns = own_tasks(tested, data)
    asked = {task: columns[task] for task in names if task in columns}
    if not asked:
        raise ArgumentError(
            f"{data.folder}: has no labels of the tasks {', '.join(names)} of {tested.name}; choose another codec, or "
            "a data set with its labels"
        )
    return asked


def _bundle(name: str, model: str | None) -> Bundle:
    if name in CODECS:
        return find(model) if model else default_for(name)
    try:
        return find(name)
    except ModelError as error:
        known = ", ".join([*CODECS, *REFERENCES])
        raise ArgumentError(
            f"no codec is called {name!r} ({error}); there are: {known}, and paths of bundles"
        ) from None


def code(tested: Tested, setting: float, pixels: Pixels) -> Coded:
    """Code a picture, uint8 (H, W, 3), at one setting, through a real file."""
    if tested.model is None:
        reference = REFERENCES[tested.name]
        data = reference.encode(pixels, setting)
        return Coded(len(data), reference.payload(data), reference.decode(data, pixels.shape))
    bundle = measured_bundle(tested)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "picture.spix"
        encode_own(tested, setting, pixels).save(file)
        stream = semapix.open(file, bundle)
        with counted_information() as information:
            decoded = np.asarray(stream.image(decoder=tested.options.decoder))
        layers = stream.layers
        machine = sum(layer.kind == "machine" for layer in layers)
        size = file.stat().st_size
        return Coded(size, size, decoded, tuple(x.length for x in layers), machine, information.bits)


def encode_own(tested: Tested, setting: float, pixels: Pixels) -> semapix.Stream:
    """Code a picture, uint8 (H, W, 3), at one setting of a codec of ours."""
    bundle, strategy = measured_bundle(tested), tested.options.strategy
    if not tested.options.rate:
        return semapix.encode(pixels, bundle.codec, int(setting), bundle, strategy=strategy)
    budget = max(1, int(setting * pixels.shape[0] * pixels.shape[1] / 8))
    try:
        return semapix.encode(pixels, bundle.codec, model=bundle, max_bytes=budget, strategy=strategy)
    except TooSmall as error:  # the least that there is of the picture stands there, with the bytes it has
        return semapix.encode(pixels, bundle.codec, model=bundle, max_bytes=error.nearest, strategy=strategy)


def measured_bundle(tested: Tested) -> Bundle:
    """The bundle of a codec of ours. Raises ModelError when it is not the one that was chosen."""
    assert tested.model is not None
    bundle = opened_bundle(tested.model)
    if bundle.fingerprint.hex() != tested.fingerprint:
        raise ModelError(f"{tested.model}: was replaced while it was measured; run the command again for the new model")
    return bundle


@lru_cache
def opened_bundle(path: Path) -> Bundle:
    """The bundle at a path; each process opens a model once."""
    return find(path)
