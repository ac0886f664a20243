"""Tables that are counted while training goes on."""

import math

import numpy as np
import pytest
import torch

from semapix.coding import GAUSSIAN_REACH, TableBank, gaussian_counts, scale_of_level
from semapix.errors import ArgumentError
from semapix.training.counted_density import CountedDensity
from semapix.training.entropy import LatentCoder
from semapix.training.fitted_tables import bands_of, own_tables


def _counted(symbols, quality, times=1):
    density = CountedDensity(2, symbols.shape[1])
    for _ in range(times):
        density.count(symbols, quality)
    return density


def test_bits_are_those_of_the_shares():
    symbols = torch.tensor([0.0, 0.0, 0.0, 1.0]).view(4, 1, 1, 1)
    quality = torch.zeros(4, dtype=torch.long)
    density = _counted(symbols, quality, 4000)
    bits = density(symbols, quality)
    assert torch.allclose(bits, -torch.log2(torch.tensor([0.75, 0.75, 0.75, 0.25])), atol=0.01)


def test_levels_of_quality_have_shares_of_their_own():
    symbols = torch.tensor([3.0, -2.0]).view(2, 1, 1, 1)
    density = _counted(symbols, torch.tensor([0, 1]), 8000)
    assert density(symbols, torch.tensor([0, 1])).max() < 0.02
    assert density(symbols, torch.tensor([1, 0])).min() > 10


def test_a_batch_of_several_levels_counts_as_those_of_each_alone():
    torch.manual_seed(0)
    symbols, quality = torch.round(9 * torch.randn(12, 3, 2, 2)), torch.arange(12) % 5
    both, apart = CountedDensity(9, 3), CountedDensity(9, 3)
    both.count(symbols, quality)
    for band in both.bands[quality].unique():
        chosen = apart.bands[quality] == band
        apart.count(symbols[chosen], quality[chosen])
    assert torch.allclose(both.shares, apart.shares, atol=1e-7)
    assert torch.allclose(both.shares.sum(dim=2), torch.ones(()), atol=1e-5)
    unseen = [band for band in range(len(both.shares)) if band not in both.bands[quality]]
    assert unseen
    assert torch.equal(both.shares[unseen], CountedDensity(9, 3).shares[unseen])


def test_noise_lies_between_its_neighbours_and_points_to_the_likelier():
    quality = torch.zeros(1, dtype=torch.long)
    density = CountedDensity(2, 1)
    value = torch.tensor([2.4]).view(1, 1, 1, 1).requires_grad_()
    bits = density(value, quality)
    two, three = (2.0 ** -density(torch.full((1, 1, 1, 1), x), quality) for x in (2.0, 3.0))
    assert math.isclose(2.0 ** -bits.item(), (0.6 * two + 0.4 * three).item(), rel_tol=1e-5)
    bits.sum().backward()
    assert value.grad.item() > 0  # towards 0, where a new density has most


def test_what_lies_beyond_costs_a_bit_a_step():
    quality = torch.zeros(1, dtype=torch.long)
    density = CountedDensity(1, 1)
    edge, beyond = (density(torch.full((1, 1, 1, 1), float(density.reach + x)), quality) for x in (0, 7))
    assert math.isclose((beyond - edge).item(), 7.0, rel_tol=1e-4)


def test_what_lies_beyond_counts_at_the_edge():
    density = _counted(torch.full((1, 1, 1, 1), 1000.0), torch.zeros(1, dtype=torch.long))
    assert torch.allclose(density.shares.sum(dim=2), torch.ones(2, 1), atol=1e-5)
    assert density.shares[0, 0, -1] > 9e-4


def test_levels_reach_what_was_seen():
    symbols = torch.tensor([0.0, 17.0]).view(2, 1, 1, 1)
    density = CountedDensity(1, 1)
    density.shares.zero_()
    density.count(symbols, torch.zeros(2, dtype=torch.long))
    ((level,),) = density.levels()
    assert GAUSSIAN_REACH * scale_of_level(int(level)) >= 17 > GAUSSIAN_REACH * scale_of_level(int(level) - 1)


def test_shares_are_taken_from_tables():
    tables = TableBank(gaussian_counts())
    density = CountedDensity(2, 2)
    density.take(tables, np.array([[20, 63], [20, 30]], np.uint8))
    counts = tables.counts(30)
    middle = len(counts) // 2 - 1
    assert math.isclose(density.shares[1, 1, density.reach], counts[middle] / counts[:-1].sum(), rel_tol=1e-5)
    assert torch.allclose(density.shares.sum(dim=2), torch.ones(2, 2), atol=1e-5)
    assert density.shares[0, 1, 0] > 0  # a table that is wider than the shares


def test_qualities_share_tables_as_there_is_room():
    assert bands_of(9, 64) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert bands_of(9, 16) == list(range(9))


@pytest.mark.parametrize("channels", [0, 193])
def test_more_channels_than_tables_are_refused(channels):
    with pytest.raises(ArgumentError, match=rf"hyper_latents \(={channels}\) must lie between 1 and 192: each has a"):
        bands_of(9, channels)


def test_own_tables_begin_as_the_gaussian_of_their_band():
    coder = LatentCoder([4], hyper_latents=96, features=4, levels=4).export()
    coder.hyper_levels[:] = np.array([11, 11, 13, 13])[:, None]
    own, tables = own_tables(coder)
    assert own.hyper_levels[:, 0].tolist() == [64, 64, 160, 160]
    assert len(tables) == 64 + 2 * 96
    assert np.array_equal(tables[64], tables[11])
    assert np.array_equal(tables[160], tables[13])
