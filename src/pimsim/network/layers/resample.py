"""Layers that change the size of an image: values between pixels, and results that overlap."""

from math import prod

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pimsim.errors import NetworkError
from pimsim.network.layers.base import AbstractVectorLayer, only, only_image
from pimsim.network.layers.window import Padding, Pair, pair
from pimsim.network.ops import Op, Shape, VectorOp, vector_count


class Resample(AbstractVectorLayer):
    """y[o] = Σ_t shares[o][t] · x[places[o][t]] along one axis: interpolation, whatever its kind."""

    axis: int = eqx.field(static=True)
    """Counted without the batch."""
    places: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    shares: tuple[tuple[float, ...], ...] = eqx.field(static=True)

    def shape(self, *inputs: Shape) -> Shape:
        shape = only(self, inputs)
        return (*shape[: self.axis], len(self.places), *shape[self.axis + 1 :])

    def can_be_negative(self, *inputs: bool) -> bool:
        return any(inputs) or min(map(min, self.shares)) < 0

    def lower(self, name: str, inputs: tuple[str, ...], *shapes: Shape) -> list[Op]:
        shape = self.shape(*shapes)
        made_of = np.repeat(np.arange(vector_count(shapes[0]), dtype=np.int32), shapes[0][-1]).reshape(shapes[0])
        taken = np.take(made_of, np.array(self.places).max(axis=1), axis=self.axis)
        values, vectors = prod(shape), vector_count(shape)
        need = taken.reshape(vectors, -1).max(axis=1)
        return [VectorOp(name, inputs, "pool", values, values * len(self.places[0]), vectors, shape[-1], (need,))]

    def __call__(self, *inputs: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
        x = inputs[0]
        shares, places = np.array(self.shares, np.float32), np.array(self.places)
        along = [1] * x.ndim
        along[self.axis + 1] = len(places)
        taps = (
            jnp.take(x, places[:, t], axis=self.axis + 1) * shares[:, t].reshape(along) for t in range(places.shape[1])
        )
        return sum(taps, jnp.zeros((), x.dtype))


class OverlapAdd(AbstractVectorLayer):
    """The second half of a transposed convolution: each pixel holds a kernel's worth of results, which are laid over
    one another and added.

        y[i·stride + u·dilation - padding, …, g, o] += x[i, …, (g, u, v, o)]
    """

    channels: int = eqx.field(static=True)
    """Of the result."""
    kernel: Pair = eqx.field(converter=pair, static=True)
    stride: Pair = eqx.field(default=(1, 1), converter=pair, static=True)
    padding: Padding = eqx.field(default=((0, 0), (0, 0)), static=True)
    """Pixels cut off at each side; less than 0 adds empty ones."""
    groups: int = eqx.field(default=1, static=True)
    dilation: Pair = eqx.field(default=(1, 1), converter=pair, static=True)

    def _whole(self, image: Shape) -> Pair:
        """Height and width before anything is cut off."""
        spans = ((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation, strict=True))
        return tuple((n - 1) * s + k for n, s, k in zip(image[:2], self.stride, spans, strict=True))  # pyright: ignore

    def shape(self, *inputs: Shape) -> Shape:
        image = only_image(self, inputs)
        if image[2] != self.channels * prod(self.kernel):
            fact = f"takes {prod(self.kernel)} values for each of {self.channels} channels, got shape {image}"
            raise NetworkError("", fact)
        height, width = (n - sum(pair(p)) for n, p in zip(self._whole(image), self.padding, strict=True))
        return (height, width, self.channels)

    def lower(self, name: str, inputs: tuple[str, ...], *shapes: Shape) -> list[Op]:
        height, width, channels = self.shape(*shapes)
        last = [self._last(shapes[0], axis) for axis in (0, 1)]
        need = (last[0][:, None] * shapes[0][1] + last[1]).ravel().astype(np.int32)
        values = height * width * channels
        operands = max(values, prod(shapes[0]))
        return [VectorOp(name, inputs, "add", values, operands, height * width, channels, (need,))]

    def _last(self, image: Shape, axis: int) -> np.ndarray:
        """For each place along an axis of the result, the last pixel that has come by then."""
        first = np.arange(self.shape(image)[axis]) + pair(self.padding[axis])[0]
        return np.clip(first // self.stride[axis], 0, image[axis] - 1)

    def __call__(self, *inputs: Float[Array, "batch height width result"]) -> Float[Array, "batch ..."]:
        x = inputs[0]
        (height, width), image = self._whole(x.shape[1:]), x.shape[1:3]
        taps = x.reshape(len(x), *image, self.groups, *self.kernel, -1)
        y = jnp.zeros((len(x), height, width, self.groups, taps.shape[-1]), x.dtype)
        for u, v in np.ndindex(*self.kernel):
            rows, cols = (
                slice(t * d, t * d + (n - 1) * s + 1, s)
                for t, d, n, s in zip((u, v), self.dilation, image, self.stride, strict=True)
            )
            y = y.at[:, rows, cols].add(taps[:, :, :, :, u, v])
        y = y.reshape(len(x), height, width, self.channels)
        (top, bottom), (left, right) = (pair(p) for p in self.padding)
        y = y[:, max(top, 0) : height - max(bottom, 0), max(left, 0) : width - max(right, 0)]
        return jnp.pad(y, [(0, 0), (max(-top, 0), max(-bottom, 0)), (max(-left, 0), max(-right, 0)), (0, 0)])
