"""The network in the making: nodes, their constants, and the moves between layouts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod

import numpy as np

from pimsim.network.graph import IMAGE, Node
from pimsim.network.layers import AbstractLayer, AbstractMatrixLayer, Affine, Rearrange
from pimsim.network.layers.rearrange import AbstractStep, Reshape, Tile, Transpose
from pimsim.network.onnx.layout import (
    Groups,
    Tensor,
    ending_with,
    flat,
    held,
    natural,
    own_shape,
    reshaped,
    shifted,
    significant,
)
from pimsim.network.ops import Shape


@dataclass
class Builder:
    """Nodes and arrays so far. Layers are told where a tensor lies; what has to move for that is a node of its own."""

    nodes: dict[str, Node] = field(default_factory=dict)
    arrays: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    taken: Counter[str] = field(default_factory=Counter)

    def add(
        self,
        name: str,
        layer: AbstractLayer,
        inputs: Sequence[Tensor],
        arrays: Mapping[str, np.ndarray] | None = None,
    ) -> str:
        """Append a layer, called `name` or, if that is taken, something like it; the name it got."""
        while name in self.nodes or name == IMAGE:
            self.taken[name] += 1
            name = f"{name}_{self.taken[name]}"
        self.nodes[name] = Node(name, layer, tuple(tensor.source for tensor in inputs))
        if arrays:
            self.arrays[name] = dict(arrays)
        return name

    def make(
        self,
        name: str,
        layer: AbstractLayer,
        inputs: Sequence[Tensor],
        shape: Shape,
        groups: Groups,
        arrays: Mapping[str, np.ndarray] | None = None,
    ) -> Tensor:
        """Append a layer, and what it makes: a tensor of the model of this shape, which lies so."""
        return Tensor(self.add(name, layer, inputs, arrays), shape, groups, inputs[0].kind)

    def moved(self, name: str, tensor: Tensor, steps: Sequence[AbstractStep], shape: Shape, groups: Groups) -> Tensor:
        """The tensor after some steps along our axes; itself where there are none. Moves in a row are one node."""
        if not steps:
            return replace(tensor, shape=shape, groups=groups)
        before = self.nodes.get(tensor.source)
        if tensor.alone and before is not None and isinstance(before.layer, Rearrange):
            self.nodes[tensor.source] = replace(before, layer=Rearrange((*before.layer.steps, *steps)))
            return replace(tensor, shape=shape, groups=groups)
        return self.make(name, Rearrange(tuple(steps)), (tensor,), shape, groups)

    def laid(self, name: str, tensor: Tensor, groups: Groups) -> Tensor:
        """The same tensor, held as `groups` say."""
        shape = tensor.shape
        steps: list[AbstractStep] = []
        old, new = flat(significant(shape, tensor.groups)), flat(significant(shape, groups))
        if old != new:
            sizes = tuple(shape[axis] for axis in old)
            steps = [] if sizes == tensor.own else [Reshape(sizes)]
            steps.append(Transpose(tuple(old.index(axis) for axis in new)))
        before = tuple(shape[axis] for axis in new) if steps else tensor.own
        if before != own_shape(shape, groups):
            steps.append(Reshape(own_shape(shape, groups)))
        return self.moved(f"{name}/layout", tensor, steps, shape, groups)

    def relabelled(self, name: str, tensor: Tensor, shape: Shape) -> Tensor:
        """The tensor as the model reshapes it: no value moves where the axes of our tensor stay whole."""
        groups = reshaped(tensor.groups, tensor.shape, shape)
        if groups is None:  # in order within each vector, or else altogether
            ordered = tuple(tuple(sorted(group)) for group in tensor.groups)
            groups = reshaped(ordered, tensor.shape, shape)
            tensor = self.laid(name, tensor, natural(tensor.shape) if groups is None else ordered)
            groups = natural(shape) if groups is None else groups
        steps = [] if own_shape(shape, groups) == tensor.own else [Reshape(own_shape(shape, groups))]
        return self.moved(name, tensor, steps, shape, groups)

    def along(self, name: str, tensor: Tensor, steps: Sequence[AbstractStep], shape: Shape) -> Tensor:
        """The tensor after some steps along axes of the model, which keep the number of axes."""
        if not steps:
            return replace(tensor, shape=shape)
        axes = {step.axis for step in steps}  # pyright: ignore[reportAttributeAccessIssue]
        missing = tuple((axis,) for axis in sorted(axes - set(flat(tensor.groups))))
        groups = missing + tuple(group for group in tensor.groups if group or not missing)
        order = flat(groups)
        sizes = tuple(tensor.shape[axis] for axis in order)
        own = [replace(step, axis=order.index(step.axis)) for step in steps]  # pyright: ignore
        before: list[AbstractStep] = [] if sizes == tensor.own else [Reshape(sizes)]
        made = own_shape(shape, groups)
        after: list[AbstractStep] = [] if tuple(shape[axis] for axis in order) == made else [Reshape(made)]
        return self.moved(name, tensor, [*before, *own, *after], shape, groups)

    def ending(self, name: str, tensor: Tensor, axes: Shape) -> Tensor:
        """The tensor with vectors that are these axes, in this order, and nothing else."""
        groups = tensor.groups
        same = significant(tensor.shape, groups)[-1:] == significant(tensor.shape, (axes,))
        if same and tensor.own[-1] == prod(tensor.shape[axis] for axis in axes):
            before = tuple(tuple(axis for axis in group if axis not in axes) for group in groups[:-1])
            return replace(tensor, groups=(*before, axes))
        return self.laid(name, tensor, ending_with(tensor, axes))

    def aligned(self, name: str, tensor: Tensor, shape: Shape, groups: Groups) -> Tensor:
        """The tensor laid out to repeat, by our axes, to a shape of the model that lies as `groups` say."""
        by = len(shape) - len(tensor.shape)
        tensor = replace(tensor, shape=(1,) * by + tensor.shape, groups=shifted(tensor.groups, by))
        mixed = [
            axis
            for group in groups
            for axis in group
            if tensor.shape[axis] == 1 < shape[axis] and any(tensor.shape[other] > 1 for other in group)
        ]
        if mixed:
            full = tuple(shape[axis] if axis in mixed else size for axis, size in enumerate(tensor.shape))
            tensor = self.along(f"{name}/repeat", tensor, [Tile(axis, shape[axis]) for axis in mixed], full)
        while len(groups) > 1 and all(tensor.shape[axis] == 1 for axis in groups[0]):
            groups = groups[1:]
        return self.laid(name, tensor, groups)

    def affine(
        self, name: str, tensor: Tensor, shape: Shape, gain: np.ndarray | None, offset: np.ndarray | None
    ) -> Tensor:
        """gain · x + offset, which repeat to the model's shape: in the matrix before, where that is possible."""
        grown = tuple(a for a in (gain, offset) if a is not None)
        if np.broadcast_shapes(tensor.shape, *(a.shape for a in grown)) != tensor.shape or tensor.shape != shape:
            groups = (
                natural(shape)
                if prod(shape) > prod(tensor.shape)
                else shifted(tensor.groups, len(shape) - len(tensor.shape))
            )
            tensor = replace(self.aligned(name, tensor, shape, groups), shape=tensor.shape)
        else:
            groups = tensor.groups
        gains = None if gain is None or np.all(gain == 1) else held(gain.astype(np.float64), shape, groups)
        offsets = None if offset is None or not np.any(offset) else held(offset.astype(np.float64), shape, groups)
        if gains is None and offsets is None and prod(shape) == prod(tensor.shape):
            return replace(tensor, shape=shape, groups=groups)
        if tensor.alone and self._merge(tensor.source, gains, offsets, own_shape(shape, groups)):
            return replace(tensor, shape=shape, groups=groups)
        if gains is None and offsets is None:
            offsets = np.zeros(own_shape(shape, groups))
        arrays = {key: a for key, a in (("gain", gains), ("offset", offsets)) if a is not None}
        layer = Affine(**{key: a.shape for key, a in arrays.items()})
        return self.make(name, layer, (tensor,), shape, groups, arrays)

    def _merge(self, source: str, gain: np.ndarray | None, offset: np.ndarray | None, own: Shape) -> bool:
        """Take gain and offset into the constants of the layer that makes the tensor, if it is one that can."""
        node = self.nodes.get(source)
        if node is None or source not in self.arrays:
            return False
        arrays, one_each = self.arrays[source], [a for a in (gain, offset) if a is not None]
        per_channel = all(a.ndim <= 1 and a.size in (1, own[-1]) for a in one_each)
        if isinstance(node.layer, AbstractMatrixLayer) and per_channel:
            factor = np.broadcast_to(1.0 if gain is None else gain, arrays["bias"].shape)
            arrays["weight"] = arrays["weight"] if gain is None else arrays["weight"] * factor
            arrays["bias"] = arrays["bias"] * factor + (0.0 if offset is None else offset)
            if "step" in arrays:
                arrays["step"] = arrays["step"] * factor
            return True
        if isinstance(node.layer, Affine):
            old_gain, old = arrays.get("gain"), arrays.get("offset")
            gains = gain if old_gain is None else old_gain if gain is None else old_gain * gain
            moved = old if old is None or gain is None else old * gain
            offsets = offset if moved is None else moved if offset is None else moved + offset
            merged = {key: a for key, a in (("gain", gains), ("offset", offsets)) if a is not None}
            self.arrays[source] = merged
            self.nodes[source] = replace(node, layer=Affine(**{key: a.shape for key, a in merged.items()}))
            return True
        return False
