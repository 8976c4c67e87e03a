"""What is known before any image comes: constants computed by onnx's reference evaluation, shapes by its inference."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from pimsim.errors import NetworkError
from pimsim.network.ops import Shape

MAX_VALUES = 2**29
"""Of one folded constant: a model of a few bytes can ask for any number."""
MAX_SHAPE_VALUES = 4096
"""Of a constant that shape inference is shown: those that say shapes are short."""
FOLDED = frozenset((
    "Abs", "Add", "And", "ArgMax", "ArgMin", "BatchNormalization", "Cast", "CastLike", "Ceil", "Clip", "Concat",
    "Constant", "ConstantOfShape", "Cos", "CumSum", "DequantizeLinear", "Div", "Equal", "Erf", "Exp", "Expand",
    "EyeLike", "Flatten", "Floor", "Gather", "GatherElements", "GatherND", "Gemm", "Greater", "GreaterOrEqual",
    "Identity", "IsNaN", "Less", "LessOrEqual", "Log", "MatMul", "Max", "Min", "Mod", "Mul", "Neg", "Not", "OneHot",
    "Or", "Pad", "Pow", "QuantizeLinear", "Range", "Reciprocal", "ReduceMax", "ReduceMean", "ReduceMin",
    "ReduceProd", "ReduceSum", "Relu", "Reshape", "Round", "ScatterElements", "ScatterND", "Shape", "Sigmoid",
    "Sign", "Sin", "Size", "Slice", "Softmax", "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Tanh", "Tile",
    "Transpose", "Trilu", "Unsqueeze", "Where", "Xor",
))  # fmt: skip
"""Operators that are computed where all their inputs are constant."""
MOVES = ("Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
"""Those that move values and change none."""
SINCE = {"DequantizeLinear": 19, "QuantizeLinear": 19}
"""The opset from which onnx evaluates those that mean the same in older ones."""
GROWING = ("EyeLike", "Expand", "Gather", "MatMul", "OneHot", "Pad", "Range", "Tile")
"""Those of them that make more values than they read."""


def is_foldable(node: Any) -> bool:
    return node.domain in ("", "ai.onnx") and node.op_type in FOLDED


def fold(node: Any, inputs: Sequence[np.ndarray | None], opset: int) -> list[np.ndarray]:
    """What a node makes of constants; NetworkError where that is too much, or cannot be."""
    from onnx.reference import ReferenceEvaluator

    feeds = {name: array for name, array in zip(node.input, inputs, strict=True) if name and array is not None}
    if node.op_type in GROWING:
        made = output_types(node, {name: type_of(array) for name, array in feeds.items()}, feeds, opset)
        if any(shape is None or prod(shape) > MAX_VALUES for _, shape in made.values()):
            raise NetworkError("", f"{node.op_type} makes a constant of more than {MAX_VALUES:,} values")
    if node.op_type == "ConstantOfShape":  # which are repeated, not stored
        from onnx.numpy_helper import to_array

        value = to_array(node.attribute[0].t) if node.attribute else np.zeros(1, np.float32)
        assert inputs[0] is not None
        return [np.broadcast_to(value.reshape(()), tuple(inputs[0].tolist()))]
    if node.op_type in SINCE:
        opset = max(opset, SINCE[node.op_type])
    try:
        made = ReferenceEvaluator(_alone(node, feeds, opset)).run(None, feeds)
    except Exception as error:  # whatever the evaluation of a malformed node meets
        raise NetworkError("", f"{node.op_type} of constants cannot be computed: {_first_line(error)}") from None
    return [np.asarray(each) for each in made]


def grid_steps(
    node: Any, inputs: Sequence[np.ndarray | None], steps: Sequence[np.ndarray | None], made: np.ndarray, opset: int
) -> np.ndarray | None:
    """The distance of the points of the grid that a folded constant lies on, value by value; None if there is none."""
    if node.op_type in MOVES and steps and steps[0] is not None:
        (moved,) = fold(node, [steps[0], *inputs[1:]], opset)
        return moved
    if node.op_type != "DequantizeLinear" or inputs[1] is None:
        return None
    scale, shape, numbers = np.asarray(inputs[1], np.float32), made.shape, {a.name: a.i for a in node.attribute}
    if scale.size == 1:
        return np.broadcast_to(scale.reshape(()), shape)
    axis = numbers.get("axis", 1) % len(shape)
    if scale.ndim > 1:  # in blocks
        return scale.repeat(numbers["block_size"], axis).take(range(shape[axis]), axis)
    return np.broadcast_to(scale.reshape(-1, *(1,) * (len(shape) - axis - 1)), shape)


def _alone(node: Any, feeds: Mapping[str, np.ndarray], opset: int) -> Any:
    """A model of this node only."""
    from onnx.helper import make_graph, make_model, make_opsetid, make_tensor_value_info, np_dtype_to_tensor_dtype

    inputs = [make_tensor_value_info(n, np_dtype_to_tensor_dtype(a.dtype), a.shape) for n, a in feeds.items()]
    outputs = [make_tensor_value_info(name, 0, None) for name in node.output if name]
    return make_model(make_graph([node], "constant", inputs, outputs), opset_imports=[make_opsetid("", opset)])


def type_of(array: np.ndarray) -> Any:
    """ONNX's type of an array."""
    from onnx.helper import make_tensor_type_proto, np_dtype_to_tensor_dtype

    return make_tensor_type_proto(np_dtype_to_tensor_dtype(array.dtype), array.shape)


def output_types(
    node: Any, types: Mapping[str, Any], constants: Mapping[str, np.ndarray], opset: int
) -> dict[str, tuple[int, Shape | None]]:
    """The element type and the shape of each output; None where inference cannot tell."""
    import onnx
    from onnx.numpy_helper import from_array

    version = onnx.helper.make_opsetid("", opset)
    try:
        schema = onnx.defs.get_schema(node.op_type, opset, node.domain)
        data = {
            name: from_array(np.ascontiguousarray(array), name)
            for name, array in constants.items()
            if array.size <= MAX_SHAPE_VALUES
        }
        found = onnx.shape_inference.infer_node_outputs(schema, node, dict(types), data, opset_imports=[version])
    except Exception as error:  # onnx raises its own classes from C++
        raise NetworkError("", f"the shapes of {node.op_type} do not fit: {_first_line(error)}") from None
    return {name: (kind.tensor_type.elem_type, _fixed(kind.tensor_type)) for name, kind in found.items()}


def _fixed(kind: Any) -> Shape | None:
    if not kind.HasField("shape") or not all(dim.HasField("dim_value") for dim in kind.shape.dim):
        return None
    return tuple(dim.dim_value for dim in kind.shape.dim)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:200]
