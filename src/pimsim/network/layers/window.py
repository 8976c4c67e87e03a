"""A window that slides over an image: the geometry that convolutions and pools share."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Int, Num

from pimsim.errors import NetworkError, SpecError
from pimsim.network.ops import Shape

Pair = tuple[int, int]
"""Along the height and along the width."""


def pair(size: int | Pair) -> Pair:
    """A size given once holds for height and width alike."""
    return (size, size) if isinstance(size, int) else size


def check_sizes(place: str, sizes: tuple[int, ...], least: int) -> None:
    """Refuse a field that is not whole numbers of at least `least`, with a SpecError at `place`."""
    if not all(isinstance(size, int) and size >= least for size in sizes):
        got = sizes[0] if len(set(sizes)) == 1 else sizes
        raise SpecError(place, f"must be a whole number of at least {least}, got {got}")


def check_window(place: str, size: Pair, stride: Pair, padding: Pair) -> None:
    """Refuse windows that cannot slide, or that could lie wholly in the padding. `place` is the field of the size."""
    for field, value, least in ((place, size, 1), ("stride", stride, 1), ("padding", padding, 0)):
        if not isinstance(value, tuple) or len(value) != 2:
            raise SpecError(field, f"must be one whole number or a pair (height, width), got {value}")
        check_sizes(field, value, least)
    if padding[0] >= size[0] or padding[1] >= size[1]:
        remedy = "A window in the padding alone would see no pixel."
        raise SpecError("padding", f"must be less than the {place} {_times(size)}, got {_times(padding)}", remedy)


@dataclass(frozen=True)
class Window:
    """A window of `size`, moved by `stride` over an image with `padding` pixels added on every side."""

    size: Pair
    stride: Pair
    padding: Pair

    def positions(self, image: Shape) -> Pair:
        """How many places the window takes along the height and the width of an image (height, width, channels)."""
        if any(n + 2 * p < k for n, k, p in zip(image[:2], self.size, self.padding, strict=True)):
            fact = f"a window of {_times(self.size)} does not fit an image of {_times(image[:2])}"
            raise NetworkError("", f"{fact} with padding {_times(self.padding)}")
        height, width = (
            (n + 2 * p - k) // s + 1 for n, k, s, p in zip(image[:2], self.size, self.stride, self.padding, strict=True)
        )
        return height, width

    def _bounds(self, image: Shape, axis: int) -> tuple[Int[np.ndarray, " place"], Int[np.ndarray, " place"]]:
        """The first and the last real pixel that each place of the window covers along one axis."""
        start = np.arange(self.positions(image)[axis]) * self.stride[axis] - self.padding[axis]
        return np.maximum(start, 0), np.minimum(start + self.size[axis], image[axis]) - 1

    def need(self, image: Shape) -> Int[np.ndarray, " vector"]:
        """For each place in raster order, the pixel of its window that comes last in raster order."""
        (_, last_row), (_, last_col) = self._bounds(image, 0), self._bounds(image, 1)
        return (last_row[:, None] * image[1] + last_col).ravel()

    def real_pixels(self, image: Shape) -> Int[np.ndarray, "height width"]:
        """How many pixels of the image, padding not counted, each place of the window covers."""
        (top, bottom), (left, right) = self._bounds(image, 0), self._bounds(image, 1)
        return np.outer(bottom - top + 1, right - left + 1)

    def taps(
        self, x: Num[Array, "batch ..."], axis: int, image: Shape, fill: int | float
    ) -> list[Num[Array, "batch ..."]]:
        """The views of a batch along one axis of the image: tap t is what all places see at their t-th pixel.

        `x` holds the height, still whole or already cut to places, on axis 1 and the width on axis 2.
        """
        count, stride = self.positions(image)[axis], self.stride[axis]
        pads = [(0, 0)] * x.ndim
        pads[axis + 1] = (self.padding[axis], self.padding[axis])
        padded = jnp.pad(x, pads, constant_values=fill)
        stops = range((count - 1) * stride + 1, (count - 1) * stride + 1 + self.size[axis])
        return [lax.slice_in_dim(padded, t, stop, stride, axis + 1) for t, stop in enumerate(stops)]


def _times(sizes: tuple[int, ...]) -> str:
    return "×".join(map(str, sizes))
