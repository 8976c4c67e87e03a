"""Arithmetic between tensors, or of a tensor with constants: sizes of 1 repeat along the others' axes."""

from collections.abc import Callable
from math import prod

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32

from pimsim.errors import NetworkError, SpecError, nearest
from pimsim.network.layers.base import AbstractVectorLayer, only
from pimsim.network.ops import Op, Shape, VectorOp, each, vector_count

FUNCTIONS: dict[str, tuple[str, Callable]] = {
    "add": ("add", jnp.add),
    "subtract": ("add", jnp.subtract),
    "multiply": ("multiply", jnp.multiply),
    "divide": ("multiply", jnp.divide),
    "power": ("activation", jnp.power),
    "maximum": ("activation", jnp.maximum),
    "minimum": ("activation", jnp.minimum),
    **{
        name: ("activation", lambda a, b, test=test: test(a, b).astype(jnp.float32))
        for name, test in (
            ("equal", jnp.equal),
            ("greater", jnp.greater),
            ("greater_equal", jnp.greater_equal),
            ("less", jnp.less),
            ("less_equal", jnp.less_equal),
        )
    },
    "prelu": ("activation", lambda x, slope: jnp.where(x > 0, x, slope * x)),
}
"""What each is to the digital unit, and what it computes."""


class Arithmetic(AbstractVectorLayer):
    """A function of two tensors, value by value, or of a tensor and a constant."""

    function: str = eqx.field(static=True)
    constant: Shape | None = eqx.field(default=None, static=True)
    """The shape of the constant that takes the place of the second tensor."""
    constant_first: bool = eqx.field(default=False, static=True)

    def __check_init__(self):
        if self.function not in FUNCTIONS:
            raise SpecError("function", f"unknown function {self.function!r}", nearest(self.function, FUNCTIONS))

    @property
    def constants(self) -> dict[str, Shape]:
        return {} if self.constant is None else {"constant": self.constant}

    def shape(self, *inputs: Shape) -> Shape:
        wanted = 2 if self.constant is None else 1
        if len(inputs) != wanted:
            raise NetworkError("", f"{self.function} takes {wanted} inputs here, got {len(inputs)}")
        return broadcast(*inputs, *self.constants.values())

    def can_be_negative(self, *inputs: bool) -> bool:
        return self.constant is not None or any(inputs) or self.function == "subtract"

    def lower(self, name: str, inputs: tuple[str, ...], *shapes: Shape) -> list[Op]:
        shape = self.shape(*shapes)
        kind, values, vectors = FUNCTIONS[self.function][0], prod(shape), vector_count(shape)
        need = tuple(broadcast_need(own, shape) for own in shapes)
        return [VectorOp(name, inputs, kind, values, 2 * values, vectors, shape[-1], need)]

    def __call__(
        self, *inputs: Float[Array, "batch ..."], constant: Float[Array, "..."] | None = None
    ) -> Float[Array, "batch ..."]:
        if constant is not None:
            x = _raised(inputs[0], constant.ndim)
            pair = (constant, x) if self.constant_first else (x, constant)
            return FUNCTIONS[self.function][1](*pair)
        left, right = (_raised(x, max(x.ndim for x in inputs) - 1) for x in inputs)
        return FUNCTIONS[self.function][1](left, right)


class Affine(AbstractVectorLayer):
    """y = gain · x + offset with constants that repeat along the image: a batch norm, a bias, a scale."""

    gain: Shape | None = eqx.field(default=None, static=True)
    """The shape of the factors; None where all are 1."""
    offset: Shape | None = eqx.field(default=None, static=True)
    """The shape of the summands; None where all are 0."""

    def __check_init__(self):
        if self.gain is None and self.offset is None:
            raise SpecError("gain", "an affine layer has a gain, an offset, or both")

    @property
    def constants(self) -> dict[str, Shape]:
        return {key: shape for key, shape in (("gain", self.gain), ("offset", self.offset)) if shape is not None}

    def shape(self, *inputs: Shape) -> Shape:
        return broadcast(only(self, inputs), *self.constants.values())

    def can_be_negative(self, *inputs: bool) -> bool:
        return True

    def lower(self, name: str, inputs: tuple[str, ...], *shapes: Shape) -> list[Op]:
        shape = self.shape(*shapes)
        values, vectors = prod(shape), vector_count(shape)
        need = broadcast_need(shapes[0], shape)
        if self.offset is None:
            return [VectorOp(name, inputs, "multiply", values, 2 * values, vectors, shape[-1], (need,))]
        ops: list[Op] = []
        if self.gain is not None:
            ops.append(VectorOp(f"{name}/gain", inputs, "multiply", values, 2 * values, vectors, shape[-1], (need,)))
            inputs, need = (f"{name}/gain",), each(vectors)
        return [*ops, VectorOp(name, inputs, "add", values, 2 * values, vectors, shape[-1], (need,))]

    def __call__(
        self,
        *inputs: Float[Array, "batch ..."],
        gain: Float[Array, "..."] | None = None,
        offset: Float[Array, "..."] | None = None,
    ) -> Float[Array, "batch ..."]:
        x = _raised(inputs[0], max(a.ndim for a in (gain, offset) if a is not None))
        x = x if gain is None else x * gain
        return x if offset is None else x + offset


def _raised(x: Float[Array, "batch ..."], rank: int) -> Float[Array, "batch ..."]:
    """The batch with axes of size 1 before the others of each tensor, so that these are as many as `rank` or more."""
    return x.reshape(x.shape[0], *(1,) * (rank + 1 - x.ndim), *x.shape[1:])


def broadcast(*shapes: Shape) -> Shape:
    """The shape that sizes of 1 repeat to; NetworkError where the others differ."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise NetworkError("", "takes inputs that repeat to one shape, got " + " and ".join(map(str, shapes))) from None


def broadcast_need(shape: Shape, made: Shape) -> Int32[np.ndarray, " vector"]:
    """The last vector of a tensor that each vector of what it repeats to needs."""
    if shape == made:
        return each(vector_count(made))
    vectors = np.arange(vector_count(shape), dtype=np.int32).reshape(*shape[:-1], 1)
    return np.broadcast_to(vectors, (*made[:-1], 1)).ravel()
