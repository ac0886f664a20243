"""The unit that all outer scales share: codes what a scale has beyond the enlarged smaller one.

Works on pixels unshuffled by 8, with few channels, in the spirit of DCVC-RT's intra codec (Jia et al., CVPR 2025);
analysis and synthesis both see the prediction (conditional coding). Scales are a factor of 8 apart: as many latents as
8x8 blocks have, a pyramid of factor 2 would code a third more of them, and cost a tenth of the rate and more.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from semapix.training.conv_block import ConvBlock, principal_components
from semapix.training.entropy import LatentCoder, Rates
from semapix.training.precision import in_float32
from semapix.training.scalable.recipe import ScalableModel

__all__ = ["OUTER_FACTOR", "OUTER_LEVELS", "OUTER_STRIDE", "OuterUnit"]

OUTER_FACTOR = 8
"""How much larger than the scale below it a scale is."""

OUTER_LEVELS = 15
"""Quality levels of the unit: 9 for the full size, and 6 finer ones for the scale below."""

OUTER_STRIDE = 8
"""Side in pixels of the block that a latent position stands for."""


_SLOPE = 0.1


class OuterUnit(nn.Module):
    """Analysis, synthesis and entropy model of one outer scale.

    `analyse`: scale and prediction, both (B, 3, H, W) in the range of `normalise`, H and W multiples of 8, to the
    latent (B, M, H/8, W/8), from which `hyper_analysis` makes the hyper-latent (B, Z, ceil(H/32), ceil(W/32)).
    `synthesise`: decoded latent and prediction to the decoded scale. `forward` does all of it, as training sees it.
    """

    def __init__(self, model: ScalableModel) -> None:
        super().__init__()
        pixels, channels, latents = 3 * OUTER_STRIDE**2, model.outer_channels, sum(model.outer_groups)
        hyper_latents = model.outer_hyper

        def blocks(side: int) -> nn.Sequential:
            return nn.Sequential(
                *(ConvBlock(channels, model.outer_inner[side], _SLOPE) for _ in range(model.outer_blocks[side]))
            )

        self.analysis_in = nn.Conv2d(2 * pixels, channels, 1)
        self.analysis_blocks = blocks(0)
        self.analysis_out = nn.Conv2d(channels, latents, 1)
        self.hyper_analysis = nn.Sequential(
            nn.Conv2d(latents, 2 * hyper_latents, 3, stride=2, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(2 * hyper_latents, hyper_latents, 3, stride=2, padding=1),
        )
        self.synthesis_in = nn.Conv2d(latents, channels, 1)
        self.synthesis_prediction = nn.Conv2d(pixels, channels, 1)
        self.synthesis_blocks = blocks(1)
        self.synthesis_out = nn.Conv2d(channels, pixels, 1)
        self.coder = LatentCoder(model.outer_groups, hyper_latents, model.outer_features, OUTER_LEVELS)
        self.gain = nn.Parameter(torch.zeros(OUTER_LEVELS, latents))  # logarithms
        self.inverse_gain = nn.Parameter(torch.zeros(OUTER_LEVELS, latents))
        self.analysis_scale = nn.Parameter(torch.ones(OUTER_LEVELS, channels))
        self.synthesis_scale = nn.Parameter(torch.ones(OUTER_LEVELS, channels))

    @property
    def margin(self) -> int:
        """How many pixels beyond a tile analysis and synthesis see: two 3x3 kernels a block."""
        return 2 * OUTER_STRIDE * max(len(self.analysis_blocks), len(self.synthesis_blocks))

    @torch.no_grad()
    def start_from_principal_components(self, residuals: Tensor, steps: Tensor) -> None:
        """Set the outermost convolutions so that training starts from the best linear transform of its data.

        `residuals`: scale minus prediction, (N, 3, H, W). `steps`: quantiser step of each level, in the range of
        `normalise`. Analysis becomes the projection of 8x8 blocks on their principal components, synthesis its
        transpose. A short training gains much.
        """
        channels, latents = self.analysis_out.in_channels, self.analysis_out.out_channels
        components = principal_components(functional.pixel_unshuffle(residuals, OUTER_STRIDE), channels)
        self.analysis_in.weight.zero_()
        self.analysis_in.weight[:, : components.shape[1], 0, 0] = components
        self.synthesis_out.weight[:, :, 0, 0] = components.T
        self.synthesis_prediction.weight.zero_()
        self.analysis_out.weight[:, :, 0, 0] = torch.eye(latents, channels)
        self.synthesis_in.weight[:, :, 0, 0] = torch.eye(channels, latents)
        for convolution in (
            self.analysis_in,
            self.analysis_out,
            self.synthesis_in,
            self.synthesis_prediction,
            self.synthesis_out,
        ):
            nn.init.zeros_(convolution.bias)
        self.inverse_gain.copy_(steps.log()[:, None].expand_as(self.gain))
        self.gain.copy_(-self.inverse_gain)

    def analyse(self, scale: Tensor, prediction: Tensor, level_scale: Tensor, gain: Tensor) -> Tensor:
        """`level_scale`: (B, C, 1, 1) and `gain`: (B, M, 1, 1), rows of `analysis_scale` and exp(`gain`)."""
        both = torch.cat([scale - prediction, prediction], dim=1)
        x = in_float32(self.analysis_in, functional.pixel_unshuffle(both, OUTER_STRIDE))
        x = self.analysis_blocks(x) * level_scale
        return in_float32(self.analysis_out, x) * gain

    def synthesise(self, latent: Tensor, prediction: Tensor, level_scale: Tensor, inverse_gain: Tensor) -> Tensor:
        """The counterpart of `analyse`, with rows of `synthesis_scale` and exp(`inverse_gain`)."""
        x = in_float32(self.synthesis_in, latent * inverse_gain)
        x = x + in_float32(self.synthesis_prediction, functional.pixel_unshuffle(prediction, OUTER_STRIDE))
        x = self.synthesis_blocks(x) * level_scale
        return prediction + functional.pixel_shuffle(in_float32(self.synthesis_out, x), OUTER_STRIDE)

    def forward(self, scale: Tensor, prediction: Tensor, level: Tensor) -> tuple[Tensor, Rates]:
        """The decoded scale, and rates, from scale and prediction at levels, int64 (B,)."""

        def rows(table: Tensor) -> Tensor:
            return table[level, :, None, None]

        latent = self.analyse(scale, prediction, rows(self.analysis_scale), rows(self.gain).exp())
        latent, rates, _ = self.coder(latent, self.hyper_analysis(latent), level)
        inverse = rows(self.inverse_gain).exp()
        return self.synthesise(latent, prediction, rows(self.synthesis_scale), inverse), rates
