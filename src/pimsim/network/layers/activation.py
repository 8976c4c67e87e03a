"""Activations: one value in, one value out."""

from math import prod

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pimsim.network.layers.base import AbstractVectorLayer, only
from pimsim.network.ops import Op, Shape, VectorOp, each, vector_count


class AbstractActivation(AbstractVectorLayer):
    """A function of each value."""

    def shape(self, *inputs: Shape) -> Shape:
        return only(self, inputs)

    def lower(self, name: str, inputs: tuple[str, ...], *shapes: Shape) -> list[Op]:
        shape = only(self, shapes)
        values, vectors = prod(shape), vector_count(shape)
        return [VectorOp(name, inputs, "activation", values, values, vectors, shape[-1], (each(vectors),))]


class Relu(AbstractActivation):
    """y = max(x, 0)."""

    def can_be_negative(self, *inputs: bool) -> bool:
        return False

    def __call__(self, *inputs: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
        return jnp.maximum(inputs[0], 0)


class LeakyRelu(AbstractActivation):
    """y = x for x > 0, slope · x below: PReLU with one slope for all channels."""

    slope: float = eqx.field(default=0.25, static=True)
    """He et al., ICCV 2015, start from 0.25."""

    def __call__(self, *inputs: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
        return jnp.where(inputs[0] > 0, inputs[0], self.slope * inputs[0])


class Relu6(AbstractActivation):
    """y = min(max(x, 0), 6)."""

    def can_be_negative(self, *inputs: bool) -> bool:
        return False

    def __call__(self, *inputs: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
        return jnp.clip(inputs[0], 0, 6)


class Sigmoid(AbstractActivation):
    """y = 1 / (1 + e^-x)."""

    def can_be_negative(self, *inputs: bool) -> bool:
        return False

    def __call__(self, *inputs: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
        return jax.nn.sigmoid(inputs[0])


class Tanh(AbstractActivation):
    """y = tanh x."""

    def __call__(self, *inputs: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
        return jnp.tanh(inputs[0])


class Gelu(AbstractActivation):
    """y = x · Φ(x), with Φ the normal distribution (Hendrycks and Gimpel, arXiv:1606.08415)."""

    def __call__(self, *inputs: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
        return jax.nn.gelu(inputs[0], approximate=False)
