"""The bit-plane coder: exact, as docs/format.md says, adaptive, and no larger than its own model expects."""

import numpy as np
import pytest

from semapix.codecs import QUALITIES
from semapix.coding import PLANES, VALUES, BitPlaneModel, Contexts, bit_counts, counted_information, log_odds
from semapix.errors import CorruptLayer
from semapix.training.deepsic.contexts import fit_contexts
from tests.coding.test_reference_decoder import ReferenceDecoder

GROUPS = [1, 2, 3]
CHANNELS = sum(GROUPS)


def features(height: int, width: int, seed: int, channels: int = CHANNELS) -> np.ndarray:
    """Values with neighbours alike, the first channels wider than the last ones."""
    rng = np.random.default_rng(seed)
    smooth = np.cumsum(rng.normal(size=(channels, height, width)), axis=2) / 3
    scale = np.geomspace(6.0, 0.4, channels)[:, None, None]
    return np.clip(np.round(smooth * scale) + VALUES // 2, 0, VALUES - 1).astype(np.uint8)


def changed(contexts: Contexts, **values: int) -> Contexts:
    """Contexts with some arrays filled with a value."""
    arrays = contexts.to_arrays()
    return Contexts(**arrays | {name: np.full_like(arrays[name], value) for name, value in values.items()})


@pytest.fixture(scope="module")
def contexts() -> Contexts:
    pictures = [features(8, 8, seed) for seed in range(6)]
    return fit_contexts([pictures] * QUALITIES, GROUPS)


@pytest.fixture(scope="module")
def model(contexts) -> BitPlaneModel:
    return BitPlaneModel(contexts)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 1), (8, 8), (13, 10)])
@pytest.mark.parametrize("sublayers", [1, PLANES])
def test_what_is_coded_is_decoded(model, size, sublayers):
    values = features(*size, seed=9)
    data = model.encode(values, 4, sublayers)
    assert len(data) == sublayers
    decoded, planes = model.decode(data, sublayers, values.shape, 4)
    assert planes == PLANES
    assert np.array_equal(decoded, model.within_range(values, 4))


def test_leading_planes_are_the_leading_bits(model):
    values = features(9, 12, seed=3)
    data = model.encode(values, 2, PLANES)
    for count in range(1, PLANES + 1):
        decoded, planes = model.decode(data[:count], PLANES, values.shape, 2)
        assert planes == count
        open_bits = PLANES - count
        assert np.array_equal(decoded, model.within_range(values, 2) >> open_bits << open_bits)


def test_values_are_taken_into_the_range_of_their_channels(contexts):
    narrow = changed(contexts, lowest=31, highest=34)
    model = BitPlaneModel(narrow)
    values = features(6, 6, seed=1)
    decoded, _ = model.decode(model.encode(values, 0, 1), 1, values.shape, 0)
    assert set(np.unique(decoded)) <= {31, 32, 33, 34}
    constant = changed(contexts, lowest=32, highest=32)
    assert BitPlaneModel(constant).encode(values, 0, 1) == [b""]


def test_bytes_are_those_that_the_tables_expect(model):
    values = features(40, 40, seed=5)
    data = model.encode(values, 3, 1)
    with counted_information() as information:
        model.decode(data, 1, values.shape, 3)
    assert information.bits / 8 <= len(data[0]) <= 1.01 * information.bits / 8 + 8


def test_contexts_that_count_beat_tables_that_stand_still(contexts):
    """Pictures unlike those of training: what is counted while coding pays."""
    values = (features(48, 48, seed=7).astype(int) // 6 + 27).astype(np.uint8)
    weights = {name: 60000 for name in contexts.to_arrays() if name.endswith("_weight")}
    still = BitPlaneModel(changed(contexts, **weights))
    assert len(BitPlaneModel(contexts).encode(values, 0, 1)[0]) < 0.97 * len(still.encode(values, 0, 1)[0])


def test_damaged_bytes_are_values_or_a_typed_error(model):
    rng = np.random.default_rng(0)
    outcomes = set()
    for _ in range(30):
        try:
            decoded, _ = model.decode([rng.bytes(int(rng.integers(0, 60)))], 1, (CHANNELS, 6, 6), 0)
            outcomes.add(decoded.shape)
        except CorruptLayer:
            outcomes.add(CorruptLayer)
    assert outcomes <= {(CHANNELS, 6, 6), CorruptLayer}


def test_a_shape_that_the_model_does_not_have_is_refused(model):
    with pytest.raises(CorruptLayer, match="2 channels, where the model has 6"):
        model.decode([b""], 1, (2, 4, 4), 0)


def test_tables_are_whole_numbers_that_rise(contexts):
    assert np.array_equal(contexts.ones, bit_counts())
    assert np.all(np.diff(bit_counts()) > 0)
    assert np.all(np.diff(log_odds()) >= 0)
    assert Contexts.from_arrays(contexts.to_arrays()).to_arrays().keys() == contexts.to_arrays().keys()


def reached(bounds: list[int], value: int) -> int:
    return sum(value >= bound for bound in bounds)


def by_the_page(data: bytes, contexts: Contexts, level: int, height: int, width: int) -> np.ndarray:
    """docs/format.md, "Bit planes", bit by bit."""
    coder = ReferenceDecoder(data)
    lowest, highest = contexts.lowest[level].tolist(), contexts.highest[level].tolist()
    known = np.zeros((CHANNELS, height, width), int)
    open_ = np.full((CHANNELS, height, width), 64)

    def middle(c: int, y: int, x: int) -> int:
        y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
        return max(known[c, y, x], lowest[c]) + min(known[c, y, x] + open_[c, y, x] - 1, highest[c])

    counts: dict[tuple[int, int], list[int]] = {}
    starts = [
        (contexts.channel_share[level].ravel(), contexts.channel_weight[level].ravel()),
        (contexts.activity_share, contexts.activity_weight),
        (contexts.distance_share, contexts.distance_weight),
    ]

    def opinion(kind: int, context: int) -> int:
        share, weight = (int(array[context]) for array in starts[kind])
        m, n = counts.setdefault((kind, context), [share * weight, weight])
        return int(contexts.odds[m // n // 16])

    for p in range(5, -1, -1):
        for last, size in zip(np.cumsum(GROUPS).tolist(), GROUPS, strict=True):
            first = last - size
            busy = [
                [sum(abs(middle(c, y, x) - 64) > 2**p for c in range(first)) for x in range(width)]
                for y in range(height)
            ]
            for phase in (0, 1):
                bits = []
                for c in range(first, last):
                    for y in range(height):
                        for x in range(width):
                            threshold = int(known[c, y, x]) + 2**p
                            if (y + x) % 2 != phase:
                                continue
                            if lowest[c] >= threshold or highest[c] < threshold:
                                bits.append((c, y, x, None, ()))
                                continue
                            around = [(y + i, x + j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]
                            node = 2 ** (5 - p) + int(known[c, y, x]) // 2 ** (p + 1)
                            away = sum(abs(middle(c, *at) - 64) for at in around) // 4
                            activity = reached([1, 2, 3, 5, 8, 12, 18, 28, 44, 70, 120], min(away, 255))
                            nearest = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
                            far = (sum(middle(c, *at) for at in nearest) - 4 * (2 * threshold - 1)) // 2**p
                            bounds = [-40, -20, -12, -8, -5, -3, -1, 0, 2, 4, 6, 9, 13, 21, 41]
                            distance = reached(bounds, min(max(far, -64), 63))
                            quiet = reached([1, 2, 4, 7, 11, 16, 24], min(busy[y][x], 255))
                            seen = (
                                64 * c + node,
                                (12 * node + activity) * 8 + quiet,
                                (16 * p + distance) * 12 + activity,
                            )
                            w = contexts.mixture[p, phase].tolist()
                            o = (sum(w[k] * opinion(k, seen[k]) for k in range(3)) + w[3] * 2**16) // 2**16
                            bits.append((c, y, x, min(max(o // 16 + 128, 0), 255), seen))
                found = {}
                for table in sorted({bit[3] for bit in bits if bit[3] is not None}):
                    ones = int(contexts.ones[table])
                    for c, y, x, mine, _ in bits:
                        if mine == table:
                            found[c, y, x] = coder.symbol([2**24 - ones, ones])
                for c, y, x, mine, seen in bits:
                    bit = found[c, y, x] if mine is not None else int(lowest[c] >= known[c, y, x] + 2**p)
                    known[c, y, x] += bit * 2**p
                    open_[c, y, x] = 2**p
                    for kind, context in enumerate(seen):
                        counts[kind, context][0] += 65535 * bit
                        counts[kind, context][1] += 1
    return known


@pytest.mark.parametrize("seed", [0, 1])
def test_the_page_decodes_what_the_coder_writes(model, contexts, seed):
    values = features(6, 7, seed + 20)
    (data,) = model.encode(values, 8, 1)
    assert np.array_equal(by_the_page(data, contexts, 8, 6, 7), model.within_range(values, 8))


def test_contexts_that_do_not_fit_are_refused(contexts):
    with pytest.raises(ValueError, match="must add up to 6 channels"):
        BitPlaneModel(Contexts(**contexts.to_arrays() | {"groups": np.array([1, 2], np.int32)}))
    with pytest.raises(ValueError, match="256 counts between 1 and"):
        BitPlaneModel(changed(contexts, ones=0))
