"""Moves: most rename axes and move nothing."""

from dataclasses import replace

import numpy as np

from pimsim.errors import NetworkError
from pimsim.network.layers import Concat, Join, Lookup
from pimsim.network.layers.rearrange import AbstractStep, Pad, Slice, Take, Tile
from pimsim.network.onnx.call import Call, axis_of
from pimsim.network.onnx.layout import Tensor, flat, natural, shifted, significant, transposed


def alias(call: Call) -> list[Tensor | None]:
    """The input itself; Dropout's mask is refused, and so is Dropout that trains."""
    call.refuse_outputs()
    if call.op == "Dropout" and np.any(call.optional(2)):
        raise NetworkError("", "Dropout: training_mode=1 is not supported")
    return [call.same(call.tensor()), *[None] * (len(call.shapes) - 1)]


def reshape(call: Call) -> Tensor:
    return call.builder.relabelled(call.name, call.tensor(), call.shape)


def transpose(call: Call) -> Tensor:
    x = call.tensor()
    order = tuple(call.get("perm", range(len(x.shape))[::-1]))
    return replace(x, shape=call.shape, groups=transposed(x.groups, order))


def concat(call: Call) -> Tensor:
    """Constants are put in place by padding and adding."""
    axis, builder = axis_of(call.get("axis", 1), len(call.shape)), call.builder
    tensors = [value for value in call.inputs if isinstance(value, Tensor)]
    if len(tensors) < len(call.inputs):
        return _with_constants(call, axis)
    if len(tensors) == 1:
        return call.same(tensors[0])
    large = max(tensors, key=lambda tensor: tensor.shape[axis])
    groups = large.groups if (axis,) in large.groups else natural(call.shape)
    laid = [builder.laid(f"{call.name}/{index}", tensor, groups) for index, tensor in enumerate(tensors)]
    place = groups.index((axis,))
    last = place == len(groups) - 1
    return builder.make(call.name, Concat() if last else Join(place), laid, call.shape, groups)


def _with_constants(call: Call, axis: int) -> Tensor:
    tensors, start, total = [], 0, None
    for index, value in enumerate(call.inputs):
        assert value is not None
        size = value.shape[axis]
        after = call.shape[axis] - start - size
        if isinstance(value, Tensor):
            step = Pad(axis, start, after)
            tensors.append(call.builder.along(f"{call.name}/{index}", value, [step], call.shape))
        else:
            pads = [(start, after) if each == axis else (0, 0) for each in range(len(call.shape))]
            padded = np.pad(value.astype(np.float64), pads)
            total = padded if total is None else total + padded
        start += size
    if len(tensors) > 1:
        raise NetworkError("", "Concat: several results together with constants are not supported")
    return call.builder.affine(call.name, tensors[0], call.shape, None, total)


def split(call: Call) -> list[Tensor | None]:
    x, start, made = replace(call.tensor(), alone=False), 0, []
    axis = axis_of(call.get("axis", 0), len(x.shape))
    for index, (shape, used) in enumerate(zip(call.shapes, call.used, strict=True)):
        step = Slice(axis, start, 1, shape[axis])
        made.append(call.builder.along(f"{call.name}/{index}", x, [step], shape) if used else None)
        start += shape[axis]
    return made


def cut(call: Call) -> Tensor:
    """Slice."""
    x = call.tensor()
    starts, ends = call.ints("starts", 1), call.ints("ends", 2)
    assert starts is not None
    assert ends is not None
    axes = call.ints("axes", 3) or list(range(len(starts)))
    strides = call.ints("steps", 4) or [1] * len(starts)
    steps: list[AbstractStep] = []
    for start, end, axis, stride in zip(starts, ends, axes, strides, strict=True):
        axis = axis_of(axis, len(x.shape))
        first, stop, step = slice(start, end if end > -(2**31) else None, stride).indices(x.shape[axis])
        count = len(range(first, stop, step))
        if (first, step, count) != (0, 1, x.shape[axis]):
            steps.append(Slice(axis, first, step, count))
    return call.builder.along(call.name, x, steps, call.shape)


def pad(call: Call) -> Tensor:
    """Axis by axis; mode and pads are attributes before opset 11."""
    x, rank = call.tensor(), len(call.shape)
    pads, value = call.ints("pads", 1), call.optional(2)
    assert pads is not None
    axes = [axis_of(axis, rank) for axis in (call.ints("axes", 3) or range(len(pads) // 2))]
    fill = float(call.get("value", 0.0) if value is None else value.reshape(-1)[0])
    mode = call.text("mode", "constant")
    if mode not in ("constant", "reflect", "edge", "wrap"):
        raise NetworkError("", f"Pad: mode={mode} is not supported")
    half = len(pads) // 2
    sides = zip(axes, pads[:half], pads[half:], strict=True)
    steps = [Pad(axis, before, after, mode, fill) for axis, before, after in sides if before or after]
    return call.builder.along(call.name, x, steps, call.shape)


def expand(call: Call) -> Tensor:
    x, shape = call.tensor(), call.shape
    by = len(shape) - len(x.shape)
    x = replace(x, shape=(1,) * by + x.shape, groups=shifted(x.groups, by))
    steps = [Tile(axis, size) for axis, (old, size) in enumerate(zip(x.shape, shape, strict=True)) if old != size]
    return call.builder.along(call.name, x, steps, shape)


def tile(call: Call) -> Tensor:
    times = call.constant(1).tolist()
    steps = [Tile(axis, count) for axis, count in enumerate(times) if count != 1]
    return call.builder.along(call.name, call.tensor(), steps, call.shape)


def gather(call: Call) -> Tensor:
    """Constant places of a result, or rows of a constant table that a result names."""
    data, places = call.input(0), call.input(1)
    if isinstance(data, np.ndarray) and isinstance(places, Tensor):
        return _lookup(call, data, places)
    x = call.tensor()
    axis = axis_of(call.get("axis", 0), len(x.shape))
    taken = call.constant(1)
    found = tuple(int(place) % x.shape[axis] for place in taken.ravel())
    shape = (*x.shape[:axis], len(found), *x.shape[axis + 1 :])
    made = call.builder.along(call.name, x, [Take(axis, found)], shape)
    return call.builder.relabelled(f"{call.name}/shape", made, call.shape)


def _lookup(call: Call, table: np.ndarray, places: Tensor) -> Tensor:
    """Rows of a table along any of its axes; what a row holds is a vector."""
    axis, rank = axis_of(call.get("axis", 0), table.ndim), len(places.shape)
    groups = significant(places.shape, places.groups)
    if flat(groups) != tuple(sorted(flat(groups))):
        groups = natural(places.shape)
    places = call.builder.laid(call.name, places, groups or ((),))
    rows = np.moveaxis(table, axis, 0).reshape(table.shape[axis], -1)
    inside = tuple(each if each < axis else each + rank - 1 for each in range(table.ndim) if each != axis)
    made = (*shifted(places.groups, axis), inside)
    found = call.builder.make(call.name, Lookup(*rows.shape), (places,), call.shape, made, {"table": rows})
    return replace(found, kind=call.kinds[0])


OPERATORS = {
    "Identity": alias,
    "Dropout": alias,
    "Reshape": reshape,
    "Flatten": reshape,
    "Squeeze": reshape,
    "Unsqueeze": reshape,
    "Transpose": transpose,
    "Concat": concat,
    "Split": split,
    "Slice": cut,
    "Pad": pad,
    "Expand": expand,
    "Tile": tile,
    "Gather": gather,
}
