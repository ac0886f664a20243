"""The recipe of DeepSIC: sizes of its networks, data, training stages."""

from __future__ import annotations

import math
from dataclasses import dataclass

from semapix.errors import ArgumentError
from semapix.training.sections import RecipeData

__all__ = ["DeepsicModel", "DeepsicRecipe", "JointStage", "SemanticsStage"]


@dataclass(frozen=True)
class DeepsicModel:
    """Sizes of the networks of DeepSIC."""

    core_side: int
    """Larger pictures are squeezed to squares of this side for the labels."""
    widths: list[int]
    """Filters of the four stages of the feature extraction; the last number is that of the features."""
    kernels: list[int]
    """Side of the filters of each stage."""
    strides: list[int]
    """Subsampling of each stage."""
    head_widths: list[int]
    """Filters of the convolutions of the semantic analysis."""
    head_strides: list[int]
    """Subsampling of each of them."""
    head_pool: int
    """Side of the grid that its last convolution is averaged to."""
    head_hidden: int
    """Width of its first fully connected layer."""
    dropout: float
    """Dropout before the last fully connected layer."""
    dead_zone: float
    """Encoders round a feature to the smaller of two values unless the larger one is so much nearer, in steps."""
    plane_groups: list[int]
    """Features of each group of the bit-plane coder, in the order of coding; a group's contexts see those before it."""
    split_pixels: int
    """Smaller pictures have all bit planes in one sub-layer: each one costs some seven bytes."""
    context_photos: int
    """Photos whose middles the coder's contexts are counted on, when the model becomes a bundle."""
    context_side: int
    """Side of these middles in pixels."""

    def __post_init__(self) -> None:
        """Raises ArgumentError for sizes that do not fit each other."""
        stages = (len(self.widths), len(self.kernels), len(self.strides))
        if len(set(stages)) > 1 or stages[0] < 2:
            raise ArgumentError(
                f"widths, kernels and strides (={stages} of them) must state the same stages, two or more"
            )
        if any(stride not in (1, 2, 4) for stride in self.strides):
            raise ArgumentError(f"strides (={self.strides}) must be 1, 2 or 4")
        if any(kernel % 2 == 0 or kernel < stride for kernel, stride in zip(self.kernels, self.strides, strict=True)):
            raise ArgumentError(f"kernels (={self.kernels}) must be odd, and no smaller than their strides")
        changes = zip(self.strides[1:], self.widths, self.widths[1:], strict=False)
        if any(stride == 1 and before != after for stride, before, after in changes):
            raise ArgumentError(f"widths (={self.widths}) may change where the stride is above 1 alone: {self.strides}")
        if self.core_side % math.prod(self.strides):
            raise ArgumentError(
                f"core_side (={self.core_side}) must be a multiple of {math.prod(self.strides)}, the stride"
            )
        if sum(self.plane_groups) != self.widths[-1] or min(self.plane_groups) < 1:
            raise ArgumentError(f"plane_groups (={self.plane_groups}) must add up to {self.widths[-1]}, the features")


@dataclass(frozen=True)
class JointStage:
    """Stage `joint`: all networks together, for rate, distortion and labels."""

    minutes: float
    batch: int
    """Labelled pictures in a step."""
    photo_batch: int
    """Patches of photos in a step."""
    side: int
    """Side of these patches in pixels."""
    precision: str
    learning_rate: float
    weight_decay: float
    semantic_weight: float
    """lambda2 of the paper's loss, of the cross entropy."""
    coarse_weight: float
    """Weight of the cross entropy of groups, beside that of classes."""
    label_smoothing: float
    lambda_low: float
    """lambda1, of the squared error (0 to 255), at quality 1."""
    lambda_high: float
    """lambda1 at quality 9."""
    float_share: float
    """Share of the labelled pictures that the semantic analysis sees before quantisation (pre-semantic)."""
    smallest_area: float
    jitter: float
    validate_every: int
    seed: int


@dataclass(frozen=True)
class SemanticsStage:
    """Stage `semantics`: the semantic analysis alone."""

    minutes: float
    batch: int
    precision: str
    learning_rate: float
    weight_decay: float
    coarse_weight: float
    label_smoothing: float
    float_share: float
    smallest_area: float
    jitter: float
    validate_every: int
    seed: int


@dataclass(frozen=True)
class DeepsicRecipe:
    """A whole recipe. `name` is the name of its file."""

    name: str
    system: str
    model: DeepsicModel
    data: RecipeData
    joint: JointStage
    semantics: SemanticsStage
