"""The one interface of all codecs: a picture to layers, layers to what was asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from semapix.codecs.steering import Steering
from semapix.errors import ArgumentError, TruncatedStream
from semapix.tasks import Detections

__all__ = [
    "QUALITIES",
    "Analysed",
    "Codec",
    "ContinuousCodec",
    "DetectingCodec",
    "Layers",
    "PictureInfo",
    "need_layers",
]

QUALITIES = 9
"""Quality goes from 1, the smallest file, to this, the best picture."""


@dataclass(frozen=True)
class Layers:
    """The bytes of a codestream's layers, in order.

    `machine`: one payload a layer. `signal`: the payloads of each layer's sub-layers, one or more, the most valuable
    first; each is a range coder of its own that needs no byte behind itself. A prefix of a codestream gives fewer
    layers, and of the last signal layer perhaps its first sub-layers alone.
    """

    machine: Sequence[bytes]
    signal: Sequence[Sequence[bytes]]
    variant: int = 0
    """Number of the variant in the front header."""

    def __len__(self) -> int:
        return len(self.machine) + len(self.signal)


@dataclass(frozen=True)
class PictureInfo:
    """What the front header tells a codec: width and height in pixels, quality 1 to 9, and the codec's variant."""

    width: int
    height: int
    quality: int
    variant: int = 0


class Analysed(NamedTuple):
    """A picture as the networks of an encoder see it, ready to be coded, as often as it takes."""

    quality: int
    """1 to 9, for the front header: whole, as what lies between two is for the layers to say."""
    code: Callable[[float], Layers]
    """The layers at a thrift: 0 weighs bits against errors as the codec does by itself, and each 1 more halves the
    worth of an error. More thrift is fewer bytes, in steps of few; 1 saves some 1 to 5 %. Codecs that are not `thrifty`
    take no notice."""


class Codec(ABC):
    """One system with one trained model.

    Every method that decodes takes the leading layers of a codestream, as many as there are, and raises CorruptLayer
    when their bytes do not decode. The last signal layer may have fewer sub-layers than a whole codestream of this
    picture gives it; one with more, or one before the last with fewer, is a CorruptLayer too.
    """

    name: ClassVar[str]
    """Name of the system."""

    number: ClassVar[int]
    """Number of the system in the front header, 0 to 15."""

    machine_layers: ClassVar[int]
    """How many machine layers its codestreams have."""

    pixels: ClassVar[bool] = True
    """Whether its codestreams hold a picture; otherwise `image` raises NoPixels, and there are no signal layers."""

    variant_names: ClassVar[tuple[str, ...]] = ()
    """Names of its variants by their number in the front header, the default first; none where there is only one way
    to code. Numbers may share a name; which of them a file has is for the encoder to say."""

    head_variant: ClassVar[str | None] = None
    """The variant whose machine layers have the features that heads read; None where variants differ in none."""

    holds_features: ClassVar[bool] = True
    """Whether machine layers hold features that heads can read, and not labels alone."""

    strategies: ClassVar[tuple[str, ...]] = ()
    """Names of its ways to spread bits over a picture, the default first; none where it cannot be steered."""

    decoders: ClassVar[tuple[str, ...]] = ()
    """Names of its decoders, any of which decodes any file, the default first; none where there is only one."""

    @classmethod
    def variants(cls) -> tuple[str, ...]:
        """The variants that a caller may choose, the default first."""
        return tuple(dict.fromkeys(cls.variant_names))

    def decoder(self, name: str | None) -> str:
        """The name of a decoder, the default one for None. Raises ArgumentError for one that is not there."""
        if name is not None and name not in self.decoders:
            if not self.decoders:
                raise ArgumentError(f"decoder (={name!r}): codec {self.name} has one only")
            raise ArgumentError(f"decoder (={name!r}) must be one of: {', '.join(self.decoders)}")
        return name or (self.decoders or ("",))[0]

    @classmethod
    def quality(cls, layers: Layers, info: PictureInfo) -> float:
        """The quality that a file was coded at, as far as its leading layers tell; whole as the front header states it.

        Raises CorruptLayer for a fraction that none has.
        """
        return info.quality

    @classmethod
    def variant(cls, name: str | None) -> int:
        """The first number of a variant, 0 for None. Raises ArgumentError for a name that is not there."""
        if name is None:
            return 0
        if not cls.variant_names:
            raise ArgumentError(f"variant (={name!r}): codec {cls.name} has none; the others have")
        if name not in cls.variant_names:
            raise ArgumentError(f"variant (={name!r}) must be one of: {', '.join(cls.variants())}")
        return cls.variant_names.index(name)

    @abstractmethod
    def encode(
        self,
        pixels: NDArray[np.uint8],
        quality: int,
        variant: str | None = None,
        labels: Sequence[str] | None = None,
    ) -> Layers:
        """Code a picture, uint8 (H, W, 3), at quality 1 to 9.

        `labels`: the caller's own, for a codec and variant that write labels. Raises ArgumentError for a variant that
        the codec does not have, and for labels where it writes none.
        """

    @abstractmethod
    def layer_count(self, info: PictureInfo) -> int:
        """Number of layers of a whole codestream of this picture."""

    @abstractmethod
    def image(self, layers: Layers, info: PictureInfo, decoder: str | None = None) -> NDArray[np.uint8]:
        """The picture, uint8 (H, W, 3), as far as layers and sub-layers tell; `decoder`: one of `decoders`.

        What a missing layer holds is predicted; the values of a missing sub-layer are taken at their means, given what
        was decoded before it. Raises NoPixels where codestreams hold no picture.
        """

    @abstractmethod
    def features(self, layers: Layers, info: PictureInfo, layer: int) -> NDArray[np.float32]:
        """The decoded features of one layer, 1 being the first, float32 (C, h, w), as far as its sub-layers tell."""

    @abstractmethod
    def scores(self, layers: Layers, info: PictureInfo, task: str) -> NDArray[np.float32]:
        """The logits of a task, float32 (classes,), from the machine layers that the task reads."""

    @abstractmethod
    def encode_machine(self, pixels: NDArray[np.uint8], variant: str | None = None, quality: int = 1) -> Layers:
        """The machine layers of `encode` alone. Those that hold nothing for people are the same at every quality."""

    @abstractmethod
    def machine_features(self, layers: Layers, info: PictureInfo) -> NDArray[np.float32]:
        """What the machine layers that there are hold for heads, float32 (C, h, w); C grows with each layer."""

    @abstractmethod
    def uncoded_features(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The same of all machine layers, from a picture, uint8 (H, W, 3), that was not coded: what coding loses."""

    @abstractmethod
    def uncoded_scores(self, pixels: NDArray[np.uint8], task: str) -> NDArray[np.float32]:
        """The logits of a task, float32 (classes,), from features that were not coded."""

    @property
    @abstractmethod
    def description(self) -> dict[str, Any]:
        """The manifest of the model."""


class ContinuousCodec(Codec):
    """A codec that has all qualities between the whole ones, so that any rate can be filled."""

    thrifty: ClassVar[bool] = False
    """Whether bytes rise in steps with quality, between which thrift leads (see `Analysed`), and not evenly."""

    cuts_below: ClassVar[bool] = True
    """Whether leading layers of a file are a good picture for what they take: then files of fewer bytes than even the
    lowest quality takes are cut short."""

    @abstractmethod
    def prepare(
        self, pixels: NDArray[np.uint8], steering: Steering, labels: Sequence[str] | None = None
    ) -> Callable[[float | None, str | None], Analysed]:
        """Prepare a picture, uint8 (H, W, 3), to be coded at any quality, with bits where they matter.

        Returns a function of the mean quality, 0 for quality 1 to 1 for the best one, and the variant that runs the
        networks; more quality never means fewer bytes by much. For None as the mean the importance itself is the
        quality. Where there are no `strategies`, nothing is asked for by `steering`. Raises ArgumentError for labels,
        and a map or regions, that do not fit.
        """

    @abstractmethod
    def rates(self, variant: str | None = None) -> list[float]:
        """Bits per pixel of typical photos at each quality, in a variant."""

    def variants_for(self, width: int, height: int) -> tuple[str, ...]:
        """Those of `variants` that are worth a try for a rate and a picture of this size, in pixels.

        Each next one reaches lower rates than the one before, as a rule.
        """
        return self.variants()

    def soft(self, pixels: NDArray[np.uint8], variant: str | None, quality: float) -> bool:
        """Whether a picture, uint8 (H, W, 3), has so little detail, for a file of this quality (1 to 9), that the next
        variant may be the better picture at the same bytes."""
        return False

    def encode(
        self,
        pixels: NDArray[np.uint8],
        quality: int,
        variant: str | None = None,
        labels: Sequence[str] | None = None,
    ) -> Layers:
        return self.prepare(pixels, Steering(), labels)((quality - 1) / (QUALITIES - 1), variant).code(0.0)


class DetectingCodec(Codec):
    """A codec that also finds objects.

    `least`: the lowest score, 0 to 1. `top`: how many objects at most. `distinct`: whether each is told once, under its
    most probable name, and not under every name that it may have.
    """

    @abstractmethod
    def detections(
        self, layers: Layers, info: PictureInfo, task: str, *, least: float = 0.4, top: int = 100, distinct: bool = True
    ) -> Detections:
        """The objects that a task of the kind `detect` or `segment` finds, from the machine layers that it reads."""

    @abstractmethod
    def uncoded_detections(
        self, pixels: NDArray[np.uint8], task: str, *, least: float = 0.4, top: int = 100, distinct: bool = True
    ) -> Detections:
        """The same from features that were not coded; `pixels`: uint8 (H, W, 3)."""


def need_layers(have: int, wanted: int) -> None:
    """Raises TruncatedStream unless a file that holds `have` whole layers has the `wanted` ones."""
    if have < wanted:
        raise TruncatedStream(f"the file holds {have} whole layers, {wanted} are needed")
