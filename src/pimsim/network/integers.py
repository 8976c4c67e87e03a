"""Integers that stand for a layer: what rounds its inputs, whoever multiplies them, and what makes of the results."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, Int64, Num

from pimsim.network.layers.base import AbstractRecurrentLayer, AbstractWeightedLayer
from pimsim.network.ops import Precision, Shape
from pimsim.network.ranges import integer_range
from pimsim.numerics import exact_product

Product = Callable[..., Num[Array, "batch vector col"]]
"""product(matrix, x, first): the integers x, [batch vector row], times this matrix; they are the vectors first, first +
1, … of each image. Where none waits for another they come at once, and `first` is left out."""


@dataclass(frozen=True, eq=False)
class QuantizedLayer:
    """A matrix on integers: input ≈ x · input_scale · row_gain, row_gain · weight ≈ matrix · weight_scale."""

    matrix: Int32[np.ndarray, "row col"]
    weight_scale: Float[np.ndarray, " col"]
    input_scale: float
    signed_input: bool
    bias: Float[np.ndarray, " col"]
    """In the float network's own unit, added after the scales."""
    weight_bits: int
    input_bits: int
    input_zero: int = 0
    """The integer that stands for an input of 0; unsigned integers that are shifted so hold values of both signs."""
    row_gain: Float[np.ndarray, " row"] | float = 1.0
    """Above 0, at most 1: what lets operands that share the rows, an input and a state, each use the whole range."""

    @property
    def precision(self) -> Precision:
        return Precision(self.weight_bits, self.input_bits)

    @property
    def bounds(self) -> tuple[int, int]:
        """The least and the greatest input, in steps from 0."""
        low, high = integer_range(self.input_bits, self.signed_input)
        return low - self.input_zero, high - self.input_zero


class QuantizedOperand(NamedTuple):
    """One side of a product: value ≈ integer · scale."""

    scale: float
    signed: bool
    bits: int

    @property
    def bounds(self) -> tuple[int, int]:
        return integer_range(self.bits, self.signed)


class QuantizedProduct(NamedTuple):
    """Both sides, of which every value has the side's scale."""

    left: QuantizedOperand
    right: QuantizedOperand

    def multiply(
        self, equation: str, left: Float[Array, "batch ..."], right: Float[Array, "batch ..."]
    ) -> Float[Array, "batch ..."]:
        """The einsum of both, rounded and clipped; sums are exact, in any order."""
        scales = self.left.scale, self.right.scale
        return _product(equation, left, right, scales, (self.left.bounds, self.right.bounds))


def apply_layer(
    own: QuantizedLayer, layer: AbstractWeightedLayer, x: Float[Array, "batch ..."], input_shape: Shape,
    product: Callable[[Int32[Array, "batch vector row"]], Int64[Array, "batch vector col"]] | None = None,
) -> Float[Array, "batch ..."]:  # fmt: skip
    """One layer on integers: its inputs rounded, multiplied by its matrix (exactly if nobody says how), and scaled."""
    steps = _to_integers(layer, x, own.input_scale, *own.bounds)
    if own.input_zero:  # also of padding
        steps = steps + own.input_zero
    y = product(steps) if product else exact_product(steps, own.matrix, signed=own.signed_input)
    if own.input_zero:
        y = y - own.input_zero * own.matrix.sum(axis=0)
    return _to_float(layer, y, own.input_scale * own.weight_scale, own.bias, input_shape=input_shape)


def apply_steps(
    own: Mapping[str, QuantizedLayer], layer: AbstractRecurrentLayer, x: Float[Array, "batch step value"],
    product: Product,
) -> Float[Array, "batch step unit"]:  # fmt: skip
    """A recurrent layer, each of its products on integers by the matrix's word."""

    def multiply(first: int, word: str, *operands: Float[Array, "batch *step _"]) -> Float[Array, "batch *step col"]:
        matrix, vectors = own[word], jnp.concatenate(operands, axis=-1)
        steps = _rounded(vectors, matrix.input_scale * matrix.row_gain, *matrix.bounds)
        y = product(word, steps.reshape(len(x), -1, steps.shape[-1]), first)
        return _scaled(y.reshape(*vectors.shape[:-1], -1), matrix.input_scale * matrix.weight_scale, matrix.bias)

    feed = layer.ahead(x, functools.partial(multiply, 0))
    state, outputs = layer.start(x), []
    for place in range(feed.shape[1]):
        state, y = layer.step(state, feed[:, place], functools.partial(multiply, place))
        outputs.append(y)
    return jnp.stack(outputs, axis=1)


def rounded_inputs(own: QuantizedLayer, x: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
    """What a layer's integer inputs stand for."""
    scale = own.input_scale * own.row_gain
    return _rounded(x, scale, *own.bounds) * scale


@jax.jit
def _rounded(x, scale, low, high):
    """x / scale, rounded half to even and clipped."""
    return jnp.clip(jnp.rint(x.astype(jnp.float64) / scale), low, high).astype(jnp.int32)


@jax.jit
def _scaled(y, scale, bias):
    """y · scale + bias in float64, as float32."""
    return (y * scale + bias).astype(jnp.float32)


@jax.jit
def _to_integers(layer, x, scale, low, high):
    """The rounded inputs as the vectors that enter the layer's matrix."""
    return layer.vectors(_rounded(x, scale, low, high))


@functools.partial(jax.jit, static_argnames="input_shape")
def _to_float(layer, y, scale, bias, input_shape):
    """The scaled products as the layer's output tensor."""
    return layer.tensor(_scaled(y, scale, bias), input_shape)


@functools.partial(jax.jit, static_argnames="equation")
def _product(equation, left, right, scales, bounds):
    sides = (
        jnp.clip(jnp.rint(x.astype(jnp.float64) / scale), *bound)
        for x, scale, bound in zip((left, right), scales, bounds, strict=True)
    )
    y = jnp.einsum(equation, *sides, precision=jax.lax.Precision.HIGHEST)  # float64 carries sums below 2^53
    return (y * (scales[0] * scales[1])).astype(jnp.float32)
