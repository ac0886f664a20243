"""The entropy model: what is coded is decoded, at every size, and the estimate of training is the real rate."""

import numpy as np
import pytest
import torch

from semapix.coding import (
    IntegerNetwork,
    LatentGroup,
    LatentModel,
    PixelShuffle,
    RangeDecoder,
    RangeEncoder,
    TableBank,
    anchors,
    gaussian_counts,
)
from semapix.training.entropy import LatentCoder

TABLES = TableBank(gaussian_counts())
SIZES = [(1, 1), (1, 5), (2, 2), (3, 7), (8, 4), (13, 9)]
GROUPS = [1, 2, 2]


def shaken(coder: LatentCoder) -> LatentCoder:
    for parameter in coder.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return coder.eval()


@pytest.fixture(scope="module")
def coder() -> LatentCoder:
    torch.manual_seed(0)
    return shaken(LatentCoder(GROUPS, hyper_latents=3, features=8, levels=2, carried=4, enlarge=True))


@pytest.fixture(scope="module")
def model(coder) -> LatentModel:
    return LatentModel.from_arrays(coder.export().to_arrays())


def latents(height: int, width: int, spread: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A latent, a hyper-latent, and the state of an earlier layer of half the size."""
    rng = np.random.default_rng(height * 100 + width)
    latent = rng.normal(0, spread, (5, height, width)).astype(np.float32)
    hyper = rng.normal(0, 2, (3, -(-height // 4), -(-width // 4))).astype(np.float32)
    state = rng.integers(0, 2000, (4, -(-height // 2), -(-width // 2))).astype(np.int32)
    return latent, hyper, state


def encoders(count: int) -> list[RangeEncoder]:
    return [RangeEncoder(TABLES) for _ in range(count)]


def decoders(coders: list[RangeEncoder]) -> list[RangeDecoder]:
    return [RangeDecoder(coder.finish(), TABLES) for coder in coders]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("spread", [0.1, 3.0, 1e5])
@pytest.mark.parametrize("sublayers", [1, 2, 3])
def test_decoding_gives_what_encoding_gave(model, size, spread, sublayers):
    latent, hyper, carried = latents(*size, spread)
    for earlier in (None, carried):
        coders = encoders(sublayers)
        coded = model.encode(coders, latent, hyper, 1, earlier)
        again = model.decode(decoders(coders), sublayers, latent.shape, 1, earlier)
        assert np.array_equal(again.latent, coded.latent)
        assert np.array_equal(again.state, coded.state)
        assert np.abs(coded.latent - latent).max() <= 0.5 + abs(latent).max() * 1e-6


def test_a_state_is_worked_out_when_it_is_read(model, monkeypatch):
    latent, hyper, carried = latents(5, 4, 3.0)
    coders, seen, last = encoders(1), [], model.groups[-1].update
    call = type(last).__call__
    monkeypatch.setattr(type(last), "__call__", lambda self, x: (seen.append(self is last), call(self, x))[1])
    coded = model.encode(coders, latent, hyper, 0, carried)
    again = model.decode(decoders(coders), 1, latent.shape, 0, carried)
    assert len(seen) > 10
    assert not any(seen)
    assert np.array_equal(coded.state, again.state)
    assert np.array_equal(coded.state, again.state)
    assert sum(seen) == 2


def test_an_entropy_model_without_a_last_update_is_that_of_training():
    torch.manual_seed(3)
    coder = shaken(LatentCoder(GROUPS, hyper_latents=3, features=8, levels=2, last_update=False))
    latent, hyper, _ = latents(4, 4, 1.0)
    exported = coder.export()
    assert [group.update is None for group in exported.groups] == [False] * (len(GROUPS) - 1) + [True]
    coded = exported.encode(encoders(1), latent, hyper, 0)
    with torch.no_grad():
        twin, _, state = coder(torch.from_numpy(latent)[None], torch.from_numpy(hyper)[None], torch.tensor([0]))
    assert np.allclose(twin[0].numpy(), coded.latent, atol=1e-5)
    assert np.allclose(state[0].numpy() * 64, coded.state, atol=1e-3)


def test_groups_refuse_networks_of_other_kinds():
    group = LatentCoder([4], hyper_latents=3, features=8, levels=2).export().groups[0]
    with pytest.raises(ValueError, match="first and second of a latent group must have kernels of one position"):
        LatentGroup(group.first, group.context, group.context, None)
    with pytest.raises(ValueError, match="network context of a latent group must end in a convolution"):
        LatentGroup(group.first, IntegerNetwork([PixelShuffle()]), group.second, None)


def test_missing_groups_take_their_means(model):
    latent, hyper, carried = latents(8, 6, 3.0)
    coders = encoders(3)
    decoded = model.encode(coders, latent, hyper, 0, carried).latent
    whole = decoders(coders)
    first = model.decode(whole[:1], 3, latent.shape, 0, carried).latent
    assert np.array_equal(first[:1], decoded[:1])
    assert not np.array_equal(first[1:], decoded[1:])
    # A mean is what the networks say before the group is known: other symbols there change nothing.
    other = latent.copy()
    other[1:] += 5
    coders = encoders(3)
    model.encode(coders, other, hyper, 0, carried)
    again = model.decode(decoders(coders)[:1], 3, latent.shape, 0, carried).latent
    assert np.array_equal(again, first)


def test_the_last_of_few_sublayers_holds_all_further_groups(model):
    latent, hyper, carried = latents(8, 6, 3.0)
    coders = encoders(2)
    decoded = model.encode(coders, latent, hyper, 0, carried).latent
    found = model.decode(decoders(coders)[:1], 2, latent.shape, 0, carried).latent
    assert np.array_equal(found[:1], decoded[:1])
    found = model.decode(decoders(coders), 2, latent.shape, 0, carried).latent
    assert np.array_equal(found, decoded)


def test_earlier_layers_change_the_rate(model):
    latent, hyper, carried = latents(16, 16, 2.0)
    sizes = []
    for earlier in (None, carried):
        (encoder,) = encoders(1)
        model.encode([encoder], latent, hyper, 0, earlier)
        sizes.append(len(encoder.finish()))
    assert sizes[0] != sizes[1]


@pytest.mark.parametrize("earlier", [False, True])
def test_training_estimates_the_real_rate(coder, earlier):
    latent, hyper, carried = latents(32, 32, 2.0)
    (encoder,) = encoders(1)
    coded = coder.export().encode([encoder], latent, hyper, 0, carried if earlier else None)
    with torch.no_grad():
        twin, rates, twin_state = coder(
            torch.from_numpy(latent)[None],
            torch.from_numpy(hyper)[None],
            torch.tensor([0]),
            torch.from_numpy(carried / 64.0).float()[None] if earlier else None,
        )
    assert np.allclose(twin[0].numpy(), coded.latent, atol=1e-5)
    assert np.allclose(twin_state[0].numpy() * 64, coded.state, atol=1e-3)
    assert 8 * len(encoder.finish()) == pytest.approx(float(rates.total[0]), rel=0.01)


def test_a_model_of_version_0_1_has_one_group_without_number(model):
    arrays = {key: value for key, value in model.to_arrays().items() if not key.startswith(("carry", "group"))}
    first = {key.removeprefix("group0."): value for key, value in model.to_arrays().items() if "group0" in key}
    old = {key: value for key, value in first.items() if not key.startswith("update")}
    (group,) = LatentModel.from_arrays({**arrays, **old}).groups
    assert group.update is None
    for key, value in group.to_arrays().items():
        assert np.array_equal(value, old[key])


def test_anchors_are_a_checkerboard():
    assert anchors(2, 3).tolist() == [[True, False, True], [False, True, False]]
