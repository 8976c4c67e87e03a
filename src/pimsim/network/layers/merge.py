"""Layers that join branches of the network."""

import functools
from math import prod

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pimsim.errors import NetworkError
from pimsim.network.layers.base import AbstractVectorLayer
from pimsim.network.ops import Shape, VectorOp, vector_count


class Add(AbstractVectorLayer):
    """The sum of two or more tensors of one shape."""

    def shape(self, *inputs: Shape) -> Shape:
        if len(inputs) < 2:
            raise NetworkError("", f"Add takes two inputs or more, got {len(inputs)}")
        if len(set(inputs)) != 1:
            raise NetworkError("", "Add takes inputs of one shape, got " + " and ".join(map(str, inputs)))
        return inputs[0]

    def lower(self, name: str, inputs: tuple[str, ...], *shapes: Shape) -> VectorOp:
        shape = self.shape(*shapes)
        values, vectors = prod(shape), vector_count(shape)
        need = (np.arange(vectors),) * len(shapes)
        return VectorOp(name, inputs, "add", values, values * len(shapes), vectors, shape[-1], need)

    def __call__(self, *inputs: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
        return functools.reduce(jnp.add, inputs)
