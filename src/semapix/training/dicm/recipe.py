"""The recipe of DICM: sizes of its networks, data, training stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from operator import mul

from semapix.errors import ArgumentError
from semapix.training.sections import RecipeData

__all__ = ["CompressionStage", "DicmData", "DicmModel", "DicmRecipe", "SelfSupervisedStage", "TasksStage"]

_LAYERS = 4


@dataclass(frozen=True)
class DicmModel:
    """Sizes of the networks of DICM."""

    glance_side: int
    """Side of the square that classifiers see, in pixels."""
    scene_side: int
    """Longest side of what detectors see."""
    stem_width: int
    """Channels of the first convolution."""
    stem_kernel: int
    """Side of its kernel; its stride is 2."""
    stem_pool: bool
    """Whether max pooling with a stride of 2 follows."""
    bottleneck: bool
    """Whether residual blocks are 1x1, 3x3, 1x1 (a quarter of the width inside); otherwise two 3x3."""
    widths: list[int]
    """Channels of layers 1 to 4 of the residual backbone; the first number is that of the features that are coded."""
    depths: list[int]
    """Residual blocks of each layer."""
    strides: list[int]
    """Stride of each layer's first block."""
    eliminator_widths: list[int]
    """Channels of the redundancy elimination at its three scales, a factor of 2 apart."""
    eliminator_blocks: list[int]
    """ConvFormer blocks at each scale, on the way down and on the way up."""
    eliminator_kernel: int
    """Side of their depthwise kernels."""
    eliminator_expansion: int
    """Width inside of their fully connected halves, in channels of the block."""
    codec_width: int
    """Channels of the compression network."""
    codec_kernel: int
    """Side of the kernels that scale down."""
    codec_blocks: int
    """Blocks after each scaling, in analysis and synthesis."""
    gate_order: int
    """Order of the recursive gated convolutions; 0 puts plain residual blocks in their place, for an ablation."""
    gate_kernel: int
    """Side of their depthwise kernels."""
    codec_expansion: int
    """Width inside of the fully connected halves of blocks, in channels of the block."""
    latent_groups: list[int]
    """Latent channels of each group of the entropy model, in the order of coding."""
    hyper_latents: int
    """Channels of the hyper-latent."""
    hyper_blocks: list[int]
    """Transformer blocks of the hyper-encoder at its two scales; [0, 0] leaves convolutions alone, for an ablation."""
    hyper_heads: int
    """Heads of their attention."""
    entropy_features: int
    """Channels of the entropy model's state."""
    pool: int
    """Side of the square that the last map is averaged to for classifiers."""
    dropout: float
    """Dropout before the linear classifier."""
    pyramid_from: int
    """The first layer of the backbone (2 to 4) whose maps the detector sees."""
    pyramid_width: int
    """Channels of the detector."""
    detector_blocks: int
    """Convolutions of its head before the answers."""
    prototypes: int
    """Prototypes of masks."""

    def __post_init__(self) -> None:
        """Raises ArgumentError for sizes that do not fit each other."""
        if not len(self.widths) == len(self.depths) == len(self.strides) == _LAYERS:
            raise ArgumentError(
                f"widths, depths and strides must state four layers each, not {len(self.widths)}, {len(self.depths)} "
                f"and {len(self.strides)}"
            )
        if len(self.eliminator_widths) != 3 or len(self.eliminator_blocks) != 3:
            raise ArgumentError(
                f"eliminator_widths (={self.eliminator_widths}) and eliminator_blocks (={self.eliminator_blocks}) must "
                "state three scales"
            )
        if self.eliminator_widths[0] != self.widths[0]:
            raise ArgumentError(
                f"eliminator_widths (={self.eliminator_widths}) must begin with {self.widths[0]}, the width of layer 1"
            )
        if self.codec_width % self.hyper_heads:
            raise ArgumentError(
                f"codec_width (={self.codec_width}) must be a multiple of hyper_heads (={self.hyper_heads})"
            )
        if self.gate_order and self.codec_width % 2 ** (self.gate_order - 1):
            raise ArgumentError(
                f"codec_width (={self.codec_width}) must be a multiple of {2 ** (self.gate_order - 1)} for gates of "
                f"order {self.gate_order}"
            )
        if not 2 <= self.pyramid_from <= _LAYERS:
            raise ArgumentError(f"pyramid_from (={self.pyramid_from}) must be a layer from 2 to {_LAYERS}")
        if self.glance_side % self.multiple or self.scene_side % self.multiple:
            raise ArgumentError(
                f"glance_side (={self.glance_side}) and scene_side (={self.scene_side}) must be multiples of "
                f"{self.multiple}, the pixels of a cell of the deepest map"
            )

    @property
    def layer_strides(self) -> list[int]:
        """Pixels of a cell of the maps of layers 1 to 4."""
        stem = 4 if self.stem_pool else 2
        return list(accumulate(self.strides, mul, initial=stem))[1:]

    @property
    def latent_stride(self) -> int:
        """Pixels of a cell of the latent."""
        return 4 * self.layer_strides[0]

    @property
    def multiple(self) -> int:
        """Pixels of a cell of the coarsest map: pictures are padded to multiples of it."""
        return max(self.latent_stride, self.layer_strides[-1])

    @property
    def latents(self) -> int:
        """Channels of the latent."""
        return sum(self.latent_groups)

    @property
    def pyramid_strides(self) -> list[int]:
        """Pixels of a cell of the maps that the detector answers on: those of the backbone, and a coarser one."""
        strides = self.layer_strides[self.pyramid_from - 1 :]
        return [*strides, 2 * strides[-1]]

    @property
    def prototype_stride(self) -> int:
        """Pixels of a cell of the prototypes of masks: half of the finest map's."""
        return max(1, self.pyramid_strides[0] // 2)


@dataclass(frozen=True)
class DicmData(RecipeData):
    """Data of DICM: labelled pictures, photos, and scenes with objects."""

    scenes: list[str]
    """Folders with images/ and instances_train.json in COCO's form. The classes of the first one come first; others
    that it does not have follow."""
    aliases: Mapping[str, str]
    """Names of classes in other folders, to the names that they have in the first one."""
    held_out_scenes: int
    """Every n-th scene is held out for tuning."""


@dataclass(frozen=True)
class SelfSupervisedStage:
    """Stage `selfsupervised`: head, redundancy elimination and tail, by momentum contrast with a rate constraint.

    Labels help where `label_weight` is not 0. Raises ArgumentError when it is below.
    """

    minutes: float
    batch: int
    precision: str
    learning_rate: float
    weight_decay: float
    queue: int
    """Keys that a query is compared with."""
    momentum: float
    """Of the key networks."""
    temperature: float
    projection: int
    """Numbers that a view is projected to."""
    key_parts: int
    """Keys are made in so many shuffled parts of a batch: batch norm must not tell which pictures are a pair."""
    rate_target: float
    """Bits per pixel of the bottleneck that the weight of the rate is steered to; 0 for no rate at all, an ablation."""
    rate_weight: float
    """Weight of the rate at the start."""
    smallest_area: float
    """Of a crop, as a share of the picture's."""
    jitter: float
    """Largest relative change of brightness, contrast and saturation; a quarter of it in hue, as a share of a turn."""
    guide_after: float
    """Share of the minutes after which crops follow the heat map; 1 for never, an ablation."""
    guide_every: float
    """Share of the minutes after which the heat map is made anew."""
    guide_level: float
    """Cells of the heat map, 0 to 1, above this make up the box that crops are centred in."""
    guide_alpha: float
    """Of the Beta distribution of centres: below 1, the edges of the box are likelier than its middle."""
    validate_every: int
    seed: int
    label_weight: float = 0.0
    """Of the cross-entropy of the pictures' own labels beside the contrast; 0 for none, as in the paper."""
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        if self.label_weight < 0:
            raise ArgumentError(f"label_weight (={self.label_weight}) must be 0, for no labels, or more")


@dataclass(frozen=True)
class CompressionStage:
    """Stage `compression`: the compression network, all else frozen."""

    minutes: float
    batch: int
    """Glances in a step."""
    scene_batch: int
    """Patches of scenes and photos in a step."""
    scene_side: int
    """Side of these patches."""
    precision: str
    learning_rate: float
    weight_decay: float
    lambda_low: float
    """Weight of the relative error of features, against bits per pixel, at quality 1."""
    lambda_high: float
    """The same at quality 9."""
    tail_weight: float
    """Weight of the error behind the tail, as a share of that of the features."""
    smallest_area: float
    jitter: float
    validate_every: int
    seed: int


@dataclass(frozen=True)
class TasksStage:
    """Stage `tasks`: tail and heads on decoded features, the encoder frozen."""

    minutes: float
    batch: int
    """Labelled pictures in a step."""
    scene_batch: int
    """Scenes in a step."""
    scene_side: int
    """Side of the square that scenes are cut and padded to."""
    precision: str
    learning_rate: float
    weight_decay: float
    tail_rate: float
    """Learning rate of the tail, as a share of that of the heads; 0 freezes it: linear evaluation."""
    float_share: float
    """Share of the pictures whose features are not coded: heads also serve pictures that other codecs decoded."""
    label_smoothing: float
    detection_weight: float
    mask_weight: float
    smallest_area: float
    jitter: float
    mosaic: float
    """Share of the scenes that are put together of four."""
    validate_every: int
    seed: int


@dataclass(frozen=True)
class DicmRecipe:
    """A whole recipe. `name` is the name of its file."""

    name: str
    system: str
    model: DicmModel
    data: DicmData
    selfsupervised: SelfSupervisedStage
    compression: CompressionStage
    tasks: TasksStage
