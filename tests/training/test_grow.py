"""A grown network computes what the smaller one did."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from semapix.errors import ArgumentError
from semapix.training.recipe import load_recipe
from semapix.training.scalable.grow import grown_lifting, grown_outer
from semapix.training.scalable.nets.lifting import Lifting
from semapix.training.scalable.nets.outer import OuterUnit


def _used(hidden: list[int], depth: list[int], blocks: list[int] | None = None) -> Lifting:
    """A transform whose batch norms hold statistics of their own."""
    torch.manual_seed(0)
    lifting = Lifting(hidden, depth, blocks or [])
    for key, value in lifting.state_dict().items():
        if key.endswith("body.4.weight"):
            value.fill_(0.7)  # else a block does nothing
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


@pytest.mark.parametrize(
    ("hidden", "depth", "blocks", "before"),
    [([8, 12], [1, 2], [0, 2], []), ([10, 12], [3, 2], [2, 1], [1, 1]), ([16, 24], [1, 3], [1, 3], [1, 0])],
)
def test_more_residual_blocks_compute_the_same(
    hidden: list[int], depth: list[int], blocks: list[int], before: list[int]
) -> None:
    small = _used([8, 12], [1, 2], before)
    large = Lifting(hidden, depth, blocks)
    large.load_state_dict(grown_lifting(small.state_dict(), [1, 2], large, before))
    picture = torch.randn(2, 3, 16, 16)
    main, duals = small(picture)
    grown_main, grown_duals = large.eval()(picture)
    for before_, after in zip([main, *duals], [grown_main, *grown_duals], strict=True):
        torch.testing.assert_close(after, before_, atol=1e-5, rtol=1e-5)


def _outer(**sizes: object) -> OuterUnit:
    torch.manual_seed(0)
    return OuterUnit(replace(load_recipe("scalable-tiny").model, **sizes))


def test_a_grown_outer_unit_computes_the_same() -> None:
    small = _outer()
    for parameter in small.parameters():  # blocks that do something, and weights of the integer networks as well
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    large = _outer(
        outer_inner=[12, 8, 9], outer_analysis_blocks=[1, 2, 1], outer_synthesis_blocks=[2, 1, 1], outer_features=12
    )
    large.load_state_dict(grown_outer(small.state_dict(), large))
    scale, prediction = torch.randn(2, 3, 64, 64), torch.randn(2, 3, 64, 64)
    level = torch.tensor([0, 3])
    results = []
    for unit in (small.eval(), large.eval()):
        one = torch.ones(2, unit.analysis_scale.shape[1], 1, 1)
        latent = unit.analyse(scale, prediction, one, unit.gain[level, :, None, None].exp())
        decoded, rates, _ = unit.coder(latent, unit.hyper_analysis(latent), level)
        results.append(
            (latent, decoded, rates.total, unit.synthesise(decoded, prediction, one, torch.ones(2, 16, 1, 1)))
        )
    for before, after in zip(*results, strict=True):
        torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)


def test_an_outer_unit_can_only_grow() -> None:
    state = _outer().state_dict()
    with pytest.raises(
        ArgumentError, match=r"analysis_blocks\.0\.0\.first\.weight has the shape \(7, .*it can only grow"
    ):
        grown_outer(state, _outer(outer_inner=[7, 8, 8]))
    with pytest.raises(
        ArgumentError, match=r"analysis_blocks\.0\.0\.first\.weight of the model to start from has no place"
    ):
        grown_outer(state, _outer(outer_analysis_blocks=[0, 1, 0]))
    with pytest.raises(ArgumentError, match="the unit has 18 latents, the one to start from 16"):
        grown_outer(state, _outer(outer_groups=[4, 14]))
    with pytest.raises(ArgumentError, match="the unit has 38 channels at all resolutions, the one to start from 36"):
        grown_outer(state, _outer(outer_widths=[8, 14, 16]))


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
    with pytest.raises(ArgumentError, match=r"level 1 has 1 extraction layers and 0 blocks; .* has 1 and 1"):
        grown_lifting(_used([8], [1], [1]).state_dict(), [1], Lifting([8], [1]), [1])
