"""Models that were quantized before keep their scales and integers, and answer as onnxruntime does."""

from functools import partial

import numpy as np
import pytest

from pimsim.errors import NetworkError
from pimsim.network.grids import input_grid, weight_grid
from pimsim.network.onnx.read import import_model
from pimsim.network.overlap import overlapped
from pimsim.network.quantize import integer_range, quantize, reference

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
node, numpy_helper = onnx.helper.make_node, onnx.numpy_helper
FLOAT, OUTPUT_STEP = 1, 0.03
eight_bits = partial(quantize, weight_bits=8, input_bits=8)


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def integers(*shape, seed=0):
    return np.random.default_rng(seed).integers(-127, 128, shape).astype(np.int8)


def model(nodes, shape, constants, outputs):
    entry = onnx.helper.make_tensor_value_info("x", FLOAT, ["batch", *shape])
    result = onnx.helper.make_tensor_value_info("y", FLOAT, ["batch", outputs])
    tensors = [numpy_helper.from_array(np.asarray(a), name) for name, a in constants.items()]
    graph = onnx.helper.make_graph(nodes, "quantized", [entry], [result], tensors)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)


def rounded(x, name, scale, zero):
    """The pair of nodes that rounds x to a grid, and its constants."""
    constants = {f"{name}_scale": np.float32(scale), f"{name}_zero": zero}
    pair = [
        node("QuantizeLinear", [x, *constants], [f"{name}_q"]),
        node("DequantizeLinear", [f"{name}_q", *constants], [name]),
    ]
    return pair, constants


def convolution(zero):
    """A convolution with padding and a dense layer, with a grid before and after each."""
    first, one = rounded("x", "x_grid", 0.02, zero)
    second, two = rounded("r", "r_grid", 0.015, np.uint8(0))
    last, three = rounded("m", "y", OUTPUT_STEP, np.int8(0))
    own = {
        "w": integers(4, 2, 3, 3), "w_scale": np.float32([1e-3, 2e-3, 5e-3, 8e-3]), "w_zero": np.zeros(4, np.int8),
        "b": drawn(4), "v": integers(36, 5, seed=1), "v_scale": np.float32(4e-3), "flat": np.array([0, -1]),
    }  # fmt: skip
    nodes = [
        *first,
        node("DequantizeLinear", ["w", "w_scale", "w_zero"], ["w_grid"], axis=0),
        node("Conv", ["x_grid", "w_grid", "b"], ["c"], "conv", pads=[1, 1, 1, 1], strides=[2, 2]),
        node("Relu", ["c"], ["r"]),
        *second,
        node("Reshape", ["r_grid", "flat"], ["f"]),
        node("DequantizeLinear", ["v", "v_scale"], ["v_grid"]),
        node("MatMul", ["f", "v_grid"], ["m"], "dense"),
        *last,
    ]
    return model(nodes, (2, 6, 6), own | one | two | three, 5), own


def test_a_quantized_model_answers_as_onnxruntime():
    """To one step of the output, with padding that is not 0; and its scales and integers are those in the file."""
    built, own = convolution(np.uint8(100))
    x, options = drawn(8, 2, 6, 6), runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = runtime.InferenceSession(built.SerializeToString(), options, providers=["CPUExecutionProvider"])
    images = x.transpose(0, 2, 3, 1)
    quantized = eight_bits(import_model(built, "q").with_weights(), images)
    wanted = session.run(None, {"x": x})[0]
    np.testing.assert_allclose(reference(quantized, images), wanted, atol=1.001 * OUTPUT_STEP)
    conv, dense = quantized.layers["conv"], quantized.layers["dense"]
    assert (conv.input_zero, conv.signed_input, conv.input_scale) == (100, False, np.float32(0.02))
    assert (dense.input_zero, dense.signed_input, dense.input_scale) == (0, False, np.float32(0.015))
    np.testing.assert_array_equal(conv.weight_scale, own["w_scale"])
    np.testing.assert_array_equal(conv.matrix, own["w"].transpose(2, 3, 1, 0).reshape(18, 4))
    np.testing.assert_array_equal(dense.weight_scale, np.full(5, own["v_scale"]))


ZEROS = {  # of the model: its zero point; of the chip: zero point, whether signed, and the values that it holds
    "asymmetric": (np.uint8(100), 100, False, (-100, 155)),
    "unsigned": (np.uint8(0), 0, False, (0, 255)),
    "lowest": (np.int8(-128), 0, False, (0, 255)),
    "middle": (np.uint8(128), 0, True, (-127, 127)),
    "signed": (np.int8(0), 0, True, (-127, 127)),
}


@pytest.mark.parametrize(("zero", "shift", "signed", "values"), ZEROS.values(), ids=ZEROS)
def test_zero_points_become_the_chips(zero, shift, signed, values):
    """All values of the model's grid are there, but for the least of one that is symmetric to one step."""
    network = import_model(convolution(zero)[0], "q").with_weights()
    grid = input_grid(network, "conv", 8)
    assert grid == (np.float32(0.02), shift, signed)
    low, high = integer_range(8, signed)
    assert (low - grid.zero, high - grid.zero) == values


def test_several_places_at_a_time_have_the_same_integers():
    """Shifted copies of a kernel bring the steps of its channels along."""
    built, own = convolution(np.uint8(0))
    wide = overlapped(import_model(built, "q").with_weights(), {"conv": (2, 2)})
    matrix = np.asarray(wide.layer("conv").matrix(wide.parameters("conv")[0]))
    found, scale = weight_grid(wide, "conv", matrix, 8)
    np.testing.assert_array_equal(scale, np.tile(own["w_scale"], 4))
    np.testing.assert_array_equal((found * scale).astype(np.float32), matrix)


def test_other_weights_have_no_scales_of_their_own():
    network = import_model(convolution(np.uint8(0))[0], "q").with_weights()
    assert set(network.weight_steps) == {"conv", "dense"}
    assert not network.with_weights(network.weights).weight_steps


def dense(nodes, constants, axis=0, **kind):
    """Weights (5, 4), in rows by output channel, through some nodes to a Gemm or MatMul, and a batch norm."""
    own = {"w": integers(5, 4), "w_scale": np.float32([1, 2, 3, 4, 5]) / 100} | constants
    nodes = [node("DequantizeLinear", ["w", "w_scale"], ["w_grid"], axis=axis, **kind), *nodes]
    return model(nodes, (4,), own, 5), own


GEMM = node("Gemm", ["x", "w_grid"], ["y"], "layer", transB=1)
TURNED = [node("Transpose", ["w_grid"], ["w_turned"]), node("MatMul", ["x", "w_turned"], ["y"], "layer")]
SCALED = [node("Gemm", ["x", "w_grid"], ["g"], "layer", transB=1, alpha=0.5), node("Mul", ["g", "gain"], ["y"])]


@pytest.mark.parametrize(
    ("nodes", "gain"), [([GEMM], 1), (TURNED, 1), (SCALED, np.arange(-1, 4) / 2)], ids=["gemm", "matmul", "scaled"]
)
def test_steps_move_and_grow_with_the_weights(nodes, gain):
    """However a weight comes to its layer, and whatever becomes part of it, its integers are those in the file."""
    built, own = dense(nodes, {"gain": np.float32(2 * gain)} if np.ndim(gain) else {})
    network = import_model(built, "q").with_weights()
    layer = eight_bits(network, drawn(4, 4)).layers["layer"]
    scale = own["w_scale"].astype(np.float64) * gain
    np.testing.assert_array_equal(layer.weight_scale, np.where(scale == 0, 1, scale))
    np.testing.assert_array_equal(layer.matrix, np.where(scale == 0, 0, own["w"].T))


def test_what_the_grid_of_the_chip_cannot_hold_is_refused():
    images = drawn(4, 4)
    wide = import_model(dense([GEMM], {"w": integers(5, 4).astype(np.uint8)})[0], "q").with_weights()
    with pytest.raises(NetworkError, match=r"layer: the model's own weights reach 2\d\d, .* 8 bits ±127"):
        eight_bits(wide, images)
    assert quantize(wide, images, weight_bits=9, input_bits=8).layers["layer"].matrix.max() > 127
    built = convolution(np.uint8(100))[0]
    with pytest.raises(NetworkError, match=r"conv: the model's own inputs .* 256 steps, and 6 bits hold 64"):
        quantize(import_model(built, "q").with_weights(), drawn(1, 6, 6, 2), weight_bits=8, input_bits=6)
    with pytest.raises(NetworkError, match="scales that differ within an output channel"):
        import_model(dense([GEMM], {"w_scale": np.float32([1, 2, 3, 4])}, axis=1)[0], "q")


def test_the_integer_that_symmetric_weights_lack_is_clipped():
    weights = integers(5, 4)
    weights[0, 0] = -128
    network = import_model(dense([GEMM], {"w": weights})[0], "q").with_weights()
    matrix = eight_bits(network, drawn(4, 4)).layers["layer"].matrix
    np.testing.assert_array_equal(matrix, np.maximum(weights.T, -127))


def test_operators_on_quantized_tensors_are_what_they_stand_for():
    """A convolution and a matrix product on integers, which onnxruntime computes on integers as well."""
    constants = {
        "xs": np.float32(0.02), "xz": np.uint8(120), "ys": np.float32(0.03), "yz": np.uint8(128), "zs": np.float32(0.1),
        "zz": np.uint8(130), "w": integers(4, 2, 3, 3), "ws": np.float32([1e-3, 2e-3, 5e-3, 8e-3]),
        "wz": np.zeros(4, np.int8), "b": np.int32([100, -200, 300, 0]), "flat": np.array([0, -1]),
        "v": integers(64, 5, seed=1), "vs": np.float32(4e-3), "vz": np.int8(0),
    }  # fmt: skip
    nodes = [
        node("QuantizeLinear", ["x", "xs", "xz"], ["q"]),
        node("QLinearConv", ["q", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"], ["c"], "conv"),
        node("Reshape", ["c", "flat"], ["f"]),
        node("QLinearMatMul", ["f", "ys", "yz", "v", "vs", "vz", "zs", "zz"], ["m"], "dense"),
        node("DequantizeLinear", ["m", "zs", "zz"], ["y"]),
    ]
    built, x = model(nodes, (2, 6, 6), constants, 5), drawn(8, 2, 6, 6)
    session = runtime.InferenceSession(built.SerializeToString(), providers=["CPUExecutionProvider"])
    images = x.transpose(0, 2, 3, 1)
    quantized = eight_bits(import_model(built, "q").with_weights(), images)
    np.testing.assert_allclose(reference(quantized, images), session.run(None, {"x": x})[0], atol=0.1001)
    assert [layer.input_zero for layer in quantized.layers.values()] == [120, 0]
    np.testing.assert_array_equal(quantized.layers["conv"].weight_scale, constants["ws"])
    np.testing.assert_array_equal(quantized.layers["dense"].matrix, constants["v"])
