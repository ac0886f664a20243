"""Networks that the lifting transform is compared with, of equal work: a plain residual one, and one like i-RevNet.

With five levels and pictures of 64x64 both have 49 to 50 million multiplications, as the shipped transform. Pictures
(B, 3, S, S) come in the range of `normalise`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["RIVALS", "PlainNetwork", "ReversibleNetwork"]

_PLAIN_WIDTHS = (47, 95, 168, 256, 380)
_REVERSIBLE_WIDTHS = (28, 52, 86, 86, 56)


class _ResidualBlock(nn.Module):
    """A basic residual block that halves the picture (He et al., CVPR 2016)."""

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
    """A residual network that drops what it does not need: (B, 3, S, S) to (B, `features`), all of its last level.

    `side`: S. `levels`: how often it halves the picture, 1 to 5.
    """

    def __init__(self, side: int, levels: int) -> None:
        super().__init__()
        widths = _PLAIN_WIDTHS[:levels]
        pairs = zip((3, *widths[:-1]), widths, strict=True)
        self.trunk = nn.Sequential(*(_ResidualBlock(inputs, outputs) for inputs, outputs in pairs))
        self.features = widths[-1] * (side >> levels) ** 2

    def forward(self, x: Tensor) -> Tensor:
        return self.trunk(x).flatten(1)


class _Coupling(nn.Module):
    """Additive coupling: (a, b) to (b, a + F(b)), F a bottleneck of three convolutions."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, hidden, 3, padding=1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(),
            nn.Conv2d(hidden, hidden, 3, padding=1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(),
            nn.Conv2d(hidden, channels, 3, padding=1, bias=False),
        )

    def forward(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        return b, a + self.body(b)


class ReversibleNetwork(nn.Module):
    """A network like i-RevNet (Jacobsen et al., ICLR 2018), which keeps all numbers of the picture to its end.

    Levels, each a 2x2 squeeze of both halves and two couplings; (B, 3, S, S) to the means of all channels at its end,
    (B, `features`). `side`: S, any multiple of 2^levels.
    """

    def __init__(self, side: int, levels: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList()
        channels = 6
        for hidden in _REVERSIBLE_WIDTHS[:levels]:
            self.levels.append(nn.ModuleList(_Coupling(channels, hidden) for _ in range(2)))
            channels *= 4
        self.features = 3 * 4**levels
        self.end = nn.Sequential(nn.BatchNorm2d(self.features), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        halves: Sequence[Tensor] = functional.pixel_unshuffle(x, 2).chunk(2, dim=1)
        for number, level in enumerate(self.levels):
            if number:
                halves = [functional.pixel_unshuffle(half, 2) for half in halves]
            assert isinstance(level, nn.ModuleList)
            for coupling in level:
                halves = coupling(*halves)
        return self.end(torch.cat(list(halves), dim=1)).mean(dim=(2, 3))


RIVALS: dict[str, Callable[[int, int], PlainNetwork | ReversibleNetwork]] = {
    "plain": PlainNetwork,
    "reversible": ReversibleNetwork,
}
"""By name: how to make each for pictures of a side, with so many levels."""
