"""Convolution over images: by one matrix for all places, or by one for each."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Num

from pimsim.errors import NetworkError, SpecError
from pimsim.network.layers.base import AbstractMatrixLayer, AbstractWeightedLayer, only_image
from pimsim.network.layers.window import Padding, Pair, Window, check_sizes, check_window, padding_of, pair
from pimsim.network.ops import MatrixOp, Op, Shape


class Conv2d(AbstractMatrixLayer):
    """y[i,j,o] = bias[o] + Σ_{u,v,c} w[u,v,c,o] · x[i·stride+u·dilation-padding, …, c], zero outside the image.

    With groups, the input and the output channels are cut into as many equal runs, and each run of outputs sums over
    its own run of inputs. The matrix then has one block a group: its rows are in order of group, u, v, c.
    """

    channels: int = eqx.field(static=True)
    """Output channels."""
    kernel: Pair = eqx.field(converter=pair, static=True)
    stride: Pair = eqx.field(default=(1, 1), converter=pair, static=True)
    padding: Padding = eqx.field(default=(0, 0), converter=padding_of, static=True)
    groups: int = eqx.field(default=1, static=True)
    dilation: Pair = eqx.field(default=(1, 1), converter=pair, static=True)

    def __check_init__(self):
        check_sizes("channels", (self.channels,), 1)
        check_sizes("groups", (self.groups,), 1)
        check_window("kernel", self.kernel, self.stride, self.padding, self.dilation)
        if self.channels % self.groups:
            raise SpecError("groups", f"must divide the {self.channels} output channels, got {self.groups}")

    @property
    def window(self) -> Window:
        return Window(self.kernel, self.stride, self.padding, self.dilation)

    def shape(self, *inputs: Shape) -> Shape:
        image = only_image(self, inputs)
        if image[2] % self.groups:
            raise NetworkError("", f"{self.groups} groups do not divide the {image[2]} input channels")
        return (*self.window.positions(image), self.channels)

    def weight_shape(self, input_shape: Shape) -> Shape:
        return (*self.kernel, input_shape[2] // self.groups, self.channels)

    def lower(self, name: str, inputs: tuple[str, ...], *shapes: Shape) -> list[Op]:
        height, width, channels = self.shape(*shapes)
        rows = self.kernel[0] * self.kernel[1] * shapes[0][2]
        need, first = (self.window.need(shapes[0]),), (self.window.first(shapes[0]),)
        vectors, taps = height * width, self.kernel[0] * self.kernel[1]
        fresh = self.kernel[0] * min(self.stride[1], self.kernel[1]) * shapes[0][2]
        return [MatrixOp(name, inputs, rows, channels, vectors, self.groups, need, taps=taps, fresh=fresh, first=first)]

    def forward(
        self,
        weight: Float[Array, "kernel_height kernel_width channel col"],
        bias: Float[Array, " col"],
        x: Float[Array, "batch height width input_channel"],
    ) -> Float[Array, "batch out_height out_width col"]:
        y = lax.conv_general_dilated(
            x,
            weight,
            self.stride,
            self.window.sides,
            rhs_dilation=self.dilation,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=self.groups,
            precision=lax.Precision.HIGHEST,
        )
        return y + bias

    def matrix(
        self, weight: Num[np.ndarray | Array, "kernel_height kernel_width channel col"]
    ) -> Num[np.ndarray | Array, "row col"]:
        xp = jnp if isinstance(weight, jax.Array) else np
        blocks = weight.reshape(-1, self.groups, self.channels // self.groups).swapaxes(0, 1)
        diagonal = xp.eye(self.groups, dtype=weight.dtype)[:, None, :, None]
        return (blocks[:, :, None, :] * diagonal).reshape(-1, self.channels)

    def vectors(self, x: Num[Array, "batch height width channel"]) -> Num[Array, "batch vector row"]:
        image, window = x.shape[1:], self.window
        grouped = _patches(x, window).reshape(x.shape[0], -1, *self.kernel, self.groups, image[2] // self.groups)
        return jnp.moveaxis(grouped, 4, 2).reshape(*grouped.shape[:2], -1)

    def tensor(
        self, y: Num[Array, "batch vector col"], input_shape: Shape
    ) -> Num[Array, "batch out_height out_width col"]:
        return y.reshape(-1, *self.shape(input_shape))


class LocallyConnected(AbstractWeightedLayer):
    """A convolution whose places have weights of their own: w[i,j,u,v,c,o] in place of w[u,v,c,o]."""

    channels: int = eqx.field(static=True)
    """Output channels."""
    kernel: Pair = eqx.field(converter=pair, static=True)
    stride: Pair = eqx.field(default=(1, 1), converter=pair, static=True)
    padding: Padding = eqx.field(default=(0, 0), converter=padding_of, static=True)

    def __check_init__(self):
        check_sizes("channels", (self.channels,), 1)
        check_window("kernel", self.kernel, self.stride, self.padding)

    @property
    def window(self) -> Window:
        return Window(self.kernel, self.stride, self.padding)

    def shape(self, *inputs: Shape) -> Shape:
        return (*self.window.positions(only_image(self, inputs)), self.channels)

    def weight_shape(self, input_shape: Shape) -> Shape:
        return (*self.window.positions(input_shape), *self.kernel, input_shape[2], self.channels)

    def lower(self, name: str, inputs: tuple[str, ...], *shapes: Shape) -> list[Op]:
        height, width, channels = self.shape(*shapes)
        rows, vectors = self.kernel[0] * self.kernel[1] * shapes[0][2], height * width
        need, first = (self.window.need(shapes[0]),), (self.window.first(shapes[0]),)
        return [MatrixOp(name, inputs, rows, channels, vectors, 1, need, matrices=vectors, first=first)]

    def forward(
        self,
        weight: Float[Array, "out_height out_width kernel_height kernel_width channel col"],
        bias: Float[Array, " col"],
        x: Float[Array, "batch height width channel"],
    ) -> Float[Array, "batch out_height out_width col"]:
        patches = _patches(x, self.window)
        return jnp.einsum("bhwuvc,hwuvco->bhwo", patches, weight, precision=lax.Precision.HIGHEST) + bias


def _patches(
    x: Num[Array, "batch height width channel"], window: Window
) -> Num[Array, "batch out_height out_width kernel_height kernel_width channel"]:
    """What each place of the window sees; padding is 0."""
    columns = jnp.stack(window.taps(x, 1, x.shape[1:], 0), axis=3)
    return jnp.stack(window.taps(columns, 0, x.shape[1:], 0), axis=3)
