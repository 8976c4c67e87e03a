"""Activations: one value in, one value out."""

from collections.abc import Callable
from math import prod

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pimsim.errors import SpecError, nearest
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


class Function(AbstractActivation):
    """Any other function of one value, by its name in ONNX; `numbers` are its parameters, in the order of FUNCTIONS.

    FakeQuantize is QuantizeLinear and DequantizeLinear in one: values rounded to a grid.
    """

    name: str = eqx.field(static=True)
    numbers: tuple[float, ...] = eqx.field(default=(), converter=tuple, static=True)

    def __check_init__(self):
        if self.name not in FUNCTIONS:
            raise SpecError("name", f"unknown function {self.name!r}", nearest(self.name, FUNCTIONS))

    def can_be_negative(self, *inputs: bool) -> bool:
        if self.name == "FakeQuantize":
            _, zero, low, _ = self.numbers
            return low < zero and any(inputs)
        return self.name not in NEVER_NEGATIVE

    def __call__(self, *inputs: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
        return FUNCTIONS[self.name](inputs[0], *self.numbers)


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


FUNCTIONS: dict[str, Callable] = {
    "Abs": jnp.abs,
    "Celu": lambda x, alpha: jax.nn.celu(x, alpha),
    "Clip": lambda x, low, high: jnp.clip(x, low, high),
    "Elu": lambda x, alpha: jax.nn.elu(x, alpha),
    "Erf": jax.scipy.special.erf,
    "Exp": jnp.exp,
    "FakeQuantize": lambda x, step, zero, low, high: (jnp.clip(jnp.rint(x / step) + zero, low, high) - zero) * step,
    "GeluTanh": lambda x: jax.nn.gelu(x, approximate=True),
    "HardSigmoid": lambda x, alpha, beta: jnp.clip(alpha * x + beta, 0, 1),
    "HardSwish": lambda x: x * jnp.clip(x / 6 + 0.5, 0, 1),
    "Log": jnp.log,
    "Mish": lambda x: x * jnp.tanh(jax.nn.softplus(x)),
    "Neg": jnp.negative,
    "Quantize": lambda x, step, zero, low, high: jnp.clip(jnp.rint(x / step) + zero, low, high),
    "Reciprocal": jnp.reciprocal,
    "Round": lambda x: jnp.rint(x),
    "Selu": lambda x, alpha, gamma: gamma * jnp.where(x > 0, x, alpha * jnp.expm1(jnp.minimum(x, 0))),
    "Softplus": jax.nn.softplus,
    "Softsign": jax.nn.soft_sign,
    "Sqrt": jnp.sqrt,
    "Swish": lambda x, alpha: x * jax.nn.sigmoid(alpha * x),
    "ThresholdedRelu": lambda x, alpha: jnp.where(x > alpha, x, 0),
    "Truncate": jnp.trunc,
}
NEVER_NEGATIVE = ("Abs", "Exp", "HardSigmoid", "Softplus", "Sqrt")
