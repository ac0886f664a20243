"""The recipe of the scalable system: sizes of its networks, data, training stages."""

from __future__ import annotations

from dataclasses import dataclass, field

from semapix.errors import ArgumentError
from semapix.training.rounding import BITS
from semapix.training.sections import RecipeData

__all__ = ["LcnetStage", "LfrnetStage", "OuterStage", "ScalableModel", "ScalableRecipe", "TeacherStage"]

_OUTER_RESOLUTIONS = 3


@dataclass(frozen=True)
class ScalableModel:
    """Sizes of the networks of the scalable system."""

    core_side: int
    """Side of the square core in pixels, a multiple of 2^K."""
    lifting_hidden: list[int]
    """Hidden channels of Predict and Update, finest level first; the length is K."""
    lifting_depth: list[int]
    """Feature extraction layers of Predict and Update, finest level first."""
    coarse_channels: int
    """Channels of the deepest main band that make up layer s1; the rest is s2."""
    coarse_hidden: list[int]
    """Widths of the two hidden layers of the coarse head."""
    fine_hidden: list[int]
    """Widths of the two hidden layers of the fine head."""
    dropout: float
    """Dropout of both heads."""
    unit_channels: int
    """Channels inside of the RAFC units."""
    unit_loops: list[int]
    """Downsampling steps in each of the K + 2 RAFC units, s1 first."""
    unit_latents: list[int]
    """Latent channels of each RAFC unit, s1 first."""
    unit_blocks: int
    """Residual blocks after each downsampling step, and in each branch of the attention module."""
    unit_kernel: int
    """Side of the kernels that lead into and out of the units, and of their down- and upsampling."""
    unit_features: int
    """Channels of the state of the RAFC units' entropy models."""
    predictor_channels: int
    """Channels inside of the prediction units and of the post-processing unit."""
    core_finer_under_scales: int
    """Quality levels by which s3 to s7 are coded more finely (less if negative) when outer scales rest on them."""
    outer_finer_by_scale: int
    """Quality levels by which each outer scale is coded more finely than the next larger one."""
    outer_widths: list[int]
    """Channels of the outer unit at 1/4, 1/8 and 1/16 of a scale's size."""
    outer_inner: list[int]
    """Channels between the two convolutions of its blocks, by resolution as above."""
    outer_analysis_blocks: list[int]
    """Blocks of its analysis, by resolution."""
    outer_synthesis_blocks: list[int]
    """Blocks of its synthesis, by resolution."""
    outer_detail: int
    """The last of its latents, which get a linear path straight from the pixels too."""
    outer_groups: list[int]
    """Its latent channels at 1/16, in the groups that make up its sub-layers."""
    outer_features: int
    """Channels of the state of the outer unit's entropy model."""
    outer_hyper: int
    """Hyper-latent channels of the outer unit at 1/64."""
    outer_error_weight: float
    """What a squared error of 1 in a latent of the outer unit costs in bits, to an encoder that rounds it."""
    outer_split_pixels: int
    """Outer scales of fewer pixels have one sub-layer: each one costs some seven bytes."""
    lifting_blocks: list[int] = field(default_factory=list)
    """Residual blocks behind those layers, finest level first; models of earlier versions have none."""
    lifting_bits: int = BITS
    """How many bits large weights of the transform have in a bundle, 2 to 8."""

    def __post_init__(self) -> None:
        """Raises ArgumentError for sizes of the outer unit that do not fit each other, and bits out of range."""
        if not 2 <= self.lifting_bits <= BITS:
            raise ArgumentError(f"lifting_bits (={self.lifting_bits}) must lie between 2 and {BITS}")
        for name in ("outer_widths", "outer_inner", "outer_analysis_blocks", "outer_synthesis_blocks"):
            if len(sizes := getattr(self, name)) != _OUTER_RESOLUTIONS:
                raise ArgumentError(f"{name} (={sizes}) must have three numbers, for 1/4, 1/8 and 1/16")
        if not 1 <= self.outer_detail <= sum(self.outer_groups):
            raise ArgumentError(
                f"outer_detail (={self.outer_detail}) must lie between 1 and the sum of outer_groups "
                f"(={self.outer_groups})"
            )


@dataclass(frozen=True)
class TeacherStage:
    """Stage 0: the network that stage 1 learns from; no part of a model."""

    minutes: float
    batch: int
    precision: str
    learning_rate: float
    weight_decay: float
    widths: list[int]
    """Channels of its stages, the first at half of the core's resolution, each at half of the one before."""
    blocks: list[int]
    """Residual blocks of each of them."""
    label_smoothing: float
    smallest_area: float
    jitter: float
    mixed: float
    """Share of the batches whose pictures get a rectangle of another one, and its labels with that share."""
    validate_every: int
    seed: int

    def __post_init__(self) -> None:
        """Raises ArgumentError for sizes that do not fit each other."""
        if len(self.blocks) != len(self.widths):
            raise ArgumentError(f"blocks (={self.blocks}) must have one number for each of widths (={self.widths})")


@dataclass(frozen=True)
class LfrnetStage:
    """Stage 1: transform and heads."""

    minutes: float
    batch: int
    precision: str
    """As Lightning names it; bf16-mixed becomes 32-true where the device has no bfloat16 arithmetic."""
    learning_rate: float
    weight_decay: float
    coarse_weight: float
    """Weight of the coarse head's cross entropy; that of the fine head's is 1."""
    label_smoothing: float
    smallest_area: float
    jitter: float
    dual_weight: float
    update_weight: float
    validate_every: int
    seed: int
    mixed: float = 0.0
    """Share of the batches whose pictures get a rectangle of another one, and its labels with that share."""
    first_fine_weight: float = 0.0
    """Weight of the cross entropy of fine labels told from layer s1 alone, by a layer that only training has."""
    teacher_weight: float = 0.0
    """Share of the loss that is the divergence from what stage 0 says of the same view; labels have the rest."""


@dataclass(frozen=True)
class LcnetStage:
    """Stage 2: the RAFC units, prediction units and post-processing, with stage 1 frozen."""

    minutes: float
    batch: int
    precision: str
    learning_rate: float
    weight_decay: float
    semantic_weight: float
    feature_weight: float
    machine_rate_weight: float
    signal_weight: float
    lambda_low: float
    lambda_high: float
    smallest_area: float
    jitter: float
    validate_every: int
    seed: int


@dataclass(frozen=True)
class OuterStage:
    """Stage 3: the unit that all outer scales share; independent of the others."""

    minutes: float
    batch: int
    precision: str
    side: int
    learning_rate: float
    weight_decay: float
    lambda_low: float
    lambda_high: float
    validate_every: int
    seed: int
    structure_weight: float = 0.0
    """0 by default for the recipes of bundles from before it."""


@dataclass(frozen=True)
class ScalableRecipe:
    """A whole recipe. `name` is the name of its file."""

    name: str
    system: str
    model: ScalableModel
    data: RecipeData
    lfrnet: LfrnetStage
    lcnet: LcnetStage
    outer: OuterStage
    teacher: TeacherStage | None = None

    def __post_init__(self) -> None:
        """Raises ArgumentError for a weight of the teacher that is no share, or has no teacher."""
        weight = self.lfrnet.teacher_weight
        if not 0 <= weight <= 1:
            raise ArgumentError(f"teacher_weight (={weight}) must lie between 0 and 1")
        if weight > 0 and self.teacher is None:
            raise ArgumentError(f"teacher_weight (={weight}) must be 0 in a recipe without a section teacher")
