"""docs/format.md, "Inside a layer: numbers", as a decoder of a few lines that follows the page, not the code."""

import numpy as np
import pytest
import torch

from semapix.coding import (
    IntegerConv,
    LatentModel,
    RangeDecoder,
    RangeEncoder,
    TableBank,
    gaussian_counts,
    scale_of_level,
)
from semapix.training.entropy import LatentCoder
from tests.coding.test_integer import by_loops

BANK = [counts.tolist() for counts in gaussian_counts()]
BIT = [2**23, 2**23]


class ReferenceDecoder:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0
        self.low, self.range = 0, 2**64 - 1
        self.point = self.word() << 32 | self.word()

    def word(self) -> int:
        self.at += 4
        return int.from_bytes(self.data[self.at - 4 : self.at].ljust(4, b"\0"), "big")

    def symbol(self, counts: list[int]) -> int:
        scale = self.range >> 24
        q = (self.point - self.low) % 2**64 // scale
        left = 0
        for symbol, count in enumerate(counts):  # noqa: B007
            if q < left + count:
                break
            left += count
        self.low = (self.low + scale * left) % 2**64
        self.range = scale * count
        if self.range < 2**32:
            self.low = (self.low << 32) % 2**64
            self.range <<= 32
            self.point = (self.point << 32) % 2**64 | self.word()
        return symbol

    def group(self, levels: list[int]) -> list[int]:
        values: dict[int, int] = {}
        for level in sorted(set(levels)):
            reach = len(BANK[level]) // 2 - 1
            positions = [i for i, other in enumerate(levels) if other == level]
            for i in positions:
                values[i] = self.symbol(BANK[level]) - reach
            for i in positions:
                if values[i] == reach + 1:
                    negative = self.symbol(BIT)
                    n = 0
                    while self.symbol(BIT):
                        n += 1
                    e = 1
                    for _ in range(n):
                        e = e << 1 | self.symbol(BIT)
                    values[i] = -(reach + e) if negative else reach + e
        return [values[i] for i in range(len(levels))]


def test_the_page_is_enough_to_decode():
    rng = np.random.default_rng(0)
    tables = TableBank(gaussian_counts())
    for spread in (0.0, 1.0, 4.0):
        coder = RangeEncoder(tables)
        groups = []
        for size in (1, 3, 0, 40, 200):
            levels = rng.integers(0, 64, size).astype(np.uint8)
            values = np.rint(rng.normal(size=size) * scale_of_level(levels) * spread).astype(np.int32)
            coder.encode(values, levels)
            groups.append((levels.tolist(), values.tolist()))
        decoder = ReferenceDecoder(coder.finish())
        for levels, values in groups:
            assert decoder.group(levels) == values


def network(arrays: dict[str, np.ndarray], name: str, x: np.ndarray) -> np.ndarray:
    """An integer network by the definitions of its stages."""
    number = 0
    x = x.clip(-32767, 32767)
    while True:
        if f"{name}.{number}.shuffle" in arrays:
            larger = np.zeros((x.shape[0] // 4, 2 * x.shape[1], 2 * x.shape[2]), np.int64)
            for c, a, b in np.ndindex(len(larger), 2, 2):
                larger[c, a::2, b::2] = x[4 * c + 2 * a + b]
            x = larger
        elif f"{name}.{number}.weight" in arrays:
            weight, bias = arrays[f"{name}.{number}.weight"], arrays[f"{name}.{number}.bias"]
            x = by_loops(IntegerConv(weight, bias, bool(arrays[f"{name}.{number}.relu"])), x)
        else:
            return x
        number += 1


def latent(
    sublayers: list[ReferenceDecoder],
    arrays: dict[str, np.ndarray],
    groups: list[int],
    size: tuple[int, int],
    carried: np.ndarray,
) -> np.ndarray:
    """The section "A latent", step by step, in multiples of 2^-6; quality level 1. Groups without a sub-layer too."""
    height, width = size
    rows, columns = -(-height // 4), -(-width // 4)
    tables = [int(level) for level in arrays["hyper_levels"][1] for _ in range(rows * columns)]
    hyper = np.array(sublayers[0].group(tables)).reshape(-1, rows, columns)
    state = network(arrays, "hyper", hyper * 64)[:, :height, :width]
    state = (state + network(arrays, "carry", carried)[:, :height, :width]).clip(0, 32767)
    parts = []
    for number, channels in enumerate(groups):
        decoded = np.zeros((channels, height, width), np.int64)
        for parity in (0, 1):
            if parity == 0:
                parameters = network(arrays, f"group{number}.first", state)
                if number >= len(sublayers):
                    decoded = parameters[:channels]
                    break
            else:
                context = network(arrays, f"group{number}.context", decoded)
                parameters = network(arrays, f"group{number}.second", np.concatenate([state, context]))
            places = [
                (c, y, x) for c in range(channels) for y in range(height) for x in range(width) if (y + x) % 2 == parity
            ]
            levels = [min(max((int(parameters[channels + c, y, x]) + 4) // 8, 0), 63) for c, y, x in places]
            for place, value in zip(places, sublayers[number].group(levels), strict=True):
                decoded[place] = value * 64 + parameters[place]
        parts.append(decoded)
        state = (state + network(arrays, f"group{number}.update", decoded)).clip(0, 32767)
    return np.concatenate(parts)


@pytest.mark.parametrize("present", [1, 2])
def test_the_page_is_enough_to_decode_a_latent(present):
    torch.manual_seed(0)
    coder = LatentCoder([1, 2], hyper_latents=2, features=4, levels=2, carried=4, enlarge=True)
    for parameter in coder.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    arrays = coder.export().to_arrays()
    rng = np.random.default_rng(0)
    tables = TableBank(gaussian_counts())
    encoders = [RangeEncoder(tables), RangeEncoder(tables)]
    values = rng.normal(0, 3, (3, 5, 6)).astype(np.float32)
    hyper = rng.normal(0, 2, (2, 2, 2)).astype(np.float32)
    carried = rng.integers(0, 500, (4, 3, 3)).astype(np.int32)
    model = LatentModel.from_arrays(arrays)
    model.encode(encoders, values, hyper, 1, carried)
    data = [encoder.finish() for encoder in encoders][:present]
    wanted = model.decode([RangeDecoder(part, tables) for part in data], 2, (3, 5, 6), 1, carried).latent
    found = latent([ReferenceDecoder(part) for part in data], arrays, [1, 2], (5, 6), carried)
    assert np.array_equal(found, wanted * 64)
