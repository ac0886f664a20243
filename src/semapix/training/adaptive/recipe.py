"""The recipe of the adaptive system: sizes of its networks, data, training stages."""

from __future__ import annotations

from dataclasses import dataclass

from semapix.errors import ArgumentError
from semapix.training.sections import RecipeData

__all__ = [
    "AdaptiveData",
    "AdaptiveModel",
    "AdaptiveRecipe",
    "ClassifierStage",
    "DistortionStage",
    "PerceptionStage",
    "SemanticsStage",
]


@dataclass(frozen=True)
class AdaptiveModel:
    """Sizes of the networks of the adaptive system."""

    stem: int
    """Side in pixels of the blocks that the first convolution sees as channels; 1 for pixels."""
    widths: list[int]
    """Channels at each resolution, finest first; each is half of the one before, the first that of the stem."""
    kernel: int
    """Side of the kernels that change the resolution."""
    gdn: bool
    """Whether divisive normalisation follows them."""
    blocks: list[int]
    """Residual blocks at each resolution."""
    deep_blocks: int
    """Residual blocks with feature transforms at the lowest resolution."""
    deep_inner: int
    """Channels within these."""
    conditions: int
    """Channels of the condition networks."""
    condition_hidden: list[int]
    """Channels of the layers in front of the first condition, of the encoder and of the decoder alike."""
    transform_hidden: int
    """Channels within a feature transform."""
    transform_kernel: int
    """Side of its kernels."""
    groups: list[int]
    """Channels of the latent, in the groups that are coded one after the other."""
    features: int
    """Channels of the entropy model's state."""
    hyper_latents: int
    """Channels of the hyper-latent, the first of which is the quality map."""
    hyper_width: int
    """Channels of the hyper-encoder."""
    error_weight: float
    """What a squared error of 1 in a latent costs in bits, to an encoder that rounds it."""
    split_pixels: int
    """Smaller pictures have all groups in one sub-layer: each one costs some seven bytes."""
    classifier_side: int
    """Pictures are squeezed to squares of this side for the labels."""
    look_side: int
    """For the importance they are resampled to this shorter side."""
    classifier_widths: list[int]
    """Channels of the classifier's stages; each halves the resolution."""
    classifier_blocks: list[int]
    """Residual blocks of each of them."""
    lambda_low: float
    """t1 of the paper: weight of a squared error (0 to 255) where the quality map is 0."""
    lambda_high: float
    """t1 exp(t2): the same where it is 1."""
    detail: int = 0
    """So many of the last latents are projections of blocks of 16x16 pixels too, for what the features leave out."""

    def __post_init__(self) -> None:
        """Raises ArgumentError for sizes that do not fit each other."""
        if self.stem * 2 ** (len(self.widths) - 1) != 16:
            raise ArgumentError(
                f"stem (={self.stem}) and widths (={self.widths}) must lead to blocks of 16 pixels: "
                "stem times 2 for each width after the first"
            )
        if len(self.blocks) != len(self.widths):
            raise ArgumentError(f"blocks (={self.blocks}) must have one number for each of widths (={self.widths})")
        if len(self.classifier_blocks) != len(self.classifier_widths):
            raise ArgumentError(
                f"classifier_blocks (={self.classifier_blocks}) must have one number for each of "
                f"classifier_widths (={self.classifier_widths})"
            )
        if not 0 <= self.detail <= self.groups[-1]:
            raise ArgumentError(f"detail (={self.detail}) must lie between 0 and {self.groups[-1]}, the last of groups")
        if not 0 < self.lambda_low < self.lambda_high:
            raise ArgumentError(f"lambda_low (={self.lambda_low}) must lie between 0 and {self.lambda_high}")

    @property
    def latents(self) -> int:
        """Channels of the latent."""
        return sum(self.groups)


@dataclass(frozen=True)
class AdaptiveData(RecipeData):
    """What the signal stages see beside photos."""

    scenes: str
    """Folder with instances_train.json in COCO's form, and its pictures under images/."""


@dataclass(frozen=True)
class ClassifierStage:
    """Stage `classifier`: the network whose features are matched and whose labels and importance are used."""

    family: str
    """Kind of its blocks, one of `FAMILIES` of training/classifier.py."""
    minutes: float
    batch: int
    precision: str
    learning_rate: float
    weight_decay: float
    coarse_weight: float
    label_smoothing: float
    smallest_area: float
    jitter: float
    largest_zoom: float
    """Views are enlarged by up to this factor: its features must serve photos, which are sharper than its pictures."""
    validate_every: int
    seed: int


@dataclass(frozen=True)
class DistortionStage:
    """Stage `distortion` (1 of the paper): rate and weighted distortion, all networks of the codec."""

    minutes: float
    batch: int
    side: int
    precision: str
    learning_rate: float
    weight_decay: float
    map_shares: list[float]
    """Of uniform, by-instance, linear and Gaussian quality maps."""
    validate_every: int
    seed: int


@dataclass(frozen=True)
class SemanticsStage(DistortionStage):
    """Stage `semantics` (2 of the paper): and the match of features."""

    feature_network: str
    """What looks at pictures: `classifier`, or the path of VGG16 weights."""
    feature_reduce: int
    """Pictures are shrunk by this factor for it."""
    feature_weight: float
    """lambda_SFM, of the relative difference of features."""


@dataclass(frozen=True)
class PerceptionStage(SemanticsStage):
    """Stage `perception` (3 of the paper): the decoder against a discriminator."""

    adversarial_weight: float
    """lambda_GAN."""
    discriminator_widths: list[int]
    """Channels of its layers, each of half the resolution of the one before."""


@dataclass(frozen=True)
class AdaptiveRecipe:
    """A whole recipe. `name` is the name of its file."""

    name: str
    system: str
    model: AdaptiveModel
    data: AdaptiveData
    classifier: ClassifierStage
    distortion: DistortionStage
    semantics: SemanticsStage
    perception: PerceptionStage
