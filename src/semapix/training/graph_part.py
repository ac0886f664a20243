"""What becomes one named graph of a bundle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

__all__ = ["GraphPart", "MethodModule"]


@dataclass(frozen=True)
class GraphPart:
    """One graph: a module, example inputs, and whether height and width of four-dimensional inputs may vary."""

    module: nn.Module
    examples: tuple[Tensor, ...]
    any_size: bool = False


class MethodModule(nn.Module):
    """A method of a module as a module of its own, which is what an exporter takes."""

    def __init__(self, owner: nn.Module, method: Callable[..., Tensor | tuple[Tensor, ...]]) -> None:
        super().__init__()
        self.owner = owner
        self._method = method

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        return self._method(*inputs)
