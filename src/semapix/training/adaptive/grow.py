"""A smaller codec inside a larger one: training goes on with more capacity, from what was learned already."""

from __future__ import annotations

import torch
from torch import Tensor

from semapix.errors import ArgumentError
from semapix.training.adaptive.nets.codec import STRIDE, AdaptiveNetwork

__all__ = ["grow_codec"]

_BATCH = 8
_NEW = tuple(f"{side}.{part}." for side in ("encoder", "decoder") for part in ("blocks", "deep", "detail"))


@torch.no_grad()
def grow_codec(old: dict[str, Tensor], network: AdaptiveNetwork, patches: Tensor, steps: Tensor) -> None:
    """Give `network` the weights `old` of one with fewer blocks, or without a linear path.

    Blocks that it lacks are identities from the start. A linear path takes the place of the last latents, those that
    the recipe counts as `detail`, and starts with what the older codec leaves out of `patches`, (N, 3, H, W) in the
    range of `normalise`; `steps`: quantiser step (Q,) of each quality for it. Raises ArgumentError when `old` has
    weights that `network` has no place for or lacks others than these, RuntimeError when a shape differs.
    """
    state = network.state_dict()
    for key in old:
        if key not in state:
            raise ArgumentError(f"{key} of the model to start from has no place in the codec; it can only grow")
    for key in state:
        if key not in old and not key.startswith(_NEW):
            raise ArgumentError(f"{key} is not in the model to start from; only blocks and a linear path can be new")
    network.load_state_dict(state | old)
    encoder, decoder = network.encoder, network.decoder
    if encoder.detail is None or "encoder.detail.weight" in old:
        return
    count = encoder.detail.out_channels
    for weight in (encoder.out.weight[-count:], encoder.out.bias[-count:], decoder.enter.weight[:, -count:]):
        weight.zero_()
    network.hyper_encoder[0].weight[:, -count:] = 0
    network.coder.forget(count)
    decoder.inverse_gain[:, -count:] = steps.log()[:, None]
    encoder.gain[:, -count:] = -decoder.inverse_gain[:, -count:]
    for path in (encoder.detail, decoder.detail):
        path.weight.zero_()
    network.eval()
    left_out = [part - _unrounded(network, part) for part in torch.split(patches, _BATCH)]
    network.train()
    network.start_detail(patches, torch.cat(left_out))


def _unrounded(network: AdaptiveNetwork, pictures: Tensor) -> Tensor:
    """Pictures decoded at the highest quality, from a latent that is not rounded."""
    quality = torch.ones(len(pictures), 1, *(side // STRIDE for side in pictures.shape[2:]), device=pictures.device)
    _, _, state, coded = network.encode(pictures, quality)
    latent = network.encoder(pictures, quality, coded)
    picture: Tensor = network.decoder(latent, state, coded)
    return picture
