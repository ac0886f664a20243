"""The adaptive codec's networks: encoder, hyper-encoder, entropy model and decoder, steered by a quality map.

HEVRC, section III-A, on the backbone of Song, Choi and Han, "Variable-rate deep image compression through
spatially-adaptive feature transform" (ICCV 2021). Three departures let a short training go far:

- The quality map travels in the first channel of the hyper-latent, one number for 64x64 pixels, and sets a gain for
  each latent, as in Cui et al., "Asymmetric gained deep image compression" (CVPR 2021). In the paper the decoder has
  to guess the quality from the hyper-latent.
- The decoder's first condition is made of the entropy model's state, which has seen the hyper-latent and every
  decoded group, in place of a network of its own on the hyper-latent.
- Beside the networks runs a linear path, for the last latents: it codes what features, fewer than the pixels of a
  block, leave out of it, and starts as the principal components of that.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from semapix.codecs import MAP_STEPS, QUALITIES
from semapix.training.adaptive.nets.transform import SLOPE, ConditionedBlock, FeatureTransform, Gdn
from semapix.training.adaptive.recipe import AdaptiveModel
from semapix.training.conv_block import ConvBlock, principal_components, start_of_detail
from semapix.training.entropy import LatentCoder, Rates
from semapix.training.precision import in_float32

__all__ = ["STRIDE", "AdaptiveNetwork", "Coded", "Decoder", "Encoder", "map_symbols", "spread_map"]

STRIDE = 16
"""Side in pixels of the block that a latent position stands for."""

_HYPER_STRIDE = 4  # latent positions a hyper-latent position
_STATE_SCALE = 0.25  # brings the state near the range of features


def _silent(layer: nn.Module) -> None:
    nn.init.zeros_(layer.bias)


class _Conditions(nn.Module):
    """One condition for each resolution: from the first on, each made of the one before.

    `down`: towards lower resolutions, as in the encoder; otherwise towards higher ones.
    """

    def __init__(self, inputs: int, model: AdaptiveModel, kernel: int, *, down: bool) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        channels = inputs
        for width in [*model.condition_hidden, model.conditions]:
            stages += [nn.Conv2d(channels, width, kernel, padding=kernel // 2), nn.LeakyReLU(0.1)]
            channels = width
        self.first = nn.Sequential(*stages[:-1])
        conditions = model.conditions

        def step() -> nn.Sequential:
            change: nn.Module = nn.Conv2d(conditions, conditions, 3, stride=2, padding=1)
            if not down:
                change = nn.ConvTranspose2d(conditions, conditions, 3, stride=2, padding=1, output_padding=1)
            return nn.Sequential(change, nn.LeakyReLU(0.1), nn.Conv2d(conditions, conditions, 1))

        self.steps = nn.ModuleList(step() for _ in model.widths[1:])

    def forward(self, x: Tensor) -> list[Tensor]:
        conditions = [self.first(x)]
        for step in self.steps:
            conditions.append(step(conditions[-1]))
        return conditions


def _gains(knots: Tensor, quality: Tensor) -> Tensor:
    """exp of the knots (Q, M), interpolated linearly, at each position of a map (B, 1, H, W) in 0..1: (B, M, H, W)."""
    count = len(knots)
    position = quality.float() * (count - 1)
    near = torch.arange(count, device=quality.device, dtype=torch.float32).view(1, -1, 1, 1)
    shares = torch.relu(1.0 - (position - near).abs())
    return functional.conv2d(shares, knots.T[:, :, None, None]).exp()


class Encoder(nn.Module):
    """f_e: a picture and its quality map to the latent, scaled by the gains of the coded map.

    `forward`: picture (B, 3, H, W) in the range of `normalise`, H and W multiples of 16; map (B, 1, H/16, W/16) in
    0..1; coded map (B, 1, H/16, W/16), see `spread_map`. Gives the latent (B, M, H/16, W/16), whose last channels
    have projections of blocks of pixels added, where the model has `detail`.
    """

    def __init__(self, model: AdaptiveModel) -> None:
        super().__init__()
        self.stem, kernel = model.stem, model.kernel
        pixels = 3 * model.stem**2
        hidden, size = model.transform_hidden, model.transform_kernel
        self.conditions = _Conditions(pixels + 1, model, 3, down=True)
        self.changes = nn.ModuleList()
        channels = pixels
        for number, width in enumerate(model.widths):
            stride = 2 if number else 1
            self.changes.append(nn.Conv2d(channels, width, kernel, stride=stride, padding=kernel // 2))
            channels = width
        self.norms = nn.ModuleList(Gdn(width) if model.gdn else nn.Identity() for width in model.widths)
        self.blocks = nn.ModuleList(
            nn.Sequential(*(ConvBlock(width, width, SLOPE) for _ in range(count)))
            for width, count in zip(model.widths, model.blocks, strict=True)
        )
        self.transforms = nn.ModuleList(
            FeatureTransform(width, model.conditions, hidden, size) for width in model.widths[:-1]
        )
        self.deep = nn.ModuleList(
            ConditionedBlock(channels, model.deep_inner, model.conditions, hidden, size)
            for _ in range(model.deep_blocks)
        )
        self.out = nn.Conv2d(channels, model.latents, 1)
        side = STRIDE // model.stem
        self.detail = nn.Conv2d(pixels, model.detail, side, stride=side, bias=False) if model.detail else None
        self.gain = nn.Parameter(torch.zeros(QUALITIES, model.latents))  # logarithms

    def forward(self, picture: Tensor, quality: Tensor, coded: Tensor) -> Tensor:
        x = pixels = functional.pixel_unshuffle(picture, self.stem) if self.stem > 1 else picture
        fine = functional.interpolate(quality, scale_factor=float(STRIDE // self.stem), mode="nearest")
        conditions = self.conditions(torch.cat([x, fine], dim=1))
        for number, (change, norm, blocks) in enumerate(zip(self.changes, self.norms, self.blocks, strict=True)):
            x = blocks(norm(change(x)))
            if number < len(self.transforms):
                x = self.transforms[number](x, conditions[number])
        for block in self.deep:
            x = block(x, conditions[-1])
        latent = in_float32(self.out, x)
        if self.detail is not None:
            detail = in_float32(self.detail, pixels)
            latent = latent + functional.pad(detail, (0, 0, 0, 0, latent.shape[1] - detail.shape[1], 0))
        return latent * _gains(self.gain, coded)


class Decoder(nn.Module):
    """f_d: the decoded latent, the entropy model's state and the coded map to the picture.

    `forward`: latent (B, M, h, w), state (B, F, h, w), coded map (B, 1, h, w) to (B, 3, 16h, 16w) in the range of
    `normalise`.
    """

    def __init__(self, model: AdaptiveModel) -> None:
        super().__init__()
        self.stem, kernel = model.stem, model.kernel
        pixels = 3 * model.stem**2
        hidden, size = model.transform_hidden, model.transform_kernel
        widths = model.widths[::-1]
        self.inverse_gain = nn.Parameter(torch.zeros(QUALITIES, model.latents))  # logarithms
        self.enter = nn.Conv2d(model.latents, widths[0], 1)
        self.conditions = _Conditions(widths[0] + model.features + 1, model, 3, down=False)
        self.deep = nn.ModuleList(
            ConditionedBlock(widths[0], model.deep_inner, model.conditions, hidden, size)
            for _ in range(model.deep_blocks)
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(*(ConvBlock(width, width, SLOPE) for _ in range(count)))
            for width, count in zip(widths, model.blocks[::-1], strict=True)
        )
        self.changes = nn.ModuleList(
            nn.ConvTranspose2d(before, after, kernel, stride=2, padding=kernel // 2, output_padding=1)
            for before, after in itertools.pairwise(widths)
        )
        self.norms = nn.ModuleList(Gdn(width, inverse=True) if model.gdn else nn.Identity() for width in widths[1:])
        self.transforms = nn.ModuleList(FeatureTransform(width, model.conditions, hidden, size) for width in widths[1:])
        self.out = nn.Conv2d(widths[-1], pixels, kernel, padding=kernel // 2)
        side = STRIDE // model.stem
        self.detail = nn.ConvTranspose2d(model.detail, pixels, side, stride=side, bias=False) if model.detail else None

    @property
    def tail_names(self) -> tuple[str, ...]:
        """What the names of the tail's weights begin with."""
        last = len(self.changes) - 1
        parts = (f"{part}.{last}." for part in ("changes", "norms", "transforms", "conditions.steps"))
        return (*parts, f"blocks.{last + 1}.", "out.")

    def front(self, latent: Tensor, state: Tensor, coded: Tensor) -> tuple[Tensor, ...]:
        """What `tail` takes: features (B, C, h', w') and condition (B, P, h', w') at the last resolution but one.

        And, where the model has them, details at the last one, (B, 3 stem^2, 16h/stem, 16w/stem).
        """
        latent = latent * _gains(self.inverse_gain, coded)
        x = in_float32(self.enter, latent)
        condition = self.conditions.first(torch.cat([x, state * _STATE_SCALE, coded], dim=1))
        for block in self.deep:
            x = block(x, condition)
        x = self.blocks[0](x)
        for number in range(len(self.changes) - 1):
            x, condition = self._enlarge(number, x, condition)
        if self.detail is None:
            return x, condition
        return x, condition, in_float32(self.detail, latent[:, -self.detail.in_channels :])

    def _enlarge(self, number: int, x: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Features and condition at the next resolution."""
        condition = self.conditions.steps[number](condition)
        x = self.transforms[number](self.norms[number](self.changes[number](x)), condition)
        return self.blocks[number + 1](x), condition

    def tail(self, x: Tensor, condition: Tensor, detail: Tensor | None = None) -> Tensor:
        """The picture (B, 3, 16h, 16w) from what `front` gives: the part in which two decoders may differ."""
        x, _ = self._enlarge(len(self.changes) - 1, x, condition)
        x = self.out(x).float()
        if detail is not None:
            x = x + detail
        return functional.pixel_shuffle(x, self.stem) if self.stem > 1 else x

    def forward(self, latent: Tensor, state: Tensor, coded: Tensor) -> Tensor:
        return self.tail(*self.front(latent, state, coded))


class Coded(NamedTuple):
    """What a forward pass gives: the decoded picture (range of `normalise`), rates, and what else the decoder saw."""

    picture: Tensor
    rates: Rates
    latent: Tensor
    state: Tensor
    coded: Tensor


def map_symbols(quality: Tensor) -> Tensor:
    """The map's channel of the hyper-latent (B, 1, ceil(h/4), ceil(w/4)), integers, from a map (B, 1, h, w) in 0..1."""
    mean = functional.avg_pool2d(quality, _HYPER_STRIDE, ceil_mode=True, count_include_pad=False)
    return torch.round(mean * MAP_STEPS) - MAP_STEPS // 2


def spread_map(symbols: Tensor, height: int, width: int) -> Tensor:
    """The coded map (B, 1, height, width) in 0..1 of `map_symbols`: between their positions it is linear."""
    values = (symbols + MAP_STEPS // 2) / MAP_STEPS
    spread = functional.interpolate(values, scale_factor=float(_HYPER_STRIDE), mode="bilinear", align_corners=False)
    return spread[:, :, :height, :width]


class AdaptiveNetwork(nn.Module):
    """All networks of the codec. `forward` codes pictures as training sees it."""

    def __init__(self, model: AdaptiveModel) -> None:
        super().__init__()
        self.encoder = Encoder(model)
        self.decoder = Decoder(model)
        width = model.hyper_width
        self.hyper_encoder = nn.Sequential(
            nn.Conv2d(model.latents, width, 3, stride=2, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(width, width, 3, stride=2, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(width, model.hyper_latents - 1, 1),
        )
        self.coder = LatentCoder(model.groups, model.hyper_latents, model.features, QUALITIES, counted=True)
        with torch.no_grad():
            steps = torch.arange(QUALITIES) * MAP_STEPS // (QUALITIES - 1) - MAP_STEPS // 2
            self.coder.hyper_mean[:, 0] = steps

    def level(self, quality: Tensor) -> Tensor:
        """The quality level, int64 (B,), that is nearest to a map's mean."""
        return (quality.mean(dim=(1, 2, 3)) * (QUALITIES - 1)).round().long()

    def encode(self, picture: Tensor, quality: Tensor) -> tuple[Tensor, Rates, Tensor, Tensor]:
        """The decoded latent, rates, the entropy model's state and the coded map.

        `picture`: (B, 3, H, W) in the range of `normalise`, `quality`: (B, 1, H/16, W/16) in 0..1.
        """
        symbols = map_symbols(quality)
        coded = spread_map(symbols, *quality.shape[2:])
        latent = self.encoder(picture, quality, coded)
        hyper = torch.cat([symbols, self.hyper_encoder(latent).float()], dim=1)
        latent, rates, state = self.coder(latent, hyper, self.level(quality))
        return latent, rates, state, coded

    def forward(self, picture: Tensor, quality: Tensor) -> Coded:
        """Takes what `encode` takes."""
        latent, rates, state, coded = self.encode(picture, quality)
        return Coded(self.decoder(latent, state, coded), rates, latent, state, coded)

    @torch.no_grad()
    def start_from_principal_components(self, patches: Tensor, steps: Tensor) -> None:
        """Let training start from the best linear transform of its data, resolution by resolution.

        `patches`: (N, 3, H, W) in the range of `normalise`. `steps`: quantiser step (Q,) of each quality, in it too.
        Each change of resolution becomes the projection of blocks on their principal components; the decoder's are
        their transposes. What they leave out starts the linear path.
        """
        encoder, decoder = self.encoder, self.decoder
        x = functional.pixel_unshuffle(patches, encoder.stem) if encoder.stem > 1 else patches
        middle = encoder.changes[0].kernel_size[0] // 2
        ups = [decoder.out, *reversed(decoder.changes)]
        bases = []
        for number, (change, up) in enumerate(zip(encoder.changes, ups, strict=True)):
            side = 2 if number else 1
            blocks = functional.pixel_unshuffle(x, side) if number else x
            rows = min(int(change.out_channels), blocks.shape[1])
            components = principal_components(blocks, rows)
            taps = components.view(rows, x.shape[1], side, side)
            inside = slice(middle, middle + side)
            change.weight.zero_()
            change.weight[:rows, :, inside, inside] = taps
            up.weight.zero_()
            if number:  # a transposed convolution has its inputs first
                up.weight[:rows, :, inside, inside] = taps
            else:
                up.weight[:, :rows, middle, middle] = components.T
            _silent(change)
            _silent(up)
            x = functional.conv2d(blocks, components[:, :, None, None])
            if rows < change.out_channels:
                x = functional.pad(x, (0, 0, 0, 0, 0, change.out_channels - rows))
            bases.append(components)
        latents, deepest = encoder.out.out_channels, encoder.out.in_channels
        coded = latents - (0 if encoder.detail is None else encoder.detail.out_channels)
        encoder.out.weight[:, :, 0, 0] = torch.eye(latents, deepest)
        decoder.enter.weight[:, :, 0, 0] = torch.eye(deepest, latents)
        encoder.out.weight[coded:] = 0
        decoder.enter.weight[:, coded:] = 0
        _silent(encoder.out)
        _silent(decoder.enter)
        decoder.inverse_gain.copy_(steps.log()[:, None].expand_as(decoder.inverse_gain))
        encoder.gain.copy_(-decoder.inverse_gain)
        if encoder.detail is None:
            return
        x = x[:, :coded]
        for number, components in reversed(list(enumerate(bases))):  # back to the picture
            kept = components[: x.shape[1]]
            x = functional.conv2d(x[:, : len(kept)], kept.T[:, :, None, None])
            x = functional.pixel_shuffle(x, 2 if number else encoder.stem)
        self.start_detail(patches, patches - x)

    @torch.no_grad()
    def start_detail(self, patches: Tensor, missed: Tensor) -> None:
        """Let the linear path code what is `missed` of patches, both (N, 3, H, W) in the range of `normalise`."""
        encoder, decoder = self.encoder, self.decoder
        if encoder.detail is None or decoder.detail is None:
            return
        both = (functional.pixel_unshuffle(x, encoder.stem) for x in (patches, missed))
        start_of_detail(encoder.detail, decoder.detail, *both)
