"""RAFC: the unit that codes one layer of features, and the units that predict and post-process.

Scalable paper, section III-B: a simplified NLAIC auto-encoder (simplified non-local attention, hyper-prior, context
model), its loop counts and latent channels given by eq. 14 and the recipe.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from semapix.training.conv_block import HalvingConv
from semapix.training.entropy import LatentCoder, Rates
from semapix.training.precision import in_float32
from semapix.training.residual import ResidualBlock

__all__ = ["PredictionUnit", "RafcUnit"]

_ATTENTION_WINDOW = 16


class NonLocal(nn.Module):
    """Embedded-Gaussian non-local block over windows of at most 16x16 positions.

    (B, C, H, W) to the same; H and W are at most 16 or multiples of 16.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inner = channels // 2
        self.query = nn.Conv2d(channels, self.inner, 1)
        self.key = nn.Conv2d(channels, self.inner, 1)
        self.value = nn.Conv2d(channels, self.inner, 1)
        self.out = nn.Conv2d(self.inner, channels, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2], x.shape[3]
        tall, wide = min(height, _ATTENTION_WINDOW), min(width, _ATTENTION_WINDOW)
        rows, columns = height // tall, width // wide

        def tokens(y: Tensor) -> Tensor:  # (B * rows * columns, positions of a window, inner)
            windows = y.reshape(-1, self.inner, rows, tall, columns, wide).permute(0, 2, 4, 3, 5, 1)
            return windows.reshape(-1, tall * wide, self.inner)

        scores = tokens(self.query(x)) @ tokens(self.key(x)).transpose(1, 2) / math.sqrt(self.inner)
        mixed = torch.softmax(scores, dim=2) @ tokens(self.value(x))
        mixed = mixed.reshape(-1, rows, columns, tall, wide, self.inner).permute(0, 5, 1, 3, 2, 4)
        return x + self.out(mixed.reshape(-1, self.inner, height, width))


class Attention(nn.Module):
    """Simplified non-local attention module (sNLAM): x + trunk(x) * sigmoid(mask(x))."""

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)))
        self.mask = nn.Sequential(
            NonLocal(channels), *(ResidualBlock(channels) for _ in range(blocks)), nn.Conv2d(channels, channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.trunk(x) * torch.sigmoid(self.mask(x))


class RafcUnit(nn.Module):
    """Analysis, synthesis and entropy model of one layer.

    `bands`: channels C of the layer's features (B, C, S, S). `latents`: channels M of the latent
    (B, M, S/2^loops, S/2^loops). `levels`: quality levels; a layer with one level is the same at every quality.
    `features`, `carried`, `enlarge`: of the entropy model, see `LatentCoder`.

    Beside the paper's networks runs a linear path, which starts orthonormal: a unit that is narrower than its bands
    still codes all of them, and training starts from a working transform.
    """

    def __init__(
        self,
        bands: int,
        channels: int,
        latents: int,
        loops: int,
        blocks: int,
        kernel: int,
        levels: int,
        features: int,
        carried: int,
        *,
        enlarge: bool,
    ) -> None:
        super().__init__()
        margin = kernel // 2
        down: list[nn.Module] = []
        up: list[nn.Module] = []
        for _ in range(loops):
            residual = [ResidualBlock(channels) for _ in range(blocks)]
            down += [HalvingConv(channels, channels, kernel), *residual]
            residual = [ResidualBlock(channels) for _ in range(blocks)]
            upsample = nn.ConvTranspose2d(channels, channels, kernel, stride=2, padding=margin, output_padding=1)
            up += [*residual, upsample]
        self.analysis = nn.Sequential(
            nn.Conv2d(bands, channels, kernel, padding=margin),
            *down,
            Attention(channels, blocks),
            nn.Conv2d(channels, latents, 3, padding=1),
        )
        self.synthesis = nn.Sequential(
            nn.Conv2d(latents, channels, 3, padding=1),
            Attention(channels, blocks),
            *up,
            nn.Conv2d(channels, bands, kernel, padding=margin),
        )
        for network in (self.analysis, self.synthesis):
            nn.init.normal_(network[-1].weight, std=0.01)
        stride = 2**loops
        self.analysis_linear = nn.Conv2d(bands, latents, stride, stride=stride, bias=False)
        self.synthesis_linear = nn.ConvTranspose2d(latents, bands, stride, stride=stride, bias=False)
        nn.init.orthogonal_(self.analysis_linear.weight)
        self.synthesis_linear.weight.data = self.analysis_linear.weight.data.clone()
        hyper_latents = max(4, latents // 3)
        self.hyper_analysis = nn.Sequential(
            HalvingConv(latents, channels, kernel),
            nn.ReLU(),
            HalvingConv(channels, hyper_latents, kernel),
        )
        self.coder = LatentCoder([latents], hyper_latents, features, levels, carried, enlarge=enlarge)
        ramp = torch.linspace(-0.5, 1.8, levels) if levels > 1 else torch.zeros(1)
        self.gain = nn.Parameter(ramp[:, None].repeat(1, latents))  # logarithms
        self.inverse_gain = nn.Parameter(-ramp[:, None].repeat(1, latents))

    def analyse(self, residual: Tensor, gain: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, C, S, S) to latent and hyper-latent; `gain`: (B, M, 1, 1), a row of exp(`self.gain`)."""
        latent = (in_float32(self.analysis_linear, residual) + self.analysis(residual)) * gain
        return latent, self.hyper_analysis(latent)

    def synthesise(self, latent: Tensor, inverse_gain: Tensor) -> Tensor:
        """Decoded latent to decoded features (B, C, S, S)."""
        scaled = latent * inverse_gain
        decoded: Tensor = in_float32(self.synthesis_linear, scaled) + self.synthesis(scaled)
        return decoded

    def forward(self, residual: Tensor, quality: Tensor, carried: Tensor | None = None) -> tuple[Tensor, Rates, Tensor]:
        """Decoded features, rates, and the entropy model's state at quality levels `quality`, int64 (B,).

        `carried`: the state of the layer before.
        """
        latent, hyper = self.analyse(residual, self.gain[quality, :, None, None].exp())
        decoded, rates, state = self.coder(latent, hyper, quality, carried)
        return self.synthesise(decoded, self.inverse_gain[quality, :, None, None].exp()), rates, state


class PredictionUnit(nn.Sequential):
    """PUnit: a six-layer network, here also the post-processing unit. (B, I, S, S) to (B, O, S, S)."""

    def __init__(self, inputs: int, channels: int, outputs: int, kernel: int) -> None:
        last = nn.Conv2d(channels, outputs, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        super().__init__(
            nn.Conv2d(inputs, channels, kernel, padding=kernel // 2),
            ResidualBlock(channels),
            ResidualBlock(channels),
            last,
        )
