"""Stage `perception`: a decoder for the eye, against a discriminator (HEVRC, eqs. 8 and 9; stage 3 of the paper)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional

from semapix.training.adaptive.matched import MatchedSystem
from semapix.training.adaptive.matching import FeatureMatch
from semapix.training.adaptive.nets.codec import Coded, Decoder
from semapix.training.adaptive.nets.discriminator import Discriminator
from semapix.training.adaptive.recipe import AdaptiveRecipe, PerceptionStage
from semapix.training.budget import clip_gradients
from semapix.training.checkpoint import weights_of
from semapix.training.normalise import normalise
from semapix.training.rounding import round_weights, rounded_through

__all__ = ["PerceptionSystem"]


class PerceptionSystem(MatchedSystem):
    """Trains the tail of a second decoder, `vivid`, and the discriminator; all else stays as stage `semantics`
    left it, its weights rounded.

    The paper trains all of the decoder. Its front, below the last resolution, makes no texture; as it is, two decoders
    take hardly more of a bundle than one.
    """

    def __init__(
        self, recipe: AdaptiveRecipe, start: dict[str, Tensor], match: FeatureMatch, minutes: float | None = None
    ) -> None:
        stage = recipe.perception
        super().__init__(recipe, stage, start, match, minutes)
        self.stage: PerceptionStage = stage
        self.network.requires_grad_(False)
        round_weights(self.network)
        self.vivid = Decoder(recipe.model).to(memory_format=torch.channels_last)
        self.vivid.load_state_dict(self.network.decoder.state_dict())
        for name, parameter in self.vivid.named_parameters():
            parameter.requires_grad_(name.startswith(self.vivid.tail_names))
        self.discriminator = Discriminator(recipe.model.latents, stage.discriminator_widths).to(
            memory_format=torch.channels_last
        )

    def take_weights(self, state: dict[str, Any], training: Iterable[Any]) -> None:
        """The tail of the second decoder; the rest is what the stage before left."""
        vivid, names = weights_of(state["state_dict"], "vivid"), self.vivid.tail_names
        tail = {key: value for key, value in vivid.items() if key.startswith(names)}
        self.vivid.load_state_dict(self.vivid.state_dict() | tail)

    def code(self, patches: Tensor, quality: Tensor) -> tuple[Tensor, Coded, Tensor]:
        pictures = normalise(patches.float()).contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            latent, rates, state, coded = self.network.encode(pictures, quality)
        picture = functional_call(self.vivid, rounded_through(self.vivid), (latent, state, coded))
        decoded = Coded(picture, rates, latent, state, coded)
        return pictures, decoded, rates.total / pictures[0, 0].numel()

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        patches, quality = batch
        stage = self.stage
        pictures, coded, rate = self.code(patches, quality)
        weighted, plain = self.distortion(pictures, coded.picture, quality)
        apart = self.match(coded.picture, pictures)
        balance = self.balance(quality)

        # Both players move at once: the discriminator's weights are constants in what the decoder pays, the decoder's
        # picture is one in what the discriminator pays.
        frozen = {key: value.detach() for key, value in self.discriminator.named_parameters()}
        convinced = functional_call(self.discriminator, frozen, (coded.picture, coded.latent, quality)).float()
        fooling = functional.softplus(-convinced).mean(dim=(1, 2, 3))
        real = self.discriminator(pictures, coded.latent, quality).float()
        fake = self.discriminator(coded.picture.detach(), coded.latent, quality).float()
        telling = functional.softplus(-real).mean() + functional.softplus(fake).mean()

        semantic = stage.feature_weight * apart
        # Alike at every quality, after the balance of the whole loss: the balance would let it rule at low rates.
        perceptual = stage.adversarial_weight * fooling / balance
        if batch_idx % 50 == 0:
            self.note(bpp=rate.mean(), mse=plain.mean(), apart=apart.mean(), fooling=fooling.mean(), telling=telling)
        return ((weighted + semantic + perceptual) * balance).mean() + telling

    def configure_gradient_clipping(self, optimizer: Any, *args: Any, **kwargs: Any) -> None:
        for part in (self.vivid, self.discriminator):
            clip_gradients(part)
