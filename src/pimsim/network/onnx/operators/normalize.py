"""Normalisation of a batch, an affine map by now, and of vectors."""

from math import prod

import numpy as np

from pimsim.network.layers import Function, LayerNorm, Softmax
from pimsim.network.onnx.call import Call, axis_of
from pimsim.network.onnx.layout import Tensor, significant
from pimsim.network.ops import Shape


def batch_norm(call: Call) -> Tensor:
    """gain = scale / √(variance + ε), offset = bias - gain · mean, channel by channel."""
    call.refuse(training_mode=0)
    call.refuse_outputs()
    x = call.tensor()
    scale, bias, mean, variance = (call.constant(index).astype(np.float64) for index in (1, 2, 3, 4))
    gain = scale / np.sqrt(variance + call.get("epsilon", 1e-5))
    channels = (-1, *(1,) * (len(x.shape) - 2))
    return call.builder.affine(call.name, x, call.shape, gain.reshape(channels), (bias - gain * mean).reshape(channels))


def softmax(call: Call) -> Tensor:
    """Over one axis; before opset 13 over all axes from there on."""
    x, rank = call.tensor(), len(call.shape)
    axis = axis_of(call.get("axis", -1 if call.opset >= 13 else 1), rank)
    axes = (axis,) if call.opset >= 13 else tuple(range(axis, rank))
    axes = tuple(each for each in axes if x.shape[each] > 1) or (rank - 1,)
    last = significant(x.shape, x.groups)[-1:]
    if not last or last[0][-len(axes) :] != axes or x.own[-1] != prod(x.shape[each] for each in last[0]):
        x = call.builder.ending(call.name, x, axes)
    parts = x.own[-1] // prod(x.shape[each] for each in axes)
    y = call.builder.make(call.name, Softmax(parts), (x,), x.shape, x.groups)
    if call.op == "Softmax":
        return y
    return call.builder.make(f"{call.name}/log", Function("Log"), (y,), y.shape, y.groups)


def layer_norm(call: Call) -> Tensor:
    call.refuse_outputs()
    x, rank = call.tensor(), len(call.shape)
    axes = tuple(range(axis_of(call.get("axis", -1), rank), rank))
    x = call.builder.ending(call.name, x, _wide(axes, x.shape))
    y = call.builder.make(call.name, LayerNorm(call.get("epsilon", 1e-5)), (x,), x.shape, x.groups)
    gain, offset = (None if a is None else a.astype(np.float64) for a in (call.optional(1), call.optional(2)))
    return call.builder.affine(f"{call.name}/gain", y, call.shape, gain, offset)


def _wide(axes: Shape, shape: Shape) -> Shape:
    """The axes of more than one value; the last if there is none."""
    return tuple(axis for axis in axes if shape[axis] > 1) or axes[-1:]


OPERATORS = {
    "BatchNormalization": batch_norm,
    "Softmax": softmax,
    "LogSoftmax": softmax,
    "LayerNormalization": layer_norm,
}
