"""The unit that all outer scales share: codes what a scale has beyond the enlarged smaller one.

Works on pixels unshuffled by 8, with few channels and depthwise convolutions, in the spirit of DCVC-RT's intra codec
(Jia et al., CVPR 2025); analysis and synthesis both see the prediction (conditional coding).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from semapix.training.nets.entropy import LatentCoder

__all__ = ["OUTER_LEVELS", "OuterUnit"]

OUTER_LEVELS = 13
"""Quality levels of the unit: 9 for the full size, and 4 finer ones for the scales below."""

_PATCH = 8


class ConvBlock(nn.Module):
    """Inverted bottleneck with a depthwise 3x3: (B, C, H, W) to the same. Starts as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, 2 * channels, 1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(2 * channels, 2 * channels, 3, padding=1, groups=2 * channels),
            nn.LeakyReLU(0.1),
            nn.Conv2d(2 * channels, channels, 1),
        )
        last = self.body[-1]
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def _principal_components(x: Tensor, count: int) -> Tensor:
    """The first `count` principal directions of the channels of (N, C, H, W), as rows (count, C)."""
    samples = x.permute(0, 2, 3, 1).reshape(-1, x.shape[1]).double()
    _, vectors = torch.linalg.eigh(samples.T @ samples)
    return vectors.flip(1)[:, :count].T.float()


class OuterUnit(nn.Module):
    """Analysis, synthesis and entropy model of one outer scale.

    `analyse`: scale and prediction, both (B, 3, H, W) in the range of `normalise`, H and W multiples of 16, to the
    latent (B, M, H/16, W/16), from which `hyper_analysis` makes the hyper-latent (B, Z, ceil(H/64), ceil(W/64)).
    `synthesise`: decoded latent and prediction to the decoded scale.
    """

    def __init__(self, channels: int, latents: int, hyper_latents: int, blocks: int) -> None:
        super().__init__()
        pixels = 3 * _PATCH**2
        self.analysis_in = nn.Conv2d(2 * pixels, channels, 1)
        self.analysis_fine = nn.Sequential(*(ConvBlock(channels) for _ in range(blocks)))
        self.analysis_coarse = nn.Sequential(
            nn.Conv2d(channels, latents, 2, stride=2), ConvBlock(latents), nn.Conv2d(latents, latents, 3, padding=1)
        )
        self.hyper_analysis = nn.Sequential(
            nn.Conv2d(latents, 2 * hyper_latents, 3, stride=2, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(2 * hyper_latents, hyper_latents, 3, stride=2, padding=1),
        )
        self.synthesis_coarse = nn.Sequential(
            nn.Conv2d(latents, latents, 3, padding=1),
            ConvBlock(latents),
            nn.Conv2d(latents, 4 * channels, 1),
            nn.PixelShuffle(2),
        )
        self.synthesis_prediction = nn.Conv2d(pixels, channels, 1)
        self.synthesis_fine = nn.Sequential(*(ConvBlock(channels) for _ in range(blocks)))
        self.synthesis_out = nn.Conv2d(channels, pixels, 1)
        self.coder = LatentCoder(latents, hyper_latents, 48, OUTER_LEVELS)
        ramp = torch.linspace(-0.6, 2.4, OUTER_LEVELS)[:, None]
        self.gain = nn.Parameter(ramp.repeat(1, latents))  # logarithms
        self.inverse_gain = nn.Parameter(-ramp.repeat(1, latents))
        self.analysis_scale = nn.Parameter(torch.ones(OUTER_LEVELS, channels))
        self.synthesis_scale = nn.Parameter(torch.ones(OUTER_LEVELS, channels))

    @property
    def margin(self) -> int:
        """How many pixels beyond a tile analysis and synthesis see: two 3x3 kernels at 1/16, one a block at 1/8."""
        reach = 2 * 16 + 8 * len(self.analysis_fine)
        return -(-reach // 16) * 16

    @torch.no_grad()
    def start_from_principal_components(self, residuals: Tensor) -> None:
        """Set the outermost convolutions so that training starts from the best linear transform of its data.

        `residuals`: scale minus prediction, (N, 3, H, W). Analysis becomes the projection on the principal components
        of 8x8 blocks, then of 2x2 groups of those; synthesis becomes its transpose. A short training gains much.
        """
        channels, latents = self.analysis_in.out_channels, self.analysis_coarse[0].out_channels
        blocks = functional.pixel_unshuffle(residuals, _PATCH)
        fine = _principal_components(blocks, channels)  # (C, 192)
        self.analysis_in.weight.zero_()
        self.analysis_in.weight[:, : fine.shape[1], 0, 0] = fine
        self.synthesis_out.weight[:, :, 0, 0] = fine.T
        self.synthesis_prediction.weight.zero_()

        groups = functional.pixel_unshuffle(functional.conv2d(blocks, fine[:, :, None, None]), 2)
        coarse = _principal_components(groups, latents)  # (M, 4C)
        self.analysis_coarse[0].weight.copy_(coarse.view(latents, channels, 2, 2))
        self.synthesis_coarse[2].weight[:, :, 0, 0] = coarse.T
        for convolution in (self.analysis_coarse[2], self.synthesis_coarse[0]):
            nn.init.dirac_(convolution.weight)
        for convolution in (
            self.analysis_in,
            self.synthesis_out,
            self.synthesis_prediction,
            self.analysis_coarse[0],
            self.analysis_coarse[2],
            self.synthesis_coarse[0],
            self.synthesis_coarse[2],
        ):
            nn.init.zeros_(convolution.bias)

    def analyse(self, scale: Tensor, prediction: Tensor, level_scale: Tensor, gain: Tensor) -> Tensor:
        """`level_scale`: (B, C, 1, 1) and `gain`: (B, M, 1, 1), rows of `analysis_scale` and exp(`gain`)."""
        both = torch.cat([scale - prediction, prediction], dim=1)
        x = self.analysis_in(functional.pixel_unshuffle(both, _PATCH))
        x = self.analysis_fine(x) * level_scale
        latent: Tensor = self.analysis_coarse(x) * gain
        return latent

    def synthesise(self, latent: Tensor, prediction: Tensor, level_scale: Tensor, inverse_gain: Tensor) -> Tensor:
        """The counterpart of `analyse`, with rows of `synthesis_scale` and exp(`inverse_gain`)."""
        x = self.synthesis_coarse(latent * inverse_gain)
        x = x + self.synthesis_prediction(functional.pixel_unshuffle(prediction, _PATCH))
        x = self.synthesis_fine(x) * level_scale
        return prediction + functional.pixel_shuffle(self.synthesis_out(x), _PATCH)
