"""Activations: one value in, one value out."""

from math import prod

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pimsim.network.layers.base import AbstractVectorLayer, only
from pimsim.network.ops import Shape, VectorOp, vector_count


class Relu(AbstractVectorLayer):
    """y = max(x, 0)."""

    def shape(self, *inputs: Shape) -> Shape:
        return only(self, inputs)

    def lower(self, name: str, inputs: tuple[str, ...], *shapes: Shape) -> VectorOp:
        shape = self.shape(*shapes)
        values, vectors = prod(shape), vector_count(shape)
        return VectorOp(name, inputs, "activation", values, values, vectors, shape[-1], (np.arange(vectors),))

    def __call__(self, *inputs: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
        return jnp.maximum(inputs[0], 0)
