"""The compression network of DICM (paper, Fig. 3): a VAE with gated convolutions and a transformer hyper-encoder.

Recursive gated convolutions are those of Y. Rao et al., "HorNet: efficient high-order spatial interactions with
recursive gated convolutions" (NeurIPS 2022). The hyper-decoder of the paper mirrors the hyper-encoder; here it is the
integer network of `LatentCoder`, for what it says must be the same on every machine.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from semapix.codecs import QUALITIES
from semapix.training.conv_block import HalvingConv
from semapix.training.dicm.nets.blocks import ChannelNorm, Depthwise, pointwise
from semapix.training.dicm.recipe import DicmModel
from semapix.training.entropy import LatentCoder, Rates
from semapix.training.precision import in_float32
from semapix.training.residual import ResidualBlock

__all__ = ["CompressionNetwork"]

_SCALING = 4  # of analysis and synthesis, each side


class _GatedConvolution(nn.Module):
    """A recursive gated convolution: features of rising width gate each other, `order` times."""

    def __init__(self, channels: int, order: int, kernel: int) -> None:
        super().__init__()
        self.widths = [channels >> order - 1 - i for i in range(order)]
        self.into = nn.Conv2d(channels, 2 * channels, 1)
        self.depthwise = Depthwise(sum(self.widths), kernel)
        self.between = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in zip(self.widths, self.widths[1:], strict=False))
        self.out = nn.Conv2d(channels, channels, 1)
        self.strength = 1 / order

    def forward(self, x: Tensor) -> Tensor:
        x = self.into(x)
        first, rest = x[:, : self.widths[0]], x[:, self.widths[0] :]
        gates = torch.split(self.depthwise(rest) * self.strength, self.widths, dim=1)
        mixed = first * gates[0]
        for widen, gate in zip(self.between, gates[1:], strict=True):
            mixed = widen(mixed) * gate
        out: Tensor = self.out(mixed)
        return out


class _GatedBlock(nn.Module):
    """x + gated convolution of the normed x, then x + fully connected of the normed x."""

    def __init__(self, channels: int, order: int, kernel: int, expansion: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([ChannelNorm(channels), ChannelNorm(channels)])
        self.mixer = _GatedConvolution(channels, order, kernel)
        self.connected = pointwise(channels, expansion, nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.mixer(self.norms[0](x))
        return x + self.connected(self.norms[1](x))


class _Attention(nn.Module):
    """A block of a vision transformer over all positions; a depthwise convolution tells it where they are.

    A. Dosovitskiy et al., "An image is worth 16x16 words" (ICLR 2021); positions by X. Chu et al., "Conditional
    positional encodings for vision transformers" (ICLR 2023), which serve every size.
    """

    def __init__(self, channels: int, heads: int, expansion: int) -> None:
        super().__init__()
        self.heads = heads
        self.position = Depthwise(channels, 3)
        self.norms = nn.ModuleList([ChannelNorm(channels), ChannelNorm(channels)])
        self.into = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)
        self.connected = pointwise(channels, expansion, nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.position(x)
        x = x + self.out(self._mixed(self.into(self.norms[0](x))))
        return x + self.connected(self.norms[1](x))

    def _mixed(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        inner = channels // 3 // self.heads
        # (B, heads, 3 * inner, positions)
        query, key, value = x.reshape(batch, self.heads, 3 * inner, height * width).chunk(3, dim=2)
        shares = torch.softmax(query.transpose(2, 3) @ key / math.sqrt(inner), dim=3)
        return (value @ shares.transpose(2, 3)).reshape(batch, channels // 3, height, width)


class CompressionNetwork(nn.Module):
    """Codes features f2 (B, C, h, w), h and w multiples of 4, into latents of a quarter of their sides.

    Beside the networks runs a linear path, of blocks of 4x4 cells to as many of their principal components as there are
    latents, and back: a short training starts from a working transform.
    """

    def __init__(self, model: DicmModel) -> None:
        super().__init__()
        features, width, kernel = model.widths[0], model.codec_width, model.codec_kernel

        def blocks() -> list[nn.Module]:
            if model.gate_order == 0:
                return [ResidualBlock(width) for _ in range(model.codec_blocks)]
            sizes = width, model.gate_order, model.gate_kernel, model.codec_expansion
            return [_GatedBlock(*sizes) for _ in range(model.codec_blocks)]

        def enlarged(outputs: int) -> list[nn.Module]:
            return [nn.Conv2d(width, 4 * outputs, 3, padding=1), nn.PixelShuffle(2)]

        def attention(scale: int) -> list[nn.Module]:
            sizes = width, model.hyper_heads, model.codec_expansion
            return [_Attention(*sizes) for _ in range(model.hyper_blocks[scale])]

        margin = kernel // 2
        self.encoder = nn.Sequential(
            nn.Conv2d(features, width, kernel, 2, margin),
            *blocks(),
            nn.Conv2d(width, width, kernel, 2, margin),
            *blocks(),
        )
        self.decoder = nn.Sequential(*blocks(), *enlarged(width), *blocks(), *enlarged(features))
        self.to_latent = nn.Conv2d(width, model.latents, 1)
        self.from_latent = nn.Conv2d(model.latents, width, 1)
        self.linear_in = nn.Conv2d(features, model.latents, _SCALING, _SCALING, bias=False)
        self.linear_out = nn.ConvTranspose2d(model.latents, features, _SCALING, _SCALING)
        self.hyper_encoder = nn.Sequential(
            nn.Conv2d(model.latents, width, 1),
            *attention(0),
            HalvingConv(width, width),
            *attention(1),
            nn.ReLU(inplace=True),
        )
        self.to_hyper = HalvingConv(width, model.hyper_latents)
        sizes = model.latent_groups, model.hyper_latents, model.entropy_features
        self.coder = LatentCoder(*sizes, QUALITIES, counted=True)
        self.gain = nn.Parameter(torch.zeros(QUALITIES, model.latents))  # logarithms
        self.inverse_gain = nn.Parameter(torch.zeros(QUALITIES, model.latents))

    @torch.no_grad()
    def start(self, features: Tensor, steps: Tensor) -> None:
        """Set the linear path to the principal components of blocks of `features` (N, C, h, w), what is beside it to 0.

        `steps`: (Q,), of each quality, in units of the features: gains begin at their inverses.
        """
        _, channels, height, width = features.shape
        mean = features.mean(dim=(0, 2, 3))
        centred = features - mean[:, None, None]
        tall, wide = height // _SCALING, width // _SCALING
        cut = centred[:, :, : tall * _SCALING, : wide * _SCALING]
        samples = functional.pixel_unshuffle(cut, _SCALING).permute(0, 2, 3, 1).flatten(0, 2).double()
        _, vectors = torch.linalg.eigh(samples.T @ samples)
        basis = vectors.flip(1).T.float()[: self.linear_in.out_channels]
        blocks = basis.reshape(len(basis), channels, _SCALING, _SCALING)
        for layer in (self.linear_in, self.linear_out, self.to_latent, self.decoder[-2]):
            nn.init.zeros_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        self.linear_in.weight[: len(basis)] = blocks
        self.linear_out.weight[: len(basis)] = blocks
        self.linear_out.bias.copy_(mean)
        # The mean of the features is not coded: it would be a large number in a few latents.
        self.to_latent.bias[: len(basis)] = -(blocks * mean[:, None, None]).sum(dim=(1, 2, 3))
        self.gain.copy_(-steps.log()[:, None].expand_as(self.gain))
        self.inverse_gain.copy_(-self.gain)

    def analyse(self, features: Tensor, gain: Tensor) -> tuple[Tensor, Tensor]:
        """Latent (B, M, h/4, w/4) and hyper-latent; `gain`: (B or 1, M, 1, 1)."""
        latent = in_float32(self.to_latent, self.encoder(features)) + in_float32(self.linear_in, features)
        latent = latent * gain
        return latent, in_float32(self.to_hyper, self.hyper_encoder(latent))

    def synthesise(self, latent: Tensor, inverse_gain: Tensor) -> Tensor:
        """Features f3 of a decoded latent."""
        latent = latent * inverse_gain
        decoded: Tensor = self.decoder(self.from_latent(latent)) + self.linear_out(latent)
        return decoded

    def forward(self, features: Tensor, level: Tensor) -> tuple[Tensor, Rates]:
        """Features f3 after coding at quality levels (B,), and their rates."""
        latent, hyper = self.analyse(features, self.gain[level].exp()[:, :, None, None])
        decoded, rates, _ = self.coder(latent, hyper, level)
        inverse = self.inverse_gain[level].exp()[:, :, None, None]
        return self.synthesise(decoded.contiguous(memory_format=torch.channels_last), inverse), rates
