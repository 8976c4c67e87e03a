"""A window that slides over an image: the geometry that convolutions and pools share."""

import functools
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Int, Int32, Num

from pimsim.errors import NetworkError, SpecError
from pimsim.network.ops import Shape, read_only

Pair = tuple[int, int]
"""Along the height and along the width."""
Padding = Pair | tuple[Pair, Pair]
"""Along the height and along the width: the same before and after the image, or ((above, below), (left, right))."""


def pair(size: int | Pair) -> Pair:
    """A size given once holds for height and width alike."""
    return (size, size) if isinstance(size, int) else size


def padding_of(padding: int | Padding) -> Padding:
    """Padding as one number, one an axis, or one a side; the same on both sides is written once."""
    sides = (padding, padding) if isinstance(padding, int) else padding
    match sides:
        case (int(above), int(below)), (int(left), int(right)) if above == below and left == right:
            return above, left
    return sides


def check_sizes(place: str, sizes: tuple[int, ...], least: int) -> None:
    """Refuse a field that is not whole numbers of at least `least`, with a SpecError at `place`."""
    if not all(isinstance(size, int) and size >= least for size in sizes):
        got = sizes[0] if len(set(sizes)) == 1 else sizes
        raise SpecError(place, f"must be a whole number of at least {least}, got {got}")


def check_window(place: str, size: Pair, stride: Pair, padding: Padding, dilation: Pair = (1, 1)) -> None:
    """Refuse windows that cannot slide, or that could lie wholly in the padding. `place` is the field of the size."""
    for field, value in ((place, size), ("stride", stride), ("padding", padding), ("dilation", dilation)):
        if not isinstance(value, tuple) or len(value) != 2:
            raise SpecError(field, f"must be one whole number or a pair (height, width), got {value}")
    for field, value in ((place, size), ("stride", stride), ("dilation", dilation)):
        check_sizes(field, value, 1)
    for side in padding:
        check_sizes("padding", pair(side), 0)
    window = Window(size, stride, padding, dilation)
    span = window.span
    if any(max(sides) >= n for sides, n in zip(window.sides, span, strict=True)):
        remedy = "A window in the padding alone would see no pixel."
        raise SpecError("padding", f"must be less than the {place} {_times(span)}, got {_times(padding)}", remedy)


@dataclass(frozen=True)
class Window:
    """A window of `size`, moved by `stride` over an image with `padding` pixels added on its sides.

    Its pixels lie `dilation` apart. With `ceil` the last places may reach past the padding, as far as they begin before
    it: images whose size no whole number of strides fits lose no pixel.
    """

    size: Pair
    stride: Pair
    padding: Padding
    dilation: Pair = (1, 1)
    ceil: bool = False

    @property
    def span(self) -> Pair:
        """Pixels from the first to the last of the window."""
        return (self.size[0] - 1) * self.dilation[0] + 1, (self.size[1] - 1) * self.dilation[1] + 1

    @property
    def sides(self) -> tuple[Pair, Pair]:
        """Padding above and below, and left and right."""
        return pair(self.padding[0]), pair(self.padding[1])

    def positions(self, image: Shape) -> Pair:
        """How many places the window takes along the height and the width of an image (height, width, channels)."""
        if any(n + sum(p) < k for n, k, p in zip(image[:2], self.span, self.sides, strict=True)):
            fact = f"a window of {_times(self.span)} does not fit an image of {_times(image[:2])}"
            raise NetworkError("", f"{fact} with padding {_times(self.padding)}")
        if self.dilation != (1, 1):
            for axis in (0, 1):
                self._pixels(image, axis)  # refuses places from which all taps lie in the padding
        return self._count(image, 0), self._count(image, 1)

    def _count(self, image: Shape, axis: int) -> int:
        room, stride = image[axis] + sum(self.sides[axis]) - self.span[axis], self.stride[axis]
        if not self.ceil:
            return room // stride + 1
        last = -(-room // stride)
        return last + (last * stride < image[axis] + self.sides[axis][0])

    def _pixels(self, image: Shape, axis: int) -> tuple[Int[np.ndarray, "place tap"], Bool[np.ndarray, "place tap"]]:
        """Along one axis, where each tap of each place lies, and whether that is inside the image."""
        start = np.arange(self._count(image, axis)) * self.stride[axis] - self.sides[axis][0]
        at = start[:, None] + np.arange(self.size[axis]) * self.dilation[axis]
        inside = (at >= 0) & (at < image[axis])
        if not inside.any(axis=1).all():
            raise NetworkError(
                "", f"a window of {_times(self.size)} with dilation {_times(self.dilation)} sees no pixel"
            )
        return at, inside

    @functools.lru_cache(maxsize=512)  # noqa: B019  windows are few and small, and networks repeat them
    def need(self, image: Shape) -> Int32[np.ndarray, " vector"]:
        """For each place in raster order, the pixel of its window that comes last in raster order."""
        last_row, last_col = (
            np.where(inside, at, 0).max(axis=1) for at, inside in map(self._pixels, (image,) * 2, (0, 1))
        )
        return read_only((last_row[:, None] * image[1] + last_col).ravel().astype(np.int32))

    @functools.lru_cache(maxsize=512)  # noqa: B019
    def first(self, image: Shape) -> Int32[np.ndarray, " vector"]:
        """For each place in raster order, the pixel of its window that comes first in raster order."""
        row, col = (
            np.where(inside, at, image[axis]).min(axis=1)
            for axis, (at, inside) in enumerate(map(self._pixels, (image,) * 2, (0, 1)))
        )
        return read_only((row[:, None] * image[1] + col).ravel().astype(np.int32))

    def real_pixels(self, image: Shape) -> Int[np.ndarray, "height width"]:
        """How many pixels of the image, padding not counted, each place of the window covers."""
        rows, cols = (self._pixels(image, axis)[1].sum(axis=1) for axis in (0, 1))
        return np.outer(rows, cols)

    def padded_pixels(self, image: Shape) -> Int[np.ndarray, "height width"]:
        """How many pixels of the image and its padding each place covers: fewer where it reaches past both."""
        ends = (image[axis] + self.sides[axis][1] for axis in (0, 1))
        rows, cols = ((self._pixels(image, axis)[0] < end).sum(axis=1) for axis, end in enumerate(ends))
        return np.outer(rows, cols)

    def taps(
        self, x: Num[Array, "batch ..."], axis: int, image: Shape, fill: int | float
    ) -> list[Num[Array, "batch ..."]]:
        """The views of a batch along one axis of the image: tap t is what all places see at their t-th pixel.

        `x` holds the height, still whole or already cut to places, on axis 1 and the width on axis 2.
        """
        reach = (self.positions(image)[axis] - 1) * self.stride[axis] + 1
        before = self.sides[axis][0]
        past = reach - 1 + self.span[axis] - image[axis] - before
        pads = [(0, 0)] * x.ndim
        pads[axis + 1] = (before, max(past, 0))
        padded = jnp.pad(x, pads, constant_values=fill)
        starts = range(0, self.span[axis], self.dilation[axis])
        return [lax.slice_in_dim(padded, t, t + reach, self.stride[axis], axis + 1) for t in starts]


def _times(sizes: tuple[int | Pair, ...]) -> str:
    return "×".join("+".join(map(str, size)) if isinstance(size, tuple) else str(size) for size in sizes)
