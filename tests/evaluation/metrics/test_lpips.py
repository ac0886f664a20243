"""LPIPS with networks that are simple enough to know their answer."""

import pickle
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from semapix.errors import ArgumentError
from semapix.evaluation.metrics import find_metrics, lpips
from tests.pictures import picture

SIDES = [1, 3, "height", "width"]


def network(path: Path, inputs: int = 2, sides: list[object] = SIDES, whole: bool = True) -> Path:
    """A file whose distance is the mean of |x - y|, over all or (not `whole`) of each channel."""
    axes = [0, 1, 2, 3] if whole else [2, 3]
    nodes = [
        helper.make_node("Sub", ["x", "y" if inputs == 2 else "x"], ["difference"]),
        helper.make_node("Abs", ["difference"], ["size"]),
        helper.make_node("ReduceMean", ["size", "axes"], ["distance"], keepdims=1),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, sides) for name in "xy"[:inputs]]
    out = helper.make_tensor_value_info("distance", TensorProto.FLOAT, [1, 1 if whole else 3, 1, 1])
    constants = [helper.make_tensor("axes", TensorProto.INT64, [len(axes)], axes)]
    graph = helper.make_graph(nodes, "distance", values, [out], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


def test_the_network_gets_pixels_from_minus_one_to_one(tmp_path):
    metric = lpips(network(tmp_path / "net.onnx"))
    black, white = np.zeros((40, 50, 3), np.uint8), np.full((40, 50, 3), 255, np.uint8)
    assert metric.measure(black, white) == pytest.approx(2)
    original, other = picture(50, 40), picture(50, 40, seed=1)
    expected = np.mean(np.abs(original.astype(float) - other)) / 127.5
    assert metric.measure(original, other) == pytest.approx(expected, rel=1e-5)
    assert (metric.name, metric.better, metric.needs_reference, metric.smallest_side) == ("lpips", "lower", True, 32)


def test_it_goes_to_other_processes(tmp_path):
    metric = pickle.loads(pickle.dumps(lpips(network(tmp_path / "net.onnx"))))
    assert metric.measure(picture(50, 40), picture(50, 40)) == 0


def test_it_is_found_by_its_name(tmp_path):
    (metric,) = find_metrics(["lpips"], lpips=network(tmp_path / "net.onnx"))
    assert metric.label == "LPIPS"


def test_no_path():
    with pytest.raises(ArgumentError, match=r"needs its network, which does not ship with Semapix: name an ONNX file"):
        find_metrics(["lpips"])


def test_no_file(tmp_path):
    with pytest.raises(ArgumentError, match=r"absent\.onnx does not exist; lpips needs an ONNX file that takes two"):
        lpips(tmp_path / "absent.onnx")


def test_another_file(tmp_path):
    (tmp_path / "net.onnx").write_text("no network")
    with pytest.raises(ArgumentError, match=r"net\.onnx is no ONNX file that runs here"):
        lpips(tmp_path / "net.onnx")


def test_networks_of_other_forms(tmp_path):
    with pytest.raises(ArgumentError, match=r"one\.onnx takes 1 inputs, not 2"):
        lpips(network(tmp_path / "one.onnx", inputs=1))
    with pytest.raises(ArgumentError, match=r"three\.onnx gives an array of \(1, 3, 1, 1\), not one number"):
        lpips(network(tmp_path / "three.onnx", whole=False)).measure(picture(40, 40), picture(40, 40))
    with pytest.raises(ArgumentError, match=r"fixed\.onnx refuses pictures of \(40, 50, 3\)"):
        lpips(network(tmp_path / "fixed.onnx", sides=[1, 3, 64, 64])).measure(picture(50, 40), picture(50, 40))


def test_some_pixels_are_needed(tmp_path):
    metric = lpips(network(tmp_path / "net.onnx"))
    with pytest.raises(ArgumentError, match=r"LPIPS needs sides of 32 pixels or more, not \(31, 40\)"):
        metric.measure(picture(40, 31), picture(40, 31))
