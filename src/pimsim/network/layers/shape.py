"""Layers that only rearrange values."""

from math import prod

from jaxtyping import Array, Float

from pimsim.network.layers.base import AbstractVectorLayer, only, only_sequence
from pimsim.network.ops import Op, Shape, VectorOp, all_of, vector_count


class Flatten(AbstractVectorLayer):
    """A tensor as one vector, in order of height, width, channel."""

    def shape(self, *inputs: Shape) -> Shape:
        return (prod(only(self, inputs)),)

    def lower(self, name: str, inputs: tuple[str, ...], *shapes: Shape) -> list[Op]:
        (values,) = self.shape(*shapes)
        need = (all_of(vector_count(shapes[0])),)
        return [VectorOp(name, inputs, "reshape", values, values, vectors=1, width=values, need=need)]

    def __call__(self, *inputs: Float[Array, "batch ..."]) -> Float[Array, "batch value"]:
        return inputs[0].reshape(inputs[0].shape[0], -1)


class LastToken(AbstractVectorLayer):
    """The last vector of a sequence."""

    def shape(self, *inputs: Shape) -> Shape:
        return only_sequence(self, inputs)[1:]

    def lower(self, name: str, inputs: tuple[str, ...], *shapes: Shape) -> list[Op]:
        (values,) = self.shape(*shapes)
        last = (all_of(shapes[0][0]),)
        return [VectorOp(name, inputs, "reshape", values, values, 1, values, need=last, first=last)]

    def __call__(self, *inputs: Float[Array, "batch token value"]) -> Float[Array, "batch value"]:
        return inputs[0][:, -1]
