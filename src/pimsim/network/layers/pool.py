"""Pooling: the largest or the average pixel of each window, channel by channel."""

import functools

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pimsim.network.layers.base import AbstractVectorLayer, only_image
from pimsim.network.layers.window import Padding, Pair, Window, check_window, padding_of, pair
from pimsim.network.ops import Op, Shape, VectorOp, all_of


def _optional_pair(size: int | Pair | None) -> Pair | None:
    return None if size is None else pair(size)


class AbstractPool(AbstractVectorLayer):
    """A window that slides over each channel; without a stride the windows tile the image."""

    window: Pair = eqx.field(converter=pair, static=True)
    stride: Pair | None = eqx.field(default=None, converter=_optional_pair, static=True)
    padding: Padding = eqx.field(default=(0, 0), converter=padding_of, static=True)
    ceil: bool = eqx.field(default=False, static=True)
    """Whether the last windows may reach past the image, so that every pixel is in one."""
    dilation: Pair = eqx.field(default=(1, 1), converter=pair, static=True)

    def __check_init__(self):
        check_window("window", self.window, self.sliding.stride, self.padding, self.dilation)

    @property
    def sliding(self) -> Window:
        stride = self.window if self.stride is None else self.stride
        return Window(self.window, stride, self.padding, self.dilation, self.ceil)

    def shape(self, *inputs: Shape) -> Shape:
        image = only_image(self, inputs)
        return (*self.sliding.positions(image), image[2])

    def lower(self, name: str, inputs: tuple[str, ...], *shapes: Shape) -> list[Op]:
        height, width, channels = self.shape(*shapes)
        operands = int(self.sliding.real_pixels(shapes[0]).sum()) * channels
        values, vectors, window = height * width * channels, height * width, self.sliding
        need, first = (window.need(shapes[0]),), (window.first(shapes[0]),)
        return [VectorOp(name, inputs, "pool", values, operands, vectors, channels, need, first)]


class MaxPool(AbstractPool):
    """The largest pixel of each window; padding never wins."""

    def __call__(self, *inputs: Float[Array, "batch height width channel"]) -> Float[Array, "batch ..."]:
        x = image = inputs[0]
        for axis in (0, 1):
            x = functools.reduce(jnp.maximum, self.sliding.taps(x, axis, image.shape[1:], -jnp.inf))
        return x


class AvgPool(AbstractPool):
    """The average over each window's pixels: of the image alone, or with the zeros of the padding."""

    count_padding: bool = eqx.field(default=False, static=True)
    """Whether the sum is divided by the pixels of image and padding."""

    def __call__(self, *inputs: Float[Array, "batch height width channel"]) -> Float[Array, "batch ..."]:
        x = image = inputs[0]
        for axis in (0, 1):  # tap by tap, so that the order of the sum is fixed
            x = functools.reduce(jnp.add, self.sliding.taps(x, axis, image.shape[1:], 0.0))
        count = self.sliding.padded_pixels if self.count_padding else self.sliding.real_pixels
        return x / count(image.shape[1:])[..., None].astype(np.float32)


class GlobalAvgPool(AbstractVectorLayer):
    """The average of each channel over the whole image, as a vector."""

    def shape(self, *inputs: Shape) -> Shape:
        return only_image(self, inputs)[2:]

    def lower(self, name: str, inputs: tuple[str, ...], *shapes: Shape) -> list[Op]:
        (values,), (height, width, _) = self.shape(*shapes), shapes[0]
        need = (all_of(height * width),)
        return [VectorOp(name, inputs, "pool", values, height * width * values, 1, values, need)]

    def __call__(self, *inputs: Float[Array, "batch height width channel"]) -> Float[Array, "batch channel"]:
        _, height, width, _ = inputs[0].shape
        return AvgPool((height, width))(inputs[0])[:, 0, 0]
