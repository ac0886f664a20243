"""The unit that all outer scales share: codes what a scale has beyond the enlarged smaller one.

Works on pixels unshuffled by 8, with few channels, in the spirit of DCVC-RT's intra codec (Jia et al., CVPR 2025);
analysis and synthesis both see the prediction (conditional coding).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from semapix.training.nets.entropy import LatentCoder
from semapix.training.nets.precision import in_float32
from semapix.training.recipe import ScalableModel

__all__ = ["OUTER_LEVELS", "OuterUnit"]

OUTER_LEVELS = 13
"""Quality levels of the unit: 9 for the full size, and 4 finer ones for the scales below."""

_PATCH = 8


class ConvBlock(nn.Module):
    """Two 3x3 convolutions: (B, C, H, W) to the same, with `inner` channels between. Starts as the identity."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, inner, 3, padding=1)
        self.second = nn.Conv2d(inner, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        assert self.second.bias is not None
        nn.init.zeros_(self.second.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(functional.leaky_relu(self.first(x), 0.1))


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

    def __init__(self, model: ScalableModel) -> None:
        super().__init__()
        pixels, latents, hyper_latents = 3 * _PATCH**2, sum(model.outer_groups), model.outer_hyper
        channels, width = model.outer_channels
        blocks, depth = model.outer_blocks
        self.analysis_in = nn.Conv2d(2 * pixels, channels, 1)
        self.analysis_fine = nn.Sequential(*(ConvBlock(channels, channels) for _ in range(blocks)))
        self.analysis_down = nn.Conv2d(channels, latents, 2, stride=2)
        self.analysis_coarse = ConvBlock(latents, channels)
        self.hyper_analysis = nn.Sequential(
            nn.Conv2d(latents, 2 * hyper_latents, 3, stride=2, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(2 * hyper_latents, hyper_latents, 3, stride=2, padding=1),
        )
        self.synthesis_coarse = ConvBlock(latents, width)
        self.synthesis_up = nn.Sequential(nn.Conv2d(latents, 4 * width, 1), nn.PixelShuffle(2))
        self.synthesis_prediction = nn.Conv2d(pixels, width, 1)
        self.synthesis_fine = nn.Sequential(*(ConvBlock(width, width) for _ in range(depth)))
        self.synthesis_out = nn.Conv2d(width, pixels, 1)
        features = model.outer_features
        self.coder = LatentCoder(model.outer_groups, hyper_latents, features, OUTER_LEVELS, features, enlarge=True)
        self.gain = nn.Parameter(torch.zeros(OUTER_LEVELS, latents))  # logarithms
        self.inverse_gain = nn.Parameter(torch.zeros(OUTER_LEVELS, latents))
        self.analysis_scale = nn.Parameter(torch.ones(OUTER_LEVELS, channels))
        self.synthesis_scale = nn.Parameter(torch.ones(OUTER_LEVELS, width))

    @property
    def margin(self) -> int:
        """How many pixels beyond a tile analysis and synthesis see: two 3x3 kernels a block."""
        reach = 2 * 16 + 2 * 8 * max(len(self.analysis_fine), len(self.synthesis_fine))
        return -(-reach // 16) * 16

    @torch.no_grad()
    def start_from_principal_components(self, residuals: Tensor, steps: Tensor) -> None:
        """Set the outermost convolutions so that training starts from the best linear transform of its data.

        `residuals`: scale minus prediction, (N, 3, H, W). `steps`: quantiser step of each level, in the range of
        `normalise`. Analysis becomes the projection on the principal components of 8x8 blocks, then of 2x2 groups of
        those; synthesis becomes its transpose. A short training gains much.
        """
        channels, width = self.analysis_down.in_channels, self.synthesis_out.in_channels
        latents = self.analysis_down.out_channels
        blocks = functional.pixel_unshuffle(residuals, _PATCH)
        fine = _principal_components(blocks, max(channels, width))  # (C, 192)
        self.analysis_in.weight.zero_()
        self.analysis_in.weight[:, : fine.shape[1], 0, 0] = fine[:channels]
        self.synthesis_out.weight[:, :, 0, 0] = fine[:width].T
        self.synthesis_prediction.weight.zero_()

        # The common components of both sides are all that survives.
        common = min(channels, width)
        groups = functional.pixel_unshuffle(functional.conv2d(blocks, fine[:common, :, None, None]), 2)
        coarse = _principal_components(groups, latents).view(latents, common, 2, 2)
        self.analysis_down.weight.zero_()
        self.analysis_down.weight[:, :common] = coarse
        self.synthesis_up[0].weight.zero_()
        self.synthesis_up[0].weight[: 4 * common, :, 0, 0] = coarse.reshape(latents, 4 * common).T
        for convolution in (
            self.analysis_in,
            self.synthesis_out,
            self.synthesis_prediction,
            self.analysis_down,
            self.synthesis_up[0],
        ):
            nn.init.zeros_(convolution.bias)
        self.inverse_gain.copy_(steps.log()[:, None].expand_as(self.gain))
        self.gain.copy_(-self.inverse_gain)

    def analyse(self, scale: Tensor, prediction: Tensor, level_scale: Tensor, gain: Tensor) -> Tensor:
        """`level_scale`: (B, C, 1, 1) and `gain`: (B, M, 1, 1), rows of `analysis_scale` and exp(`gain`)."""
        both = torch.cat([scale - prediction, prediction], dim=1)
        x = in_float32(self.analysis_in, functional.pixel_unshuffle(both, _PATCH))
        x = self.analysis_fine(x) * level_scale
        latent: Tensor = self.analysis_coarse(in_float32(self.analysis_down, x)) * gain
        return latent

    def synthesise(self, latent: Tensor, prediction: Tensor, level_scale: Tensor, inverse_gain: Tensor) -> Tensor:
        """The counterpart of `analyse`, with rows of `synthesis_scale` and exp(`inverse_gain`)."""
        x = in_float32(self.synthesis_up, self.synthesis_coarse(latent * inverse_gain))
        x = x + in_float32(self.synthesis_prediction, functional.pixel_unshuffle(prediction, _PATCH))
        x = self.synthesis_fine(x) * level_scale
        return prediction + functional.pixel_shuffle(in_float32(self.synthesis_out, x), _PATCH)
