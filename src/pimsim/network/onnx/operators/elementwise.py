"""Functions of a value, and of the values at one place of several tensors."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import prod

import numpy as np

from pimsim.errors import NetworkError
from pimsim.network.layers import (
    AbstractLayer,
    Add,
    Arithmetic,
    Function,
    Gelu,
    LeakyRelu,
    Multiply,
    Relu,
    Relu6,
    Sigmoid,
    Tanh,
)
from pimsim.network.onnx.call import Call
from pimsim.network.onnx.layout import Groups, Tensor, held, natural, own_shape, shifted
from pimsim.network.ops import Shape

SAME = {"add": Add(), "multiply": Multiply()}
"""The layers for tensors of one shape."""
NEUTRAL = {"maximum": -np.inf, "minimum": np.inf}
"""What changes nothing, and could not be held as a constant."""
FLOATS, INTEGERS = (1, 10, 11, 16), (2, 3, 4, 5, 6, 7, 12, 13)
"""ONNX's numbers of element types."""
GRIDS = {
    2: (0.0, 255.0), 3: (-128.0, 127.0), 4: (0.0, 65535.0), 5: (-32768.0, 32767.0), 21: (0.0, 15.0), 22: (-8.0, 7.0),
}  # fmt: skip
"""The least and the greatest whole number of those that are rounded to."""


def unary(make: Callable[[Call], AbstractLayer], call: Call) -> Tensor:
    x = call.tensor()
    return replace(call.builder.make(call.name, make(call), (x,), x.shape, x.groups), kind=call.kinds[0])


def function(name: str, call: Call, **defaults: float) -> Tensor:
    """A function whose numbers are attributes, with these defaults."""
    numbers = tuple(float(call.get(attribute, default)) for attribute, default in defaults.items())
    return unary(lambda _: Function(name, numbers), call)


def clip(call: Call) -> Tensor:
    """Bounds are attributes before opset 11, inputs after."""
    bounds = [call.optional(index) for index in (1, 2)]
    low, high = (
        float(call.get(name, default) if bound is None else bound)
        for name, default, bound in zip(("min", "max"), (-np.inf, np.inf), bounds, strict=True)
    )
    return unary(lambda _: Relu6() if (low, high) == (0, 6) else Function("Clip", (low, high)), call)


def gelu(call: Call) -> Tensor:
    return unary(lambda c: Gelu() if c.text("approximate", "none") == "none" else Function("GeluTanh"), call)


def cast(call: Call) -> Tensor:
    """Our values are float32 whatever the model calls them; only the way to whole numbers changes any."""
    x = call.tensor()
    if call.kinds[0] not in FLOATS + INTEGERS:
        raise NetworkError("", f"Cast: element type {call.kinds[0]} is not supported")
    if x.kind in FLOATS and call.kinds[0] in INTEGERS:
        return unary(lambda _: Function("Truncate"), call)
    return call.same(x)


def quantize(call: Call) -> Tensor:
    """To whole numbers, as floats: the model's own scale and zero point, one for the tensor."""
    step, zero = call.constant(1), call.optional(2)
    if step.size != 1 or call.kinds[0] not in GRIDS:
        fact = "QuantizeLinear: one scale and whole numbers of 4, 8 or 16 bits are supported for results of the network"
        raise NetworkError("", fact)
    numbers = float(step.reshape(())), float(0 if zero is None else zero.reshape(())), *GRIDS[call.kinds[0]]
    return unary(lambda _: Function("Quantize", numbers), call)


def dequantize(call: Call) -> Tensor:
    """(x - zero) · scale; with the rounding before it, to the same grid, one function."""
    step, zero = call.constant(1).astype(np.float64), call.optional(2)
    if step.size != 1:
        raise NetworkError("", "DequantizeLinear: one scale is supported for results of the network")
    step, shift = step.reshape(()), float(0 if zero is None else zero.reshape(()))
    before = call.builder.nodes.get(call.tensor().source)
    rounding = before.layer if before and isinstance(before.layer, Function) else None
    if before and rounding and rounding.name == "Quantize" and rounding.numbers[:2] == (float(step), shift):
        x, layer = replace(call.tensor(), source=before.inputs[0]), Function("FakeQuantize", rounding.numbers)
        return replace(call.builder.make(call.name, layer, (x,), x.shape, x.groups), kind=call.kinds[0])
    offset = None if zero is None else np.asarray(-shift * step)
    return replace(call.builder.affine(call.name, call.tensor(), call.shape, step, offset), kind=call.kinds[0])


def combine(name: str, call: Call) -> Tensor:
    """A function of two or more inputs, of which any but one may be constant; the first two, then the result and the
    next."""
    values = list(call.inputs)
    if name == "divide" and call.kinds[0] not in FLOATS:
        raise NetworkError("", "Div: whole numbers are not divided")
    if len(values) == 1:
        return call.same(call.tensor())
    if all(isinstance(v, Tensor) and v.shape == call.shape for v in values) and name == "add" and len(values) > 2:
        groups = call.tensor().groups
        tensors = [call.builder.laid(f"{call.name}/{i}", v, groups) for i, v in enumerate(values)]  # pyright: ignore
        return call.builder.make(call.name, Add(), tensors, call.shape, groups)
    found = values[0]
    for index, value in enumerate(values[1:]):
        label = call.name if index == len(values) - 2 else f"{call.name}/{index}"
        if isinstance(found, np.ndarray) and isinstance(value, np.ndarray):
            found = {"add": np.add, "multiply": np.multiply, "maximum": np.maximum, "minimum": np.minimum}[name](
                found, value
            )
        else:
            found = two(name, call, label, found, value)
    assert isinstance(found, Tensor)
    return found


def two(name: str, call: Call, label: str, a: Tensor | np.ndarray | None, b: Tensor | np.ndarray | None) -> Tensor:
    """A function of two inputs, at least one a result."""
    shapes = [v.shape for v in (a, b) if v is not None]
    shape = np.broadcast_shapes(*shapes)
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return _tensors(name, call, label, a, b, shape)
    x, constant, first = (a, b, False) if isinstance(a, Tensor) else (b, a, True)
    assert isinstance(x, Tensor)
    assert isinstance(constant, np.ndarray)
    wide = constant.astype(np.float64)
    affine = {
        ("add", False): (None, wide),
        ("add", True): (None, wide),
        ("subtract", False): (None, -wide),
        ("multiply", False): (wide, None),
        ("multiply", True): (wide, None),
    }
    if name == "divide" and not first:
        affine[name, first] = (1 / wide, None)
    if (name, first) in affine:
        return call.builder.affine(label, x, shape, *affine[name, first])
    if name in NEUTRAL and x.shape == shape and np.all(constant == NEUTRAL[name]):
        return x
    groups = _groups(x, shape)
    x = call.builder.aligned(label, x, shape, groups)
    own = held(wide, shape, groups)
    layer = Arithmetic(name, own.shape, first)
    made = call.builder.make(label, layer, (x,), shape, groups, {"constant": own})
    return _full(call, label, made, x, own.shape)


def _full(call: Call, label: str, made: Tensor, x: Tensor, constant: Shape) -> Tensor:
    """The tensor with our axes of size 1 that both sides left out."""
    short = np.broadcast_shapes(x.own, constant)
    return made if short == made.own else replace(made, groups=made.groups[len(made.own) - len(short) :])


def _tensors(name: str, call: Call, label: str, a: Tensor, b: Tensor, shape: Shape) -> Tensor:
    if a.source == b.source and a.own == b.own and a.groups == b.groups and name == "multiply":
        return call.builder.make(label, Multiply(), (a, b), shape, a.groups)
    large = a if prod(a.shape) >= prod(b.shape) else b
    groups = _groups(large, shape)
    left, right = (call.builder.aligned(f"{label}/{i}", v, shape, groups) for i, v in enumerate((a, b)))
    same = left.own == right.own == own_shape(shape, groups)
    layer = SAME[name] if same and name in SAME else Arithmetic(name)
    made = call.builder.make(label, layer, (left, right), shape, groups)
    return _full(call, label, made, left, right.own)


def _groups(x: Tensor, shape: Shape) -> Groups:
    """The layout of what x repeats to: its own where it has that shape already."""
    return shifted(x.groups, len(shape) - len(x.shape)) if prod(x.shape) == prod(shape) else natural(shape)


def compare(name: str, call: Call) -> Tensor:
    """1 where it holds, 0 elsewhere."""
    return replace(two(name, call, call.name, call.input(0), call.input(1)), kind=call.kinds[0])


def prelu(call: Call) -> Tensor:
    slope = call.constant(1)
    if slope.size == 1:
        return unary(lambda _: LeakyRelu(float(slope.reshape(()))), call)
    return two("prelu", call, call.name, call.tensor(), slope)


def mean(call: Call) -> Tensor:
    total = combine("add", call)
    return call.builder.affine(f"{call.name}/mean", total, call.shape, np.asarray(1 / len(call.inputs)), None)


OPERATORS = {
    "Relu": partial(unary, lambda _: Relu()),
    "LeakyRelu": partial(unary, lambda call: LeakyRelu(call.get("alpha", 0.01))),
    "PRelu": prelu,
    "Sigmoid": partial(unary, lambda _: Sigmoid()),
    "Tanh": partial(unary, lambda _: Tanh()),
    "Gelu": gelu,
    "Clip": clip,
    "Celu": partial(function, "Celu", alpha=1.0),
    "Elu": partial(function, "Elu", alpha=1.0),
    "Selu": partial(function, "Selu", alpha=1.67326319217681884765625, gamma=1.05070102214813232421875),
    "HardSigmoid": partial(function, "HardSigmoid", alpha=0.2, beta=0.5),
    "ThresholdedRelu": partial(function, "ThresholdedRelu", alpha=1.0),
    "Swish": partial(function, "Swish", alpha=1.0),
    **{
        name: partial(function, name)
        for name in ("Abs", "Erf", "Exp", "HardSwish", "Log", "Mish", "Neg", "Reciprocal", "Round", "Softplus")
    },
    "Softsign": partial(function, "Softsign"),
    "Sqrt": partial(function, "Sqrt"),
    "Add": partial(combine, "add"),
    "Sum": partial(combine, "add"),
    "Sub": partial(combine, "subtract"),
    "Mul": partial(combine, "multiply"),
    "Div": partial(combine, "divide"),
    "Pow": partial(combine, "power"),
    "Max": partial(combine, "maximum"),
    "Min": partial(combine, "minimum"),
    "Mean": mean,
    "Equal": partial(compare, "equal"),
    "Greater": partial(compare, "greater"),
    "GreaterOrEqual": partial(compare, "greater_equal"),
    "Less": partial(compare, "less"),
    "LessOrEqual": partial(compare, "less_equal"),
    "Cast": cast,
    "QuantizeLinear": quantize,
    "DequantizeLinear": dequantize,
}
