"""How far apart two pictures are for a network that looks at them: the semantic feature matching of HEVRC (eq. 6)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from semapix.errors import ArgumentError
from semapix.training.adaptive.model import load_classifier
from semapix.training.adaptive.nets.vgg import Vgg16

__all__ = ["FeatureMatch", "load_match"]

_TINY = 1e-6


class _Stages(nn.Module):
    """The features of every stage of a classifier, as a module."""

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, pictures: Tensor) -> list[Tensor]:
        return self.classifier.features(pictures)


class FeatureMatch(nn.Module):
    """Mean magnitude of the difference of features, relative to that of the features, averaged over a network's stages.

    Relative, so that a weight means the same for any network: the paper's 0.01 belongs to the scale of its VGG16.
    `network`: pictures (B, 3, H, W) in the range of `normalise` to a list of features. `reduce`: pictures are shrunk by
    this factor first, towards the scale that the network was trained on. `forward` gives (B,).
    """

    def __init__(self, network: nn.Module, reduce: int) -> None:
        super().__init__()
        self.network = network.requires_grad_(False).eval()
        self.reduce = reduce

    def train(self, mode: bool = True) -> FeatureMatch:
        """Leaves the network as it is: batch norm must keep its statistics."""
        return super().train(False)

    def forward(self, decoded: Tensor, original: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = self.network(self._seen(original))
        found = self.network(self._seen(decoded))
        parts = []
        for have, want in zip(found, wanted, strict=True):
            scale = want.float().abs().mean(dim=(1, 2, 3)) + _TINY
            parts.append((have.float() - want.float()).abs().mean(dim=(1, 2, 3)) / scale)
        return torch.stack(parts).mean(dim=0)

    def _seen(self, pictures: Tensor) -> Tensor:
        small = functional.avg_pool2d(pictures, self.reduce) if self.reduce > 1 else pictures
        return small.contiguous(memory_format=torch.channels_last)


def load_match(network: str, folder: Path, reduce: int) -> FeatureMatch:
    """The match of a network: `classifier`, the one of stage `classifier` in `folder`, or a file of VGG16 weights.

    Such a file holds a state dict with torchvision's names. Raises ArgumentError when there is none or it does not fit.
    """
    if network == "classifier":
        return FeatureMatch(_Stages(load_classifier(folder)[0]), reduce)
    path = Path(network)
    if not path.is_file():
        raise ArgumentError(f"feature_network (={network}) must be classifier, or the path of VGG16 weights")
    vgg = Vgg16()
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        vgg.load_state_dict({key: value for key, value in state.items() if key.startswith("features.")})
    except Exception as error:  # unpickling raises anything
        raise ArgumentError(f"{path} holds no VGG16 weights with torchvision's names ({error})") from None
    return FeatureMatch(vgg, reduce)
