"""Layers that join branches of the network."""

import functools
from math import prod

import equinox as eqx
import jax.numpy as jnp
import numpy as np
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


class Join(AbstractVectorLayer):
    """Two or more tensors joined along any axis. A vector needs the vector of its place where it comes from, and the
    first of the other inputs."""

    axis: int = eqx.field(static=True)
    """Counted without the batch."""

    def shape(self, *inputs: Shape) -> Shape:
        rests = {(*shape[: self.axis], *shape[self.axis + 1 :]) for shape in inputs}
        if len(rests) != 1 or any(len(shape) <= self.axis for shape in inputs):
            fact = f"Join takes inputs that differ along axis {self.axis} alone, got "
            raise NetworkError("", fact + " and ".join(map(str, inputs)))
        size = sum(shape[self.axis] for shape in inputs)
        return (*inputs[0][: self.axis], size, *inputs[0][self.axis + 1 :])

    def lower(self, name: str, inputs: tuple[str, ...], *shapes: Shape) -> list[Op]:
        shape = self.shape(*shapes)
        values, vectors, needs = prod(shape), vector_count(shape), []
        for chosen in range(len(shapes)):
            parts = [
                np.arange(vector_count(own), dtype=np.int32).reshape(*own[:-1], 1).repeat(own[-1], axis=-1)
                * (i == chosen)
                for i, own in enumerate(shapes)
            ]
            needs.append(np.concatenate(parts, axis=self.axis).reshape(vectors, -1).max(axis=1))
        return [VectorOp(name, inputs, "reshape", values, values, vectors, shape[-1], tuple(needs))]

    def __call__(self, *inputs: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
        return jnp.concatenate(inputs, axis=self.axis + 1)


def _merging(name: str, inputs: tuple[str, ...], kind: str, shape: Shape, operands: int = 0) -> VectorOp:
    """Work that makes each vector from the inputs' vectors of its place, reading `operands` values for one, or all."""
    values, vectors = prod(shape), vector_count(shape)
    need = (each(vectors),) * len(inputs)
    return VectorOp(name, inputs, kind, values, values * (operands or len(inputs)), vectors, shape[-1], need)
