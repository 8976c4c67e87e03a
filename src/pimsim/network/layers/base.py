"""What a layer is: structure without weights, which knows its shapes, its arithmetic and what it costs a chip."""

import abc
import functools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from pimsim.errors import NetworkError
from pimsim.network.ops import Op, Shape
from pimsim.numerics import contract

Maps = dict[str, tuple[Num[np.ndarray | Array, "_ _"], Float[np.ndarray | Array, " _"]]]
"""Matrices, each with the bias of its products, by the word that `lower` puts behind the layer's name, if any."""

Traces = dict[str, tuple[Float[Array, "batch ..."], ...]]
"""The operands whose values stand side by side in the vectors of each matrix, by the same words."""

Multiplier = Callable[..., Float[Array, "batch *step col"]]
"""multiply(word, *operands): the operands through the matrix of this word, plus its bias."""

Einsum = Callable[..., Float[Array, "batch ..."]]
"""multiply(word, equation, left, right): a product that `lower` calls by this word, as an einsum of the two sides."""


class AbstractLayer(eqx.Module):
    """One node's work. Every field is static: a layer is a pytree without leaves, equal to its like."""

    @abc.abstractmethod
    def shape(self, *inputs: Shape) -> Shape:
        """The output's shape for these input shapes, all without the batch.

        Raises NetworkError with an empty place where the inputs do not fit; the graph adds the layer's name.
        """

    @abc.abstractmethod
    def lower(self, name: str, inputs: tuple[str, ...], *shapes: Shape) -> list[Op]:
        """What the layer asks of the hardware, reading `inputs` of these shapes, in order.

        The last operation is called `name`, and makes the output; those before it `name` and a word of their own.
        """

    def can_be_negative(self, *inputs: bool) -> bool:
        """Whether outputs can be negative, given of which inputs that is so."""
        return any(inputs)


class AbstractVectorLayer(AbstractLayer):
    """A layer without a matrix. What constants it has stay in the digital unit, as numbers of its own."""

    @property
    def constants(self) -> dict[str, Shape]:
        """The shape of each constant by its name, which is its keyword in the call."""
        return {}

    @abc.abstractmethod
    def __call__(self, *inputs: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
        """The output tensors of a batch. Each image's result is the same bits in any batch."""


class AbstractProductLayer(AbstractVectorLayer):
    """A layer whose work is products of two results."""

    @abc.abstractmethod
    def apply(self, multiply: Einsum, *inputs: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
        """The output, each product by multiply(word, equation, left, right)."""

    def __call__(self, *inputs: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
        def multiply(word: str, equation: str, *sides: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
            return jnp.einsum(equation, *sides, precision=jax.lax.Precision.HIGHEST)

        return self.apply(multiply, *inputs)


class AbstractWeightedLayer(AbstractLayer):
    """A layer with a weight array and a bias for each output channel."""

    @abc.abstractmethod
    def weight_shape(self, input_shape: Shape) -> Shape:
        """The shape of the weight array; its last axis is the output channel, and the bias has one value for each."""

    @abc.abstractmethod
    def forward(
        self, weight: Float[Array, "... col"], bias: Float[Array, " col"], x: Float[Array, "batch ..."]
    ) -> Float[Array, "batch ..."]:
        """The layer in floating point, differentiable."""

    def trace(
        self, weight: Float[Array, "... col"], bias: Float[Array, " col"], x: Float[Array, "batch ..."]
    ) -> tuple[Float[Array, "batch ..."], Traces]:
        """The same, and what passes each matrix."""
        return self.forward(weight, bias, x), {"": (x,)}

    def can_be_negative(self, *inputs: bool) -> bool:
        return True


class AbstractMatrixLayer(AbstractWeightedLayer):
    """A layer whose work is one matrix product per output vector: tensor(vectors(x) @ matrix(w)) = forward(w, 0, x)."""

    @abc.abstractmethod
    def matrix(self, weight: Num[np.ndarray | Array, "... col"]) -> Num[np.ndarray | Array, "row col"]:
        """The weight as the matrix a crossbar holds, of the same dtype and array type."""

    def maps(self, weight: Num[np.ndarray | Array, "... col"], bias: Float[np.ndarray | Array, " col"]) -> Maps:
        return {"": (self.matrix(weight), bias)}

    @abc.abstractmethod
    def vectors(self, x: Num[Array, "batch ..."]) -> Num[Array, "batch vector row"]:
        """The vectors that pass through the matrix, in raster order of the outputs; padding is 0."""

    @abc.abstractmethod
    def tensor(self, y: Num[Array, "batch vector col"], input_shape: Shape) -> Num[Array, "batch ..."]:
        """The output tensor from the products of the matrix with all vectors."""


class AbstractRecurrentLayer(AbstractWeightedLayer):
    """A layer whose steps follow one another, each with products of the state that the one before it left."""

    @abc.abstractmethod
    def maps(self, weight: Num[np.ndarray | Array, "row col"], bias: Float[np.ndarray | Array, " col"]) -> Maps:
        """Its matrices."""

    @abc.abstractmethod
    def ahead(self, x: Float[Array, "batch step value"], multiply: Multiplier) -> Float[Array, "batch step _"]:
        """What the steps read, from the inputs and from such products as wait for no state."""

    @abc.abstractmethod
    def start(self, x: Float[Array, "batch step value"]) -> Any:
        """The state before the first step."""

    @abc.abstractmethod
    def step(
        self, state: Any, now: Float[Array, "batch _"], multiply: Multiplier
    ) -> tuple[Any, Float[Array, "batch unit"]]:
        """One step: the state it leaves, and its output."""

    def forward(
        self, weight: Float[Array, "row col"], bias: Float[Array, " col"], x: Float[Array, "batch step value"]
    ) -> Float[Array, "batch step unit"]:
        return self.trace(weight, bias, x)[0]

    def trace(
        self, weight: Float[Array, "row col"], bias: Float[Array, " col"], x: Float[Array, "batch step value"]
    ) -> tuple[Float[Array, "batch step unit"], Traces]:
        return _traced(self, weight, bias, x)


@jax.jit
def _traced(layer, weight, bias, x):
    maps, early = layer.maps(weight, bias), {}

    def multiply(seen, word, *operands):
        seen[word], (matrix, offset) = operands, maps[word]
        vectors = jnp.concatenate(operands, axis=-1)
        return contract(vectors.reshape(-1, vectors.shape[-1]), matrix).reshape(*vectors.shape[:-1], -1) + offset

    def step(state, now):
        state, y = layer.step(state, now, functools.partial(multiply, seen := {}))
        return state, (y, seen)

    feed = layer.ahead(x, functools.partial(multiply, early))
    _, stacked = jax.lax.scan(step, layer.start(x), feed.swapaxes(0, 1))
    y, late = jax.tree.map(lambda part: part.swapaxes(0, 1), stacked)
    return y, early | late


def matrix_name(layer: str, word: str) -> str:
    """What a layer's matrix is called."""
    return f"{layer}/{word}" if word else layer


def only(layer: AbstractLayer, inputs: tuple[Shape, ...]) -> Shape:
    """The shape of the only input."""
    if len(inputs) != 1:
        raise NetworkError("", f"{type(layer).__name__} takes one input, got {len(inputs)}")
    return inputs[0]


def only_image(layer: AbstractLayer, inputs: tuple[Shape, ...]) -> Shape:
    """The shape of the only input, which must be an image."""
    shape = only(layer, inputs)
    if len(shape) != 3:
        raise NetworkError("", f"{type(layer).__name__} takes an image (height, width, channels), got shape {shape}")
    return shape


def only_sequence(layer: AbstractLayer, inputs: tuple[Shape, ...]) -> Shape:
    """The shape of the only input, which must be a sequence."""
    shape = only(layer, inputs)
    if len(shape) != 2:
        raise NetworkError("", f"{type(layer).__name__} takes a sequence (tokens, n), got shape {shape}")
    return shape


def alike(layer: AbstractLayer, inputs: tuple[Shape, ...]) -> Shape:
    """The shape that two inputs or more share."""
    kind = type(layer).__name__
    if len(inputs) < 2:
        raise NetworkError("", f"{kind} takes two inputs or more, got {len(inputs)}")
    if len(set(inputs)) != 1:
        raise NetworkError("", f"{kind} takes inputs of one shape, got " + " and ".join(map(str, inputs)))
    return inputs[0]
