"""Layers against one unit on the same transform."""

import pytest
import torch

from semapix.errors import ArgumentError
from semapix.evaluation.experiments._run import Run
from semapix.evaluation.experiments.layering import LayeringProtocol, measure_layering
from semapix.evaluation.multiplications import multiplications
from semapix.training.checkpoint import read_checkpoint
from semapix.training.recipe import load_recipe
from semapix.training.scalable.nets.single import SingleUnit


@pytest.mark.parametrize("recipe", ["scalable", "scalable-tiny"])
def test_bands_are_gathered_on_a_grid_and_scattered_again(recipe):
    model = load_recipe(recipe).model
    levels, side = len(model.lifting_hidden), model.core_side
    duals = [torch.randn(2, 3 * 2**k, side >> k, side >> k) for k in range(1, levels + 1)]
    main = torch.randn_like(duals[-1])
    single = SingleUnit(model, 8)
    gathered = single.gather(main, duals)
    assert gathered[0].numel() == 3 * side**2
    again, parts = single.scatter(gathered)
    assert torch.equal(again, main)
    assert all(torch.equal(part, dual) for part, dual in zip(parts, duals, strict=True))


def test_multiplications_are_counted_by_positions():
    convolution = torch.nn.Conv2d(3, 5, 3, stride=2, padding=1)
    assert multiplications(convolution, lambda: convolution(torch.zeros(1, 3, 8, 8))) == 4 * 4 * 3 * 5 * 9
    enlarging = torch.nn.ConvTranspose2d(5, 3, 2, stride=2)
    assert multiplications(enlarging, lambda: enlarging(torch.zeros(1, 5, 4, 4))) == 4 * 4 * 5 * 3 * 4
    linear = torch.nn.Linear(7, 2)
    assert multiplications(linear, lambda: linear(torch.zeros(1, 7))) == 14


def test_both_are_trained_and_coded_to_bytes(run, training_data, objects, tmp_path):
    data = tmp_path / "data"
    (data / "objects").mkdir(parents=True)
    for path in [*(training_data / "objects").iterdir(), objects / "test.parquet"]:
        (data / "objects" / path.name).write_bytes(path.read_bytes())
    findings = measure_layering(
        data, LayeringProtocol(pictures=3, batch=4, learning_rate=1e-3), run(), minutes=1, steps=2
    )
    stage = read_checkpoint(run().out / "runs", "lcnet")["recipe"]["lcnet"]
    assert (stage["batch"], stage["learning_rate"]) == (4, 1e-3)
    results, table = findings.record.results, findings.record.tables["pictures"]
    assert results["pictures"] == 3
    assert len(table.rows) == 2 * 3 * 9
    assert all(row[3] > 0 for row in table.rows)
    assert all(cost["steps"] == 2 for cost in results["costs"].values())
    layers, single = (results["costs"][name]["macs"] for name in ("layers", "one unit"))
    assert abs(single / layers - 1) < 0.5  # the tiny recipe leaves little choice
    assert set(results["curves"]) == {"layers", "one unit"}


def test_only_scalable_has_layers(tmp_path, tiny_bundles):
    run = Run("semapix bench ...", tmp_path / "out", model=str(tiny_bundles["deepsic"]))
    with pytest.raises(ArgumentError, match="is for codec deepsic; only scalable has layers to compare"):
        measure_layering(tmp_path, LayeringProtocol(pictures=3, batch=4, learning_rate=1e-3), run, minutes=1)
