"""Networks: batch norm folds away, lifting reverts, estimated bits are real bytes, a good start is one."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from semapix.bundle import Bundle
from semapix.codecs._core import MACHINE_LAYERS, CoreCodec
from semapix.codecs._unit import load_tables
from semapix.coding import anchors
from semapix.graphs import OnnxGraphs
from semapix.training.batch_norm import fold_batch_norm
from semapix.training.conv_block import BlockConv, BlockTranspose, HalvingConv
from semapix.training.entropy import _anchors
from semapix.training.normalise import normalise
from semapix.training.recipe import load_recipe
from semapix.training.rounding import round_weights
from semapix.training.scalable.lfrnet import SemanticTransform
from semapix.training.scalable.nets.lifting import Lifting
from semapix.training.scalable.nets.outer import OUTER_LEVELS, OuterUnit
from semapix.training.scalable.nets.rafc import NonLocal
from semapix.training.scalable.outer import OuterSystem
from tests.pictures import picture


def test_folding_batch_norm_changes_nothing():
    torch.manual_seed(0)
    transform = SemanticTransform(load_recipe("scalable-tiny").model, 3, 5)
    x = torch.randn(8, 3, 16, 16)
    for _ in range(3):
        transform.lifting(x)  # moves the running statistics
    transform.eval()
    main, _ = transform.lifting(x)
    folded, _ = fold_batch_norm(transform).lifting(x)
    assert torch.allclose(main, folded, atol=1e-4)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in transform.modules())


def test_lifting_reverts():
    torch.manual_seed(0)
    lifting = Lifting([8, 8, 8], [1, 2, 1]).eval()
    x = torch.randn(2, 3, 24, 16)
    assert torch.allclose(lifting.inverse(*lifting(x)), x, atol=1e-4)


def test_lifting_refuses_unequal_lists():
    with pytest.raises(ValueError, match=r"hidden \(=\[8\]\) and depth \(=\[1, 2\]\) must have one entry a level"):
        Lifting([8], [1, 2])
    with pytest.raises(ValueError, match=r"blocks \(=\[1\]\) must have one entry for each of 2 levels"):
        Lifting([8, 8], [1, 2], [1])


def test_attention_works_in_windows():
    torch.manual_seed(0)
    block = NonLocal(4)
    torch.nn.init.normal_(block.out.weight)
    x = torch.randn(1, 4, 32, 32)
    parts = [block(x[:, :, a : a + 16, b : b + 16]) for a in (0, 16) for b in (0, 16)]
    whole = torch.cat([torch.cat(parts[:2], dim=3), torch.cat(parts[2:], dim=3)], dim=2)
    assert torch.allclose(block(x), whole, atol=1e-5)


def test_estimated_bits_are_real_bytes(tiny_trained, tiny_bundle):
    bundle = Bundle(tiny_bundle)
    pixels = picture(16, 16)
    layers, _ = CoreCodec(bundle, OnnxGraphs(bundle), load_tables(bundle)).encode(pixels, 3)
    with torch.no_grad():
        main, duals = tiny_trained.transform.lifting(
            normalise(torch.from_numpy(pixels.transpose(2, 0, 1))[None].float())
        )
        decoded = tiny_trained.compression.eval()(tiny_trained.transform.lifting, main, duals, torch.tensor([3]))
    machine, signal = layers[:MACHINE_LAYERS], layers[MACHINE_LAYERS:]
    for some, bits in ((machine, decoded.machine_bits), (signal, decoded.signal_bits)):
        assert 8 * sum(map(len, some)) == pytest.approx(float(bits[0]), abs=8 * len(some) + 2, rel=0.02)


def test_principal_components_are_a_good_start():
    torch.manual_seed(0)
    unit = OuterUnit(replace(load_recipe("scalable-tiny").model, outer_widths=[24, 48, 64], outer_groups=[16, 32]))
    rows = torch.stack([torch.from_numpy(picture(64, 64, i).transpose(2, 0, 1)) for i in range(6)])
    residuals = normalise(rows.float())
    unit.start_from_principal_components(residuals, torch.linspace(2.0, 0.1, OUTER_LEVELS))
    nothing, channels, gain = torch.zeros_like(residuals), torch.ones(1, 136, 1, 1), torch.ones(1, 48, 1, 1)
    with torch.no_grad():
        decoded = unit.synthesise(unit.analyse(residuals, nothing, channels, gain), nothing, channels, gain)
    assert (decoded - residuals).square().mean() < 0.1 * residuals.square().mean()


def test_anchors_on_a_device_are_those_of_the_codec():
    for height, width in ((1, 1), (2, 3), (5, 4)):
        assert _anchors(height, width, torch.device("cpu")).tolist() == anchors(height, width).tolist()


def reach_of(result, *inputs):
    """How many columns to the left of the middle of its width the right half of a result depends on."""
    middle = result.shape[3] // 2
    result[..., middle:].sum().backward()
    columns = []
    for x in inputs:
        pixels = x.grad.abs().sum((0, 1, 2)).repeat_interleave(512 // x.shape[3])
        columns.append(256 - int(pixels.nonzero()[0]))
    return max(columns)


@pytest.mark.parametrize("analysis", [[0, 0, 0], [1, 0, 0], [2, 1, 0], [1, 2, 1]])
@pytest.mark.parametrize("synthesis", [[0, 0, 0], [1, 0, 0], [2, 0, 1], [2, 3, 1]])
def test_the_margin_covers_what_the_outer_unit_sees(analysis, synthesis):
    sizes = {"outer_widths": [2, 2, 2], "outer_inner": [2, 2, 2], "outer_groups": [1, 2], "outer_detail": 1}
    blocks = {"outer_analysis_blocks": analysis, "outer_synthesis_blocks": synthesis}
    unit = OuterUnit(replace(load_recipe("scalable-tiny").model, **sizes, **blocks))
    for parameter in unit.parameters():
        parameter.data.fill_(0.2)  # so that nothing cancels
    scale, prediction, seen = (torch.zeros(1, 3, 16, 512, requires_grad=True) for _ in range(3))
    latent = torch.zeros(1, 3, 1, 32, requires_grad=True)
    channels, gain = torch.ones(1, 6, 1, 1), torch.ones(1, 3, 1, 1)
    reach = max(
        reach_of(unit.analyse(scale, prediction, channels, gain), scale, prediction),
        reach_of(unit.synthesise(latent, seen, channels, gain), latent, seen),
    )
    assert reach <= unit.margin <= reach + 16


def test_a_halving_convolution_is_one_with_padding_and_its_gradient_is_all_there():
    for side in (1, 2, 5, 8):
        layer = HalvingConv(3, 4)
        x = torch.randn(2, 3, side, side)
        plain = torch.nn.functional.conv2d(x, layer.weight, layer.bias, stride=2, padding=1)
        found = layer(x)
        assert found.shape == (2, 4, -(-side // 2), -(-side // 2))
        assert torch.allclose(found, plain, atol=1e-5)
        found.sum().backward()
        assert torch.isfinite(layer.weight.grad).all()
        if side == 1:
            assert (layer.weight.grad[:, :, 0] == 0).all()


@pytest.mark.parametrize(("block", "kernel"), [(4, 1), (4, 4), (8, 1)])
def test_a_convolution_of_blocks_is_one_of_the_picture_taken_apart(block, kernel):
    layer = BlockConv(3, 5, block, kernel)
    picture = torch.randn(2, 3, 32, 64)
    apart = functional.pixel_unshuffle(picture, block)
    expected = functional.conv2d(apart, layer.weight, layer.bias, stride=kernel)
    assert expected.shape == (2, 5, 32 // (block * kernel), 64 // (block * kernel))
    assert torch.allclose(layer(picture), expected, atol=1e-5)


@pytest.mark.parametrize(("kernel", "bias"), [(2, True), (4, False)])
def test_a_transposed_convolution_of_blocks_is_that_of_pytorch(kernel, bias):
    layer = BlockTranspose(5, 3, kernel, bias=bias)
    x = torch.randn(2, 5, 4, 6)
    expected = functional.conv_transpose2d(x, layer.weight, layer.bias, stride=kernel)
    assert expected.shape == (2, 3, 4 * kernel, 6 * kernel)
    assert torch.allclose(layer(x), expected, atol=1e-5)


def test_the_outer_stage_sees_the_weights_of_a_bundle():
    torch.manual_seed(0)
    system = OuterSystem(load_recipe("scalable-tiny")).eval()
    for parameter in system.unit.parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    scale, prediction, level = torch.randn(2, 3, 32, 32), torch.randn(2, 3, 32, 32), torch.tensor([0.0, 3.5])

    def plain() -> Tensor:
        return system.unit(scale, prediction, level)[0]

    with torch.no_grad():
        decoded, _, error = system._code(scale, prediction, level)
        before = plain()
        round_weights(system.unit)
        after = plain()
    assert not torch.allclose(before, after, rtol=1e-4)
    assert torch.allclose(decoded, after, atol=1e-5)
    assert torch.allclose(error, (after - scale).square().mean(dim=(1, 2, 3)) * 64.0**2, rtol=1e-5)
