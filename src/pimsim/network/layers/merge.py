"""Layers that join branches of the network."""

import functools
from math import prod

import jax.numpy as jnp
from jaxtyping import Array, Float

from pimsim.errors import NetworkError
from pimsim.network.layers.base import AbstractVectorLayer, alike
from pimsim.network.ops import Op, Shape, VectorOp, each, vector_count


class Add(AbstractVectorLayer):
    """The sum of two or more tensors of one shape."""

    def shape(self, *inputs: Shape) -> Shape:
        return alike(self, inputs)

    def lower(self, name: str, inputs: tuple[str, ...], *shapes: Shape) -> list[Op]:
        return [_merging(name, inputs, "add", alike(self, shapes))]

    def __call__(self, *inputs: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
        return functools.reduce(jnp.add, inputs)


class Multiply(AbstractVectorLayer):
    """The product, element by element, of two or more tensors of one shape."""

    def shape(self, *inputs: Shape) -> Shape:
        return alike(self, inputs)

    def lower(self, name: str, inputs: tuple[str, ...], *shapes: Shape) -> list[Op]:
        return [_merging(name, inputs, "multiply", alike(self, shapes))]

    def __call__(self, *inputs: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
        return functools.reduce(jnp.multiply, inputs)


class Concat(AbstractVectorLayer):
    """Two or more tensors joined along their last axis, in the inputs' order."""

    def shape(self, *inputs: Shape) -> Shape:
        if len(inputs) < 2:
            raise NetworkError("", f"Concat takes two inputs or more, got {len(inputs)}")
        if len({shape[:-1] for shape in inputs}) != 1:
            fact = "Concat takes inputs that differ in their last size alone, got "
            raise NetworkError("", fact + " and ".join(map(str, inputs)))
        return (*inputs[0][:-1], sum(shape[-1] for shape in inputs))

    def lower(self, name: str, inputs: tuple[str, ...], *shapes: Shape) -> list[Op]:
        return [_merging(name, inputs, "reshape", self.shape(*shapes), operands=1)]

    def __call__(self, *inputs: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
        return jnp.concatenate(inputs, axis=-1)


def _merging(name: str, inputs: tuple[str, ...], kind: str, shape: Shape, operands: int = 0) -> VectorOp:
    """Work that makes each vector from the inputs' vectors of its place, reading `operands` values for one, or all."""
    values, vectors = prod(shape), vector_count(shape)
    need = (each(vectors),) * len(inputs)
    return VectorOp(name, inputs, kind, values, values * (operands or len(inputs)), vectors, shape[-1], need)
