"""The discriminator of stage `perception`: real or decoded, given latent and quality map (HEVRC, section III-C).

Its figure is not in the text; this is the one of Mentzer et al., "High-fidelity generative image compression" (NeurIPS
2020), which the paper builds on.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from semapix.training.adaptive.nets.codec import STRIDE

__all__ = ["Discriminator"]

_SEEN_LATENTS = 12
_SLOPE = 0.2


class Discriminator(nn.Module):
    """Patches of a picture to logits of their being real.

    `forward`: pictures (B, 3, H, W) in the range of `normalise`, latents (B, M, H/16, W/16), map (B, 1, H/16, W/16) to
    (B, 1, h, w), one logit for each patch.
    """

    def __init__(self, latents: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.latents = spectral_norm(nn.Conv2d(latents, _SEEN_LATENTS, 3, padding=1, padding_mode="reflect"))
        channels = 3 + _SEEN_LATENTS + 1
        layers: list[nn.Module] = []
        for width in widths:
            layers += [spectral_norm(nn.Conv2d(channels, width, 4, stride=2, padding=1)), nn.LeakyReLU(_SLOPE)]
            channels = width
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels, 1, 1))

    def forward(self, pictures: Tensor, latents: Tensor, quality: Tensor) -> Tensor:
        seen = functional.leaky_relu(self.latents(latents), _SLOPE)
        beside = torch.cat([seen, quality.to(seen.dtype)], dim=1)
        beside = functional.interpolate(beside, scale_factor=float(STRIDE), mode="nearest")
        both = torch.cat([pictures.to(seen.dtype), beside], dim=1).contiguous(memory_format=torch.channels_last)
        logits: Tensor = self.layers(both)
        return logits
