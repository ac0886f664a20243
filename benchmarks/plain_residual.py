"""The accuracy of a plain residual network of the same multiplications, data and minutes as the lifting transform.

    python benchmarks/plain_residual.py --recipe scalable --data DATA -o runs/plain

It is what the semantic transform of a recipe is compared with: stage `lfrnet` of the same recipe, with the same views,
losses, widths of the heads and schedule, on a network that need not be revertible. Prints the held-out accuracies and
leaves a checkpoint in the folder, which is resumed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from semapix.training.augment import random_view
from semapix.training.data import Batches
from semapix.training.nets.heads import Head
from semapix.training.recipe import Recipe, load_recipe
from semapix.training.run import fit, labelled
from semapix.training.systems.budget import BudgetedStage
from semapix.training.systems.normalise import normalise

WIDTHS = (32, 64, 112, 176, 256)
"""Channels at 1/2, 1/4, ... of the core: 49 million multiplications for 64x64 pixels, as the shipped transform."""


class Block(nn.Module):
    """A basic residual block that halves the picture."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.skip = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.skip(x))


class PlainNetwork(nn.Module):
    """A trunk of residual blocks and both heads on all of its features."""

    def __init__(self, recipe: Recipe, labels: dict[str, list[str]]) -> None:
        super().__init__()
        model = recipe.model
        side = model.core_side >> len(WIDTHS)
        self.trunk = nn.Sequential(*(Block(i, o) for i, o in zip((3, *WIDTHS[:-1]), WIDTHS, strict=True)))
        features = WIDTHS[-1] * side**2
        self.coarse = Head(features, model.coarse_hidden, len(labels["coarse"]), model.dropout)
        self.fine = Head(features, model.fine_hidden, len(labels["fine"]), model.dropout)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.trunk(normalise(x).contiguous(memory_format=torch.channels_last))
        return self.coarse(features), self.fine(features)


class PlainStage(BudgetedStage):
    """Stage `lfrnet` of a recipe with a `PlainNetwork` in place of the transform."""

    def __init__(self, recipe: Recipe, labels: dict[str, list[str]], minutes: float | None) -> None:
        super().__init__(recipe, recipe.lfrnet, minutes)
        self.network = PlainNetwork(recipe, labels).to(memory_format=torch.channels_last)

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> Tensor:
        pictures, coarse, fine = batch
        options = self.recipe.lfrnet
        view = random_view(
            pictures.float(),
            side=self.recipe.model.core_side,
            smallest_area=options.smallest_area,
            jitter=options.jitter,
            generator=self.random,
        )
        coarse_logits, fine_logits = self.network(view)
        smooth = options.label_smoothing
        return functional.cross_entropy(coarse_logits, coarse, label_smoothing=smooth) + functional.cross_entropy(
            fine_logits, fine, label_smoothing=smooth
        )

    def validation_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> None:
        pictures, coarse, fine = batch
        coarse_logits, fine_logits = self.network(pictures.float())
        right = torch.stack([coarse_logits.argmax(1) == coarse, fine_logits.argmax(1) == fine])
        self.held_out.append(right.float())

    def on_validation_epoch_start(self) -> None:
        self.held_out: list[Tensor] = []

    def on_validation_epoch_end(self) -> None:
        coarse, fine = torch.cat(self.held_out, dim=1).mean(dim=1)
        self.note(held_out_coarse=coarse, held_out_fine=fine)


def multiplications(network: PlainNetwork, side: int) -> int:
    """Multiplications of the trunk for one picture."""
    count = 0

    def add(module: nn.Conv2d, inputs: object, output: Tensor) -> None:
        nonlocal count
        count += output[0].numel() * module.weight[0].numel()

    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(add)
    network.eval()(torch.zeros(1, 3, side, side))
    return count


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--recipe", default="scalable", help="whose stage lfrnet sets data, schedule and minutes")
    arguments.add_argument("--data", required=True, type=Path, help="folder with objects/")
    arguments.add_argument("--minutes", type=float, help="time budget; by default the recipe's")
    arguments.add_argument("-o", "--output", required=True, type=Path, help="run folder")
    options = arguments.parse_args()
    recipe = load_recipe(options.recipe)
    training, held_out = labelled(recipe, options.data)
    names = {"coarse": training.coarse_names, "fine": training.fine_names}
    print(f"{multiplications(PlainNetwork(recipe, names), recipe.model.core_side):,} multiplications a picture")
    options.output.mkdir(parents=True, exist_ok=True)
    fit(
        PlainStage(recipe, names, options.minutes),
        Batches(training, recipe.lfrnet.batch, recipe.lfrnet.seed),
        held_out,
        options.output / "plain.ckpt",
        every=recipe.lfrnet.validate_every,
    )


if __name__ == "__main__":
    main()
