"""Matrices on crossbars, and products of two results."""

from collections.abc import Callable
from dataclasses import replace
from math import prod

import numpy as np

from pimsim.errors import NetworkError
from pimsim.network.layers import Conv2d, Dense, MatrixProduct, OverlapAdd
from pimsim.network.layers.rearrange import Tile
from pimsim.network.layers.window import Pair, pair
from pimsim.network.onnx.call import Call
from pimsim.network.onnx.layout import Tensor, shifted, significant, transposed
from pimsim.network.onnx.operators.window import image, padding, pairs
from pimsim.network.ops import Shape


def conv(call: Call) -> Tensor:
    x, w, rank = image(call), call.constant(1), len(call.shape)
    kernel, stride = pairs(list(w.shape[2:]), rank), pairs(call.get("strides"), rank)
    dilation, groups = pairs(call.get("dilations"), rank), call.get("group", 1)
    pads = padding(call, x.own[:2], kernel, stride, dilation)
    layer = Conv2d(w.shape[0], kernel, stride, pads, groups, dilation)
    weight, step = _each(lambda a: a.reshape(*a.shape[:2], *kernel).transpose(2, 3, 1, 0), w, call.step(1))
    return call.builder.make(call.name, layer, (x,), call.shape, x.groups, _arrays(weight, call.optional(2), step))


def conv_transpose(call: Call) -> Tensor:
    """A matrix with a column for each tap and output channel, and results that overlap and are added."""
    x, w, rank = image(call), call.constant(1), len(call.shape)
    kernel, stride = pairs(list(w.shape[2:]), rank), pairs(call.get("strides"), rank)
    dilation, groups = pairs(call.get("dilations"), rank), call.get("group", 1)
    channels = w.shape[1] * groups
    taps, order = (groups, w.shape[0] // groups, w.shape[1], *kernel), (1, 0, 3, 4, 2)
    flat = (1, 1, w.shape[0] // groups, -1)
    weight, step = _each(lambda a: a.reshape(taps).transpose(order).reshape(flat), w, call.step(1))
    matrix = Conv2d(weight.shape[-1], 1, groups=groups)
    hidden = (1, weight.shape[-1], *call.tensor().shape[2:])
    made = call.builder.make(f"{call.name}/matrix", matrix, (x,), hidden, x.groups, _arrays(weight, None, step))
    pads = _cut(call, x.own[:2], kernel, stride, dilation)
    layer = OverlapAdd(channels, kernel, stride, pads, groups, dilation)
    y = call.builder.make(call.name, layer, (made,), call.shape, x.groups)
    bias = call.optional(2)
    if bias is None:
        return y
    return call.builder.affine(f"{call.name}/bias", y, call.shape, None, bias.reshape(-1, *(1,) * (rank - 2)))


def _cut(call: Call, size: tuple[int, ...], kernel: Pair, stride: Pair, dilation: Pair) -> tuple[Pair, Pair]:
    """What a transposed convolution leaves out at each side, so that the output has its size."""
    rank, auto = len(call.shape), call.text("auto_pad", "NOTSET")
    whole = [(n - 1) * s + (k - 1) * d + 1 for n, s, k, d in zip(size, stride, kernel, dilation, strict=True)]
    wanted = pairs(list(call.shape[2:]), rank)
    given = padding(call, size, kernel, stride, dilation) if auto == "NOTSET" else ((0, 0), (0, 0))
    sides = []
    for axis in (0, 1):
        total = whole[axis] - wanted[axis]
        begin = pair(given[axis])[0]
        if auto != "NOTSET" or call.get("output_shape"):
            begin = (total + 1) // 2 if auto == "SAME_LOWER" else total // 2
            begin = begin if auto != "NOTSET" else total - total // 2 if total % 2 and total < 0 else begin
        sides.append((begin, total - begin))
    return sides[0], sides[1]


def gemm(call: Call) -> Tensor:
    alpha, beta = call.get("alpha", 1.0), call.get("beta", 1.0)
    swap = call.get("transA", 0), call.get("transB", 0)
    a, b, c = call.input(0), call.input(1), call.input(2)
    a, b = (_swapped(value) if turn else value for value, turn in zip((a, b), swap, strict=True))
    steps = [s if s is None or not turn else s.T for s, turn in zip((call.step(0), call.step(1)), swap, strict=True)]
    y = multiply(replace(call, inputs=[a, b], steps=steps))
    if alpha != 1.0:
        y = call.builder.affine(f"{call.name}/alpha", y, call.shape, np.asarray(alpha), None)
    if isinstance(c, np.ndarray):
        y = call.builder.affine(f"{call.name}/bias", y, call.shape, None, c.astype(np.float64) * beta)
    elif c is not None:
        raise NetworkError("", "Gemm: input 2 must be constant")
    return y


def _swapped(value: Tensor | np.ndarray | None) -> Tensor | np.ndarray | None:
    """A matrix with its axes exchanged."""
    if isinstance(value, Tensor):
        return replace(value, shape=value.shape[::-1], groups=transposed(value.groups, (1, 0)))
    return None if value is None else value.T


def multiply(call: Call) -> Tensor:
    """A result by a constant is a matrix on crossbars; a result by a result is a product of the digital units."""
    a, b = call.input(0), call.input(1)
    if isinstance(a, Tensor) and isinstance(b, np.ndarray):
        return _by_matrix(call, a, b, call.step(1), len(a.shape) - 1)
    if isinstance(a, np.ndarray) and isinstance(b, Tensor):
        w, step = _each(lambda w: w.swapaxes(-1, -2) if w.ndim > 1 else w, a, call.step(0))
        return _by_matrix(call, b, w, step, max(len(b.shape) - 2, 0))
    return _product(call, call.tensor(0), call.tensor(1))


def _by_matrix(call: Call, x: Tensor, w: np.ndarray, step: np.ndarray | None, axis: int) -> Tensor:
    """Sum over an axis of x with the first axis of w, whose second takes its place."""
    if prod(w.shape[:-2]) > 1:
        return _by_matrices(call, x, w, step, len(x.shape) - 1 - axis)
    cols = w.shape[-1] if w.ndim > 1 else 1
    matrix, step = _each(lambda a: a.reshape(-1, cols), w, step)
    x = call.builder.ending(call.name, x, (axis,))
    layer = Dense(cols)
    if len(x.own) == 3:
        layer = Conv2d(cols, 1)
        matrix = matrix[None, None]
    elif len(x.own) > 3:
        x = call.builder.laid(call.name, x, (tuple(a for group in x.groups[:-1] for a in group), (axis,)))
    shape = tuple(cols if a == axis else size for a, size in enumerate(x.shape))
    made = call.builder.make(call.name, layer, (x,), shape, x.groups, _arrays(matrix, None, step))
    return call.builder.relabelled(call.name, made, call.shape)


def _by_matrices(call: Call, x: Tensor, w: np.ndarray, step: np.ndarray | None, other: int) -> Tensor:
    """A matrix for each head, side by side in one that is block-diagonal; `other` is 0 where the sum is over the last
    axis, and 1 where it is over the one before."""
    x = call.builder.relabelled(call.name, x, (1, *x.shape) if not other else (*x.shape, 1)) if len(x.shape) == 1 else x
    batch: Shape = np.broadcast_shapes(x.shape[:-2], w.shape[:-2])
    x = _with_batch(call, x, batch)
    rank, heads, (rows, cols) = len(x.shape), prod(batch), w.shape[-2:]
    full, order = (*batch, rows, cols), (1, 0, 2)
    weight, step = _each(
        lambda a: np.broadcast_to(a, full).reshape(heads, rows, cols).transpose(order).reshape(1, 1, rows, -1), w, step
    )
    summed, kept = (rank - 2, rank - 1) if other else (rank - 1, rank - 2)
    groups = ((), (kept,), (*range(rank - 2), summed))
    x = call.builder.laid(call.name, x, groups)
    layer = Conv2d(heads * cols, 1, groups=heads)
    arrays = _arrays(weight, None, step)
    shape = tuple(cols if axis == summed else size for axis, size in enumerate(x.shape))
    made = call.builder.make(call.name, layer, (x,), shape, groups, arrays)
    return call.builder.relabelled(call.name, made, call.shape)


def _product(call: Call, a: Tensor, b: Tensor) -> Tensor:
    """Products over the last axes, head by head."""
    a = call.builder.relabelled(call.name, a, (1, *a.shape)) if len(a.shape) == 1 else a
    b = call.builder.relabelled(call.name, b, (*b.shape, 1)) if len(b.shape) == 1 else b
    rank = max(len(a.shape), len(b.shape))
    batch: Shape = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a, b = (_with_batch(call, each, batch) for each in (a, b))
    heads, row, col = tuple(range(rank - 2)), rank - 2, rank - 1
    left = call.builder.laid(call.name, a, ((row,), (*heads, col)))
    turned = significant(b.shape, b.groups) == significant(b.shape, ((col,), (*heads, row)))
    right = call.builder.laid(f"{call.name}/right", b, ((col,), (*heads, row)) if turned else ((row,), (*heads, col)))
    shape = (*batch, a.shape[-2], b.shape[-1])
    layer = MatrixProduct(prod(batch), turned)
    made = call.builder.make(call.name, layer, (left, right), shape, ((row,), (*heads, col)))
    return call.builder.relabelled(call.name, made, call.shape)


def _with_batch(call: Call, tensor: Tensor, batch: tuple[int, ...]) -> Tensor:
    """The tensor with all of the heads, repeated where it has one for all."""
    by = len(batch) + 2 - len(tensor.shape)
    tensor = replace(tensor, shape=(1,) * by + tensor.shape, groups=shifted(tensor.groups, by))
    steps = [Tile(axis, size) for axis, size in enumerate(batch) if tensor.shape[axis] < size]
    return call.builder.along(f"{call.name}/repeat", tensor, steps, (*batch, *tensor.shape[-2:]))


def _each(
    move: Callable[[np.ndarray], np.ndarray], weight: np.ndarray, step: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """The weight, and the distances on its grid if it has one, moved alike."""
    return move(weight), None if step is None else move(step)


def _arrays(weight: np.ndarray, bias: np.ndarray | None, step: np.ndarray | None) -> dict[str, np.ndarray]:
    arrays = {"weight": weight, "bias": np.zeros(weight.shape[-1]) if bias is None else bias.astype(np.float64)}
    if step is None:
        return arrays
    columns = step.reshape(-1, step.shape[-1])
    if np.any(columns != columns[0]):
        raise NetworkError("", "scales that differ within an output channel are not supported", "Use one a channel.")
    return arrays | {"step": columns[0].astype(np.float64)}


OPERATORS = {"Conv": conv, "ConvTranspose": conv_transpose, "Gemm": gemm, "MatMul": multiply}
