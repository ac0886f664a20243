"""The entropy model: what is coded is decoded, at every size, and the estimate of training is the real rate."""

import numpy as np
import pytest
import torch

from semapix.coding import LatentModel, RangeDecoder, RangeEncoder, TableBank, anchors, gaussian_counts
from semapix.training.nets.entropy import LatentCoder

TABLES = TableBank(gaussian_counts())
SIZES = [(1, 1), (1, 5), (2, 2), (3, 7), (8, 4), (13, 9)]


@pytest.fixture(scope="module")
def coder() -> LatentCoder:
    torch.manual_seed(0)
    coder = LatentCoder(latents=5, hyper_latents=3, features=8, levels=2).eval()
    for parameter in coder.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return coder


def latents(height: int, width: int, spread: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(height * 100 + width)
    latent = rng.normal(0, spread, (5, height, width)).astype(np.float32)
    hyper = rng.normal(0, 2, (3, -(-height // 4), -(-width // 4))).astype(np.float32)
    return latent, hyper


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("spread", [0.1, 3.0, 1e5])
def test_decoding_gives_what_encoding_gave(coder, size, spread):
    model = LatentModel.from_arrays(coder.export().to_arrays())
    latent, hyper = latents(*size, spread)
    encoder = RangeEncoder(TABLES)
    decoded = model.encode(encoder, latent, hyper, 1)
    again = model.decode(RangeDecoder(encoder.finish(), TABLES), latent.shape, 1)
    assert np.array_equal(again, decoded)
    assert np.abs(decoded - latent).max() <= 0.5 + abs(latent).max() * 1e-6


def test_training_estimates_the_real_rate(coder):
    latent, hyper = latents(32, 32, 2.0)
    encoder = RangeEncoder(TABLES)
    decoded = coder.export().encode(encoder, latent, hyper, 0)
    with torch.no_grad():
        twin, rates = coder(torch.from_numpy(latent)[None], torch.from_numpy(hyper)[None], torch.tensor([0]))
    assert np.allclose(twin[0].numpy(), decoded, atol=1e-5)
    assert 8 * len(encoder.finish()) == pytest.approx(float(rates.total[0]), rel=0.01)


def test_anchors_are_a_checkerboard():
    assert anchors(2, 3).tolist() == [[True, False, True], [False, True, False]]
