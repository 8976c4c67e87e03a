"""Layers that only choose and arrange values."""

from collections.abc import Mapping
from itertools import accumulate
from math import prod

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pimsim.errors import NetworkError
from pimsim.network.layers.base import AbstractVectorLayer, only, only_image, only_sequence
from pimsim.network.layers.window import check_sizes
from pimsim.network.ops import Op, Shape, VectorOp, all_of, each, vector_count


class Input(AbstractVectorLayer):
    """One of several inputs of a network, which enter side by side as one vector: `sizes` values of it from `start`."""

    name: str = eqx.field(static=True)
    """By which data know it."""
    start: int = eqx.field(static=True)
    sizes: Shape = eqx.field(converter=tuple, static=True)

    @property
    def end(self) -> int:
        return self.start + prod(self.sizes)

    def shape(self, *inputs: Shape) -> Shape:
        shape = only(self, inputs)
        if len(shape) != 1 or not 0 <= self.start < self.end <= shape[0]:
            raise NetworkError("", f"takes values {self.start} to {self.end} of a vector, got shape {shape}")
        return self.sizes

    def can_be_negative(self, *inputs: bool) -> bool:
        """As of a network's only input: images are pixels."""
        return len(self.sizes) < 3

    def lower(self, name: str, inputs: tuple[str, ...], *shapes: Shape) -> list[Op]:
        values, vectors = prod(self.sizes), vector_count(self.sizes)
        return [VectorOp(name, inputs, "reshape", values, values, vectors, self.sizes[-1], (all_of(1, vectors),))]

    def __call__(self, *inputs: Float[Array, "batch value"]) -> Float[Array, "batch ..."]:
        return inputs[0][:, self.start : self.end].reshape(-1, *self.sizes)


def side_by_side(shapes: Mapping[str, Shape]) -> list[tuple[str, Input]]:
    """The layers that take inputs of these shapes, in their order, from the vector that enters a network."""
    ends = [0, *accumulate(map(prod, shapes.values()))]
    return [(name, Input(name, start, shape)) for (name, shape), start in zip(shapes.items(), ends, strict=False)]


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


class Tokens(AbstractVectorLayer):
    """An image as a sequence: a pixel a token, in raster order."""

    def shape(self, *inputs: Shape) -> Shape:
        height, width, channels = only_image(self, inputs)
        return (height * width, channels)

    def lower(self, name: str, inputs: tuple[str, ...], *shapes: Shape) -> list[Op]:
        tokens, channels = self.shape(*shapes)
        values = tokens * channels
        return [VectorOp(name, inputs, "reshape", values, values, tokens, channels, (each(tokens),))]

    def __call__(self, *inputs: Float[Array, "batch height width channel"]) -> Float[Array, "batch token channel"]:
        return inputs[0].reshape(inputs[0].shape[0], -1, inputs[0].shape[-1])


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


class Lookup(AbstractVectorLayer):
    """Each value of a vector is the number of a row of a table: the embedding of tokens."""

    rows: int = eqx.field(static=True)
    width: int = eqx.field(static=True)

    def __check_init__(self):
        check_sizes("rows", (self.rows,), 1)
        check_sizes("width", (self.width,), 1)

    @property
    def constants(self) -> dict[str, Shape]:
        return {"table": (self.rows, self.width)}

    def shape(self, *inputs: Shape) -> Shape:
        return (*only(self, inputs), self.width)

    def can_be_negative(self, *inputs: bool) -> bool:
        return True

    def lower(self, name: str, inputs: tuple[str, ...], *shapes: Shape) -> list[Op]:
        vectors = prod(shapes[0])
        need = (np.repeat(np.arange(vector_count(shapes[0]), dtype=np.int32), shapes[0][-1]),)
        values = vectors * self.width
        return [VectorOp(name, inputs, "reshape", values, values, vectors, self.width, need)]

    def __call__(
        self, *inputs: Float[Array, "batch ... token"], table: Float[Array, "row value"] | None = None
    ) -> Float[Array, "batch ... token value"]:
        if table is None:
            raise NetworkError("", "a lookup needs its table")
        number = inputs[0].astype(int)
        return table[jnp.where(number < 0, number + self.rows, number)]
