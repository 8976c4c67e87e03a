"""Layers that move values and compute nothing: steps along named axes, and what each result waits for."""

from abc import abstractmethod
from dataclasses import dataclass
from math import prod
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, Num

from pimsim.network.layers.base import AbstractVectorLayer, only
from pimsim.network.ops import Op, Shape, VectorOp, vector_count

Tensor = Num[np.ndarray | Array, "batch ..."]


class AbstractStep:
    """One move of a batch's values; axes are counted without the batch."""

    @abstractmethod
    def apply(self, x: Tensor, blank: int | None = None) -> Tensor:
        """The values moved, of the same array type; a `blank` stands where nothing was, if one is given."""


@dataclass(frozen=True)
class Reshape(AbstractStep):
    """Another shape for the same values, in the same order."""

    sizes: Shape

    def apply(self, x: Tensor, blank: int | None = None) -> Tensor:
        return x.reshape(x.shape[0], *self.sizes)


@dataclass(frozen=True)
class Transpose(AbstractStep):
    """Axis i of the result is axis order[i]."""

    order: Shape

    def apply(self, x: Tensor, blank: int | None = None) -> Tensor:
        return x.transpose(0, *(axis + 1 for axis in self.order))


@dataclass(frozen=True)
class Slice(AbstractStep):
    """Values start, start + step, … along an axis, `count` of them."""

    axis: int
    start: int
    step: int
    count: int

    def apply(self, x: Tensor, blank: int | None = None) -> Tensor:
        end = self.start + self.step * self.count
        cut = slice(self.start, end if end >= 0 else None, self.step) if self.count else slice(0)
        return x[(slice(None),) * (self.axis + 1) + (cut,)]


@dataclass(frozen=True)
class Take(AbstractStep):
    """Values at given places of an axis."""

    axis: int
    places: tuple[int, ...]

    def apply(self, x: Tensor, blank: int | None = None) -> Tensor:
        return x[(slice(None),) * (self.axis + 1) + (np.array(self.places, int),)]


@dataclass(frozen=True)
class Pad(AbstractStep):
    """Values before and after an axis; less than 0 cuts. Constant ones are `value`."""

    axis: int
    before: int
    after: int
    mode: Literal["constant", "reflect", "edge", "wrap"] = "constant"
    value: float = 0.0

    def apply(self, x: Tensor, blank: int | None = None) -> Tensor:
        cut = slice(max(-self.before, 0), x.shape[self.axis + 1] - max(-self.after, 0))
        x = x[(slice(None),) * (self.axis + 1) + (cut,)]
        pads = [(0, 0)] * x.ndim
        pads[self.axis + 1] = (max(self.before, 0), max(self.after, 0))
        xp = jnp if isinstance(x, jax.Array) else np
        if self.mode == "constant":
            return xp.pad(x, pads, constant_values=self.value if blank is None else blank)
        return xp.pad(x, pads, mode=self.mode)


@dataclass(frozen=True)
class Tile(AbstractStep):
    """The values along an axis, several times over."""

    axis: int
    times: int

    def apply(self, x: Tensor, blank: int | None = None) -> Tensor:
        xp = jnp if isinstance(x, jax.Array) else np
        return xp.concatenate([x] * self.times, axis=self.axis + 1)


class Rearrange(AbstractVectorLayer):
    """Values moved by some steps, one after the other. A vector waits for the last that it is made of."""

    steps: tuple[AbstractStep, ...] = eqx.field(converter=tuple, static=True)

    def shape(self, *inputs: Shape) -> Shape:
        return self._vectors(only(self, inputs)).shape[1:]

    def lower(self, name: str, inputs: tuple[str, ...], *shapes: Shape) -> list[Op]:
        made_of = self._vectors(only(self, shapes))
        shape = made_of.shape[1:]
        values, vectors = prod(shape), vector_count(shape)
        need = made_of.reshape(vectors, -1).max(axis=1).clip(0)
        return [VectorOp(name, inputs, "reshape", values, values, vectors, shape[-1], (need.astype(np.int32),))]

    def _vectors(self, shape: Shape) -> Int32[np.ndarray, "1 ..."]:
        """For each value of the result, the vector that it comes from; -1 where none."""
        x = np.repeat(np.arange(vector_count(shape), dtype=np.int32), shape[-1]).reshape(1, *shape)
        for step in self.steps:
            x = step.apply(x, -1)
        return np.asarray(x)

    def __call__(self, *inputs: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
        x: Tensor = inputs[0]
        for step in self.steps:
            x = step.apply(x)
        return jnp.asarray(x)
