"""A grown transform computes what the smaller one did."""

from __future__ import annotations

import pytest
import torch

from semapix.errors import ArgumentError
from semapix.training.scalable.grow import grown_lifting
from semapix.training.scalable.nets.lifting import Lifting


def _used(hidden: list[int], depth: list[int]) -> Lifting:
    """A transform whose batch norms hold statistics of their own."""
    torch.manual_seed(0)
    lifting = Lifting(hidden, depth)
    for _ in range(3):
        lifting(torch.randn(8, 3, 16, 16))
    return lifting.eval()


@pytest.mark.parametrize(("hidden", "depth"), [([8, 12], [1, 2]), ([10, 12], [3, 2]), ([16, 24], [2, 4])])
def test_wider_and_deeper_computes_the_same(hidden: list[int], depth: list[int]) -> None:
    small = _used([8, 12], [1, 2])
    large = Lifting(hidden, depth)
    large.load_state_dict(grown_lifting(small.state_dict(), [1, 2], large))
    picture = torch.randn(2, 3, 16, 16)
    main, duals = small(picture)
    grown_main, grown_duals = large.eval()(picture)
    for before, after in zip([main, *duals], [grown_main, *grown_duals], strict=True):
        torch.testing.assert_close(after, before, atol=1e-5, rtol=1e-5)


def test_new_channels_learn() -> None:
    small = _used([8], [1])
    large = Lifting([12], [1])
    large.load_state_dict(grown_lifting(small.state_dict(), [1], large))
    main, _ = large(torch.randn(4, 3, 8, 8))
    main.square().mean().backward()
    shrink = large.steps[0].update[-1].weight
    assert shrink.grad is not None
    assert shrink.grad[:, 8:].abs().min() > 0


def test_smaller_is_refused() -> None:
    small = _used([8], [2])
    with pytest.raises(ArgumentError, match="extraction layers"):
        grown_lifting(small.state_dict(), [2], Lifting([8], [1]))
    with pytest.raises(ArgumentError, match="shape"):
        grown_lifting(small.state_dict(), [2], Lifting([6], [2]))
