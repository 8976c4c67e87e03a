"""How a signed matrix becomes columns of cells, and what each column's conversion counts in the result."""

from abc import abstractmethod
from typing import Literal, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from pimsim.errors import SpecError
from pimsim.spec import AbstractSpec

Widths = tuple[int, ...]
"""Bits of each slice, least significant first."""


class Encoded(NamedTuple):
    """One matrix as non-negative levels, with the digital recipe that turns column sums back into products.

        Σ_r x[r] W[r,c] = Σ_p gain[p,c] · (Σ_r x[r] levels[p,r,c])  +  input_gain[c] · Σ_r x[r]

    A plane is one column of cells for each column of weights: a slice, of one polarity if the encoding has two.
    """

    levels: Int[Array, "plane row col"]
    gain: Float[Array, "plane col"]
    input_gain: Float[Array, " col"]


class AbstractEncoding(AbstractSpec):
    """A way to hold signed weights in cells that know no sign."""

    @abstractmethod
    def widths(self, weight_bits: int, cell_bits: int) -> Widths:
        """Bits of each slice, where nothing else is asked for."""

    @abstractmethod
    def encode(
        self, weights: Int[Array, "row col"], weight_bits: int, widths: Widths, top: int, exists: Bool[Array, " row"]
    ) -> Encoded:
        """Levels and recipe for one array's block of signed `weight_bits` integers, of which not all rows exist.

        `top` is the largest sum of a column's levels that the converter resolves, for the largest input of a stream.
        """

    def largest_input_gain(self, weight_bits: int) -> float:
        """A bound on |input_gain|."""
        return 0.0

    @property
    def polarities(self) -> int:
        """Columns of cells for each slice: 2 where positive and negative parts are kept apart."""
        return 1

    @property
    def analog_pairs(self) -> bool:
        """Whether the second half of the planes is subtracted from the first as currents, before one conversion."""
        return False

    @property
    def unit_level(self) -> int:
        """The level of the cells of a column, one an array, that measures Σx; 0 if there is none."""
        return 0


class Offset(AbstractEncoding):
    """U = W + 2^(b-1), cut into slices; 2^(b-1)·Σx is subtracted, Σx being a column's conversion or digital.

    Column flip: a column whose largest possible sum exceeds `top` stores (2^c - 1) - U instead and counts
    (2^c - 1)·Σx - y. R slices of c bits sum to at most R (2^c - 1), and either U or its complement to at most half of
    that: the converter saves one bit.

    Source: Shafiee et al., ISCA 2016, section V.
    """

    unit_column: bool = True
    """Whether each array measures Σx with a column of its own; otherwise a digital adder knows it exactly."""
    column_flip: bool = False
    unit_cell_level: int = 1
    """The level stored in the cells of that column; it must fit in a cell."""

    @property
    def unit_level(self) -> int:
        return self.unit_cell_level if self.unit_column else 0

    def __check_init__(self):
        if self.unit_cell_level < 1:
            raise SpecError("unit_cell_level", f"must be at least 1, got {self.unit_cell_level}")

    def widths(self, weight_bits: int, cell_bits: int) -> Widths:
        return cut(weight_bits, cell_bits)

    def largest_input_gain(self, weight_bits: int) -> float:
        return 2.0 ** (weight_bits - 1)

    def encode(
        self, weights: Int[Array, "row col"], weight_bits: int, widths: Widths, top: int, exists: Bool[Array, " row"]
    ) -> Encoded:
        full = jnp.array([2**width - 1 for width in widths])[:, None]
        offset = 2 ** (weight_bits - 1)
        levels = slices(weights + offset, widths) * exists[:, None]
        flip = (levels.sum(axis=1) > top) & self.column_flip
        place = places(widths)
        return Encoded(
            levels=jnp.where(flip[:, None], (full[..., None] - levels) * exists[:, None], levels),
            gain=jnp.where(flip, -place, place),
            input_gain=jnp.sum(jnp.where(flip, full * place, 0.0), axis=0) - offset,
        )


class Differential(AbstractEncoding):
    """|W| in the positive or in the negative array of a pair; the other holds zero.

    The two currents are subtracted before one conversion (PRIME and most device work), or their conversions afterwards.
    The magnitude has b - 1 bits: the most negative integer, -2^(b-1), does not fit.
    """

    subtraction: Literal["analog", "digital"] = "analog"

    @property
    def polarities(self) -> int:
        return 2

    @property
    def analog_pairs(self) -> bool:
        return self.subtraction == "analog"

    def widths(self, weight_bits: int, cell_bits: int) -> Widths:
        return cut(max(1, weight_bits - 1), cell_bits)

    def encode(
        self, weights: Int[Array, "row col"], weight_bits: int, widths: Widths, top: int, exists: Bool[Array, " row"]
    ) -> Encoded:
        parts = [slices(jnp.maximum(sign * weights, 0), widths) for sign in (1, -1)]
        place = jnp.broadcast_to(places(widths), (len(widths), weights.shape[1]))
        return Encoded(
            levels=jnp.concatenate(parts) * exists[:, None],
            gain=jnp.concatenate([place, -place]),
            input_gain=jnp.zeros(weights.shape[1]),
        )


class TwosComplement(AbstractEncoding):
    """The bits of W in two's complement, cut into slices; the sign bit has its own slice, which counts negative."""

    def widths(self, weight_bits: int, cell_bits: int) -> Widths:
        return (*cut(weight_bits - 1, cell_bits), 1)

    def encode(
        self, weights: Int[Array, "row col"], weight_bits: int, widths: Widths, top: int, exists: Bool[Array, " row"]
    ) -> Encoded:
        sign = jnp.array([1.0] * (len(widths) - 1) + [-1.0])[:, None]
        gain = jnp.broadcast_to(sign * places(widths), (len(widths), weights.shape[1]))
        return Encoded(slices(weights, widths) * exists[:, None], gain, jnp.zeros(weights.shape[1]))


def cut(bits: int, width: int) -> Widths:
    """Slices of `width` bits, least significant first; the last holds the rest."""
    return tuple(min(width, bits - at) for at in range(0, bits, width))


def slices(values: Int[Array, "row col"], widths: Widths) -> Int[Array, "slice row col"]:
    """The bits of integers, `widths` at a time."""
    shifts = [sum(widths[:s]) for s in range(len(widths))]
    return jnp.stack([(values >> shift) & (2**width - 1) for shift, width in zip(shifts, widths, strict=True)])


def places(widths: Widths) -> Float[Array, "slice 1"]:
    """What one level of each slice counts."""
    return jnp.array([2.0 ** sum(widths[:s]) for s in range(len(widths))])[:, None]
