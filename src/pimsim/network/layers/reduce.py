"""Reductions: the values along some axes to one."""

from collections.abc import Callable
from math import prod

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pimsim.errors import NetworkError, SpecError, nearest
from pimsim.network.layers.base import AbstractVectorLayer, only
from pimsim.network.ops import Op, Shape, VectorOp, vector_count

FUNCTIONS: dict[str, Callable] = {
    "mean": jnp.mean,
    "sum": jnp.sum,
    "max": jnp.max,
    "min": jnp.min,
    "prod": jnp.prod,
}


class Reduce(AbstractVectorLayer):
    """A function of all values along some axes, which keep a size of 1."""

    function: str = eqx.field(static=True)
    axes: Shape = eqx.field(converter=tuple, static=True)
    """Counted without the batch."""

    def __check_init__(self):
        if self.function not in FUNCTIONS:
            raise SpecError("function", f"unknown function {self.function!r}", nearest(self.function, FUNCTIONS))

    def shape(self, *inputs: Shape) -> Shape:
        shape = only(self, inputs)
        if any(axis >= len(shape) for axis in self.axes):
            raise NetworkError("", f"reduces axes {self.axes}, got shape {shape}")
        return tuple(1 if axis in self.axes else size for axis, size in enumerate(shape))

    def lower(self, name: str, inputs: tuple[str, ...], *shapes: Shape) -> list[Op]:
        shape = self.shape(*shapes)
        places = np.arange(vector_count(shapes[0]), dtype=np.int32).reshape(*shapes[0][:-1], 1)
        need = places.max(axis=tuple(axis for axis in self.axes if axis < len(shape) - 1), keepdims=True).ravel()
        values, vectors = prod(shape), vector_count(shape)
        return [VectorOp(name, inputs, "pool", values, prod(shapes[0]), vectors, shape[-1], (need,))]

    def __call__(self, *inputs: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
        return FUNCTIONS[self.function](inputs[0], axis=tuple(axis + 1 for axis in self.axes), keepdims=True)
