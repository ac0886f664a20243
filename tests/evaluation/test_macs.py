"""Work and size of small graphs and integer networks that can be counted by hand."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from semapix.bundle import Bundle
from semapix.errors import ArgumentError
from semapix.evaluation.macs import Cost, entropy_cost, graph_cost


def graph(kind: str, weight: tuple[int, ...], shape: list[int | str], **attributes: object) -> bytes:
    """A graph of one product with a half-precision weight, as bundles have them."""
    initializer = numpy_helper.from_array(np.zeros(weight, np.float16), "half")
    nodes = [
        helper.make_node("Cast", ["half"], ["weight"], to=TensorProto.FLOAT),
        helper.make_node(kind, ["x", "weight"], ["y"], **attributes),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    model = helper.make_model(helper.make_graph(nodes, "g", [x], [y], [initializer]))
    model.opset_import[0].version = 18
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("content", "shape", "macs", "parameters"),
    [
        (graph("Conv", (8, 3, 3, 3), [1, 3, "h", "w"], pads=[1, 1, 1, 1]), (1, 3, 10, 20), 8 * 27 * 200, 216),
        (graph("Conv", (8, 3, 2, 2), [1, 3, "h", "w"], strides=[2, 2]), (1, 3, 10, 20), 8 * 12 * 50, 96),
        (graph("Conv", (6, 1, 3, 3), [1, 6, 4, 4], group=6, pads=[1, 1, 1, 1]), (1, 6, 4, 4), 6 * 9 * 16, 54),
        (graph("ConvTranspose", (4, 2, 2, 2), [1, 4, 3, 5], strides=[2, 2]), (1, 4, 3, 5), 4 * 8 * 15, 32),
        (graph("Gemm", (7, 12), [1, 12], transB=1), (1, 12), 84, 84),
        (graph("MatMul", (12, 7), [2, 5, 12]), (2, 5, 12), 2 * 5 * 84, 84),
    ],
)
def test_single_products(content, shape, macs, parameters):
    assert graph_cost(content, [shape]) == Cost(macs, parameters)


def test_wrong_inputs_are_refused():
    content = graph("Gemm", (12, 7), [1, 12])
    with pytest.raises(ArgumentError, match="takes 1 inputs, not 2"):
        graph_cost(content, [(1, 12), (1, 12)])


def test_integer_networks():
    def convolution(outputs: int, inputs: int, size: int) -> dict[str, np.ndarray]:
        return {"weight": np.zeros((outputs, inputs, size, size), np.int16), "bias": np.zeros(outputs, np.int32)}

    networks = {
        "hyper.0": convolution(8, 2, 3),
        "hyper.2": convolution(8, 2, 3),
        "first.0": convolution(4, 2, 1),
        "context.0": convolution(2, 2, 3),
        "second.0": convolution(4, 4, 1),
    }
    arrays = {f"{name}.{part}": array for name, parts in networks.items() for part, array in parts.items()}
    arrays |= {"hyper.1.shuffle": np.uint8(2), "hyper.3.shuffle": np.uint8(2)}
    hyper = 8 * 18 * (2 * 3) + 8 * 18 * (4 * 6)  # a hyper-latent of 2x3, enlarged once
    others = (4 * 2 + 2 * 18 + 4 * 4) * (8 * 12)
    assert entropy_cost(arrays, 8, 12).macs == hyper + others
    assert entropy_cost(arrays, 8, 12).parameters == (8 * 18 + 8) * 2 + (8 + 4) + (36 + 2) + (16 + 4)
    with pytest.raises(ArgumentError, match="no network 'hyper'"):
        entropy_cost({}, 8, 12)


def test_every_graph_of_a_bundle_can_be_counted(tiny_bundle):
    bundle = Bundle(tiny_bundle)
    counted = 0
    for name in bundle.graph_names:
        content = bundle.graph(name)
        shapes = [
            [
                dimension.dim_value or (64 if entry.type.tensor_type.shape.dim[1].dim_value == 3 else 4)
                for dimension in entry.type.tensor_type.shape.dim
            ]
            for entry in onnx.load_model_from_string(content).graph.input
        ]
        cost = graph_cost(content, shapes)
        assert cost.macs > 0
        assert cost.parameters > 0
        counted += 1
    assert counted >= 20
