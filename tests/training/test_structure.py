"""MS-SSIM as a loss."""

import numpy as np
import pytest
import torch

from semapix.evaluation.metrics import ms_ssim
from semapix.training.normalise import normalise
from semapix.training.structure import STRUCTURE_SIDE, structural_distance
from tests.pictures import picture


def noisy(pixels, spread):
    noise = np.random.default_rng(1).normal(0, spread, pixels.shape)
    return (pixels + noise).round().clip(0, 255).astype(np.uint8)


def test_it_is_what_evaluation_measures():
    pixels = picture(200, 180)
    pair = [noisy(pixels, spread) for spread in (5, 30)]
    seen = [normalise(torch.from_numpy(x.transpose(2, 0, 1)[None].copy()).float()) for x in (*pair, pixels)]
    found = structural_distance(torch.cat(seen[:2]), torch.cat([seen[2], seen[2]]))
    assert found.shape == (2,)
    for distance, one in zip(found, pair, strict=True):
        assert float(distance) == pytest.approx(1 - ms_ssim(one, pixels), abs=1e-5)


def test_its_gradient_leads_nearer_under_autocast_too():
    torch.manual_seed(0)
    original = torch.rand(1, 3, STRUCTURE_SIDE, STRUCTURE_SIDE) * 4 - 2
    decoded = (original + 0.3 * torch.randn_like(original)).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        before = structural_distance(decoded, original).sum()
    assert before.dtype == torch.float32
    before.backward()
    with torch.no_grad():
        after = structural_distance(decoded - 20 * decoded.grad, original).sum()
    assert 0 < after < before
