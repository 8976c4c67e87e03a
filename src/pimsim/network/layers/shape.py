"""Layers that only rearrange values."""

from math import prod

import numpy as np
from jaxtyping import Array, Float

from pimsim.network.layers.base import AbstractVectorLayer, only
from pimsim.network.ops import Shape, VectorOp, vector_count


class Flatten(AbstractVectorLayer):
    """A tensor as one vector, in order of height, width, channel."""

    def shape(self, *inputs: Shape) -> Shape:
        return (prod(only(self, inputs)),)

    def lower(self, name: str, inputs: tuple[str, ...], *shapes: Shape) -> VectorOp:
        (values,) = self.shape(*shapes)
        need = (np.array([vector_count(shapes[0]) - 1]),)
        return VectorOp(name, inputs, "reshape", values, values, vectors=1, width=values, need=need)

    def __call__(self, *inputs: Float[Array, "batch ..."]) -> Float[Array, "batch value"]:
        return inputs[0].reshape(inputs[0].shape[0], -1)
