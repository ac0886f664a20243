"""The unit that all outer scales share: codes what a scale has beyond the enlarged smaller one.

Analysis and synthesis work at 1/4, 1/8 and 1/16 of the size and both see the prediction (conditional coding). Beside
them runs a linear path for the last latents, as in the adaptive system: it codes what features, fewer than the pixels
of a block, leave out. A scale may be up to 16 times larger than the core and rest on it: latents for blocks of 16x16
pixels hold what a smaller scale would, and cost less.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from semapix.training.conv_block import BlockConv, BlockTranspose, ConvBlock, principal_components, start_of_detail
from semapix.training.entropy import LatentCoder, Rates
from semapix.training.precision import in_float32
from semapix.training.scalable.recipe import ScalableModel

__all__ = ["OUTER_FACTOR", "OUTER_LEVELS", "OUTER_REACH", "OUTER_STRIDE", "OuterUnit"]

OUTER_FACTOR = 8
"""How much larger than the scale below it a scale is."""

OUTER_REACH = 16
"""How much larger than the core a scale may be that rests on it."""

OUTER_LEVELS = 15
"""Quality levels of the unit: 9 for the full size, and 6 finer ones for the scale below."""

OUTER_STRIDE = 16
"""Side in pixels of the block that a latent position stands for."""

_STEM = 4  # side in pixels of the blocks that the finest features stand for
_SLOPE = 0.1


class OuterUnit(nn.Module):
    """Analysis, synthesis and entropy model of one outer scale.

    `analyse`: scale and prediction, both (B, 3, H, W) in the range of `normalise`, H and W multiples of 16, to the
    latent (B, M, H/16, W/16), from which `hyper_analysis` makes the hyper-latent (B, Z, ceil(H/64), ceil(W/64)).
    `synthesise`: decoded latent and prediction to the decoded scale. `forward` does all of it, as training sees it.
    """

    def __init__(self, model: ScalableModel) -> None:
        super().__init__()
        pixels, widths, latents = 3 * _STEM**2, model.outer_widths, sum(model.outer_groups)
        hyper, detail = model.outer_hyper, model.outer_detail
        self._widths = widths

        def blocks(counts: Sequence[int]) -> nn.ModuleList:
            return nn.ModuleList(
                nn.Sequential(*(ConvBlock(width, inner, _SLOPE) for _ in range(count)))
                for width, inner, count in zip(widths, model.outer_inner, counts, strict=True)
            )

        self.analysis_in = BlockConv(2 * 3, widths[0], _STEM)
        self.analysis_blocks = blocks(model.outer_analysis_blocks)
        self.analysis_halve = nn.ModuleList(
            nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in itertools.pairwise(widths)
        )
        self.analysis_out = nn.Conv2d(widths[-1], latents, 1)
        side = OUTER_STRIDE // _STEM
        self.analysis_detail = BlockConv(3, detail, _STEM, side, bias=False)
        self.hyper_analysis = nn.Sequential(
            nn.Conv2d(latents, 2 * hyper, 3, stride=2, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(2 * hyper, hyper, 3, stride=2, padding=1),
        )
        self.synthesis_in = nn.Conv2d(latents, widths[-1], 1)
        self.synthesis_prediction = nn.ModuleList(
            BlockConv(3, width, 2**number * _STEM) for number, width in enumerate(widths[:-1])
        )
        self.synthesis_blocks = blocks(model.outer_synthesis_blocks)
        self.synthesis_double = nn.ModuleList(
            BlockTranspose(coarse, fine, 2) for fine, coarse in itertools.pairwise(widths)
        )
        self.synthesis_out = nn.Conv2d(widths[0], pixels, 3, padding=1)
        self.synthesis_detail = BlockTranspose(detail, pixels, side, bias=False)
        self.coder = LatentCoder(model.outer_groups, hyper, model.outer_features, OUTER_LEVELS, last_update=False)
        self.gain = nn.Parameter(torch.zeros(OUTER_LEVELS, latents))  # logarithms
        self.inverse_gain = nn.Parameter(torch.zeros(OUTER_LEVELS, latents))
        self.analysis_scale = nn.Parameter(torch.ones(OUTER_LEVELS, sum(widths)))
        self.synthesis_scale = nn.Parameter(torch.ones(OUTER_LEVELS, sum(widths)))

    @property
    def margin(self) -> int:
        """How many pixels beyond a tile analysis and synthesis see, a multiple of 16: two 3x3 kernels a block.

        Changes of resolution work on blocks, which tiles and margins never cut: they round it up to whole ones.
        """
        reach = []
        for part, last in ((self.analysis_blocks, 0), (self.synthesis_blocks, 1)):
            kernels = [2 * len(blocks) + (last if not number else 0) for number, blocks in enumerate(part)]
            reach.append(sum(count * _STEM * 2**number for number, count in enumerate(kernels)))
        return (max(reach) // OUTER_STRIDE + 1) * OUTER_STRIDE

    @torch.no_grad()
    def start_from_principal_components(self, residuals: Tensor, steps: Tensor) -> None:
        """Let training start from the best linear transform of its data, resolution by resolution.

        `residuals`: scale minus prediction, (N, 3, H, W). `steps`: quantiser step of each level, in the range of
        `normalise`. Each change of resolution becomes the projection of blocks on their principal components, its
        counterpart their transpose; what they leave out starts the linear path. A short training gains much.
        """
        for convolution in (
            self.analysis_in,
            self.analysis_out,
            *self.analysis_halve,
            self.synthesis_in,
            self.synthesis_out,
            *self.synthesis_double,
            *self.synthesis_prediction,
        ):
            nn.init.zeros_(convolution.weight)
            nn.init.zeros_(convolution.bias)
        pixels = functional.pixel_unshuffle(residuals, _STEM)
        bases, x = [], pixels
        for number, width in enumerate(self._widths):
            blocks = functional.pixel_unshuffle(x, 2) if number else x
            components = principal_components(blocks, min(width, blocks.shape[1]))
            rows = len(components)
            if number:
                taps = components.view(rows, x.shape[1], 2, 2)
                self.analysis_halve[number - 1].weight[:rows, : x.shape[1]] = taps
                self.synthesis_double[number - 1].weight[:rows, : x.shape[1]] = taps
            else:
                self.analysis_in.weight[:rows, : pixels.shape[1], 0, 0] = components
                self.synthesis_out.weight[:, :rows, 1, 1] = components.T
            bases.append(components)
            x = functional.conv2d(blocks, components[:, :, None, None])
        latents, deepest = self.analysis_out.out_channels, self.analysis_out.in_channels
        coded = latents - self.analysis_detail.out_channels
        self.analysis_out.weight[:coded, :, 0, 0] = torch.eye(coded, deepest)
        self.synthesis_in.weight[:, :coded, 0, 0] = torch.eye(deepest, coded)
        x = x[:, :coded]
        for number, components in reversed(list(enumerate(bases))):  # back to the picture
            kept = components[: x.shape[1]]
            x = functional.conv2d(x, kept.T[:, :, None, None])
            x = functional.pixel_shuffle(x, 2) if number else x
        start_of_detail(self.analysis_detail, self.synthesis_detail, pixels, pixels - x)
        self.inverse_gain.copy_(steps.log()[:, None].expand_as(self.gain))
        self.gain.copy_(-self.inverse_gain)

    def analyse(self, scale: Tensor, prediction: Tensor, level_scale: Tensor, gain: Tensor) -> Tensor:
        """`level_scale`: (B, C, 1, 1) and `gain`: (B, M, 1, 1), rows of `analysis_scale` and exp(`gain`)."""
        missing = scale - prediction
        scales = torch.split(level_scale, self._widths, dim=1)
        x = self.analysis_in(torch.cat([missing, prediction], dim=1))
        x = self.analysis_blocks[0](x) * scales[0]
        for halve, blocks, by_level in zip(self.analysis_halve, self.analysis_blocks[1:], scales[1:], strict=True):
            x = blocks(halve(x)) * by_level
        latent = in_float32(self.analysis_out, x)
        detail = in_float32(self.analysis_detail, missing)
        return (latent + functional.pad(detail, (0, 0, 0, 0, latent.shape[1] - detail.shape[1], 0))) * gain

    def synthesise(self, latent: Tensor, prediction: Tensor, level_scale: Tensor, inverse_gain: Tensor) -> Tensor:
        """The counterpart of `analyse`, with rows of `synthesis_scale` and exp(`inverse_gain`)."""
        latent = latent * inverse_gain
        scales = torch.split(level_scale, self._widths, dim=1)
        x = in_float32(self.synthesis_in, latent)
        x = self.synthesis_blocks[-1](x) * scales[-1]
        for number in reversed(range(len(self.synthesis_double))):
            seen = self.synthesis_prediction[number](prediction)
            x = self.synthesis_blocks[number](self.synthesis_double[number](x) + seen) * scales[number]
        missing = in_float32(self.synthesis_out, x)
        detail = self.synthesis_detail.in_channels
        _, last = torch.split(latent, [self.synthesis_in.in_channels - detail, detail], dim=1)
        missing = missing + in_float32(self.synthesis_detail, last)
        return prediction + functional.pixel_shuffle(missing, _STEM)

    def forward(self, scale: Tensor, prediction: Tensor, level: Tensor) -> tuple[Tensor, Rates]:
        """The decoded scale, and rates, from scale and prediction at levels (B,), which may lie between two."""
        lower = level.floor().long().clamp(max=OUTER_LEVELS - 2)
        part = (level - lower)[:, None]

        def rows(table: Tensor) -> Tensor:
            return torch.lerp(table[lower], table[lower + 1], part)[:, :, None, None]

        latent = self.analyse(scale, prediction, rows(self.analysis_scale), rows(self.gain).exp())
        latent, rates, _ = self.coder(latent, self.hyper_analysis(latent), (level + 0.5).floor().long())
        inverse = rows(self.inverse_gain).exp()
        return self.synthesise(latent, prediction, rows(self.synthesis_scale), inverse), rates
