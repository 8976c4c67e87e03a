"""Operators on quantized tensors, as the rounding and the float operator that they stand for."""

from collections.abc import Iterable, Iterator
from typing import Any


def expanded(nodes: Iterable[Any]) -> list[Any]:
    """The nodes with QLinearConv and QLinearMatMul as DequantizeLinear, Conv or MatMul, and QuantizeLinear."""
    return [each for node in nodes for each in (_parts(node) if node.op_type in PRODUCTS else (node,))]


PRODUCTS = {"QLinearConv": "Conv", "QLinearMatMul": "MatMul"}


def _parts(node: Any) -> Iterator[Any]:
    from onnx.helper import make_node

    name, (a, a_scale, a_zero, b, b_scale, b_zero, scale, zero, *bias) = node.name or node.output[0], node.input
    axis = 0 if node.op_type == "QLinearConv" else 1
    floats = [f"{name}/a", f"{name}/b"]
    yield make_node("DequantizeLinear", [a, a_scale, a_zero], floats[:1], floats[0])
    yield make_node("DequantizeLinear", [b, b_scale, b_zero], floats[1:], floats[1], axis=axis)
    if bias and bias[0]:
        yield make_node("Mul", [a_scale, b_scale], [f"{name}/bias_scale"])
        yield make_node("DequantizeLinear", [bias[0], f"{name}/bias_scale"], [f"{name}/bias"], axis=0)
        floats.append(f"{name}/bias")
    product = make_node(PRODUCTS[node.op_type], floats, [f"{name}/y"], name)
    product.attribute.extend(node.attribute)
    yield product
    yield make_node("QuantizeLinear", [f"{name}/y", scale, zero], [node.output[0]], f"{name}/rounded")
