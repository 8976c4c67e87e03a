"""Normalisations: each value scaled by what its neighbours sum to."""

from math import prod

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pimsim.errors import NetworkError
from pimsim.network.layers.base import AbstractVectorLayer, only, only_image
from pimsim.network.layers.window import check_sizes
from pimsim.network.ops import Op, Shape, VectorOp, each, vector_count


class LocalResponseNorm(AbstractVectorLayer):
    """y[c] = x[c] / (k + α/n · Σ x[c']²)^β, over the n channels around c (Krizhevsky et al., NIPS 2012)."""

    size: int = eqx.field(default=5, static=True)
    """n; channels that there are not count as 0."""
    alpha: float = eqx.field(default=1e-4, static=True)
    beta: float = eqx.field(default=0.75, static=True)
    k: float = eqx.field(default=1.0, static=True)

    def __check_init__(self):
        check_sizes("size", (self.size,), 1)

    def shape(self, *inputs: Shape) -> Shape:
        return only_image(self, inputs)

    def lower(self, name: str, inputs: tuple[str, ...], *shapes: Shape) -> list[Op]:
        return [normalization(name, inputs, self.shape(*shapes), reads=1 + self.size)]

    def __call__(self, *inputs: Float[Array, "batch height width channel"]) -> Float[Array, "batch ..."]:
        x, before = inputs[0], (self.size - 1) // 2
        pads = [(0, 0)] * 3 + [(before, self.size - 1 - before)]
        squares = jnp.pad(x**2, pads)
        around = sum(squares[..., tap : tap + x.shape[-1]] for tap in range(self.size))
        return x / (self.k + self.alpha / self.size * around) ** self.beta


class LayerNorm(AbstractVectorLayer):
    """y = (x - mean) / √(variance + ε), over each vector; gain and offset belong to what follows."""

    epsilon: float = eqx.field(default=1e-5, static=True)

    def shape(self, *inputs: Shape) -> Shape:
        return only(self, inputs)

    def can_be_negative(self, *inputs: bool) -> bool:
        return True

    def lower(self, name: str, inputs: tuple[str, ...], *shapes: Shape) -> list[Op]:
        return [normalization(name, inputs, self.shape(*shapes), reads=3)]

    def __call__(self, *inputs: Float[Array, "batch ... value"]) -> Float[Array, "batch ... value"]:
        x = inputs[0] - inputs[0].mean(axis=-1, keepdims=True)
        return x / jnp.sqrt((x**2).mean(axis=-1, keepdims=True) + self.epsilon)


class Softmax(AbstractVectorLayer):
    """y = e^x / Σ e^x over each vector, or over each of its equal parts."""

    parts: int = eqx.field(default=1, static=True)
    """Of a vector: the heads of an attention."""

    def __check_init__(self):
        check_sizes("parts", (self.parts,), 1)

    def shape(self, *inputs: Shape) -> Shape:
        shape = only(self, inputs)
        if shape[-1] % self.parts:
            raise NetworkError("", f"{self.parts} parts do not divide the {shape[-1]} values of a vector")
        return shape

    def can_be_negative(self, *inputs: bool) -> bool:
        return False

    def lower(self, name: str, inputs: tuple[str, ...], *shapes: Shape) -> list[Op]:
        return [normalization(name, inputs, self.shape(*shapes), reads=2)]

    def __call__(self, *inputs: Float[Array, "batch ... value"]) -> Float[Array, "batch ... value"]:
        x = inputs[0]
        return jax.nn.softmax(x.reshape(*x.shape[:-1], self.parts, -1), axis=-1).reshape(x.shape)


def normalization(name: str, inputs: tuple[str, ...], shape: Shape, reads: int) -> VectorOp:
    """Work vector by vector that reads every value `reads` times: once to scale it, the others into sums."""
    values, vectors = prod(shape), vector_count(shape)
    return VectorOp(name, inputs, "normalize", values, reads * values, vectors, shape[-1], (each(vectors),))
