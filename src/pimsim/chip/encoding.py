"""How a signed matrix becomes columns of cells, and what each column's conversion counts in the result."""

from abc import abstractmethod
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from pimsim.spec import AbstractSpec


class Encoded(NamedTuple):
    """One matrix as non-negative levels, with the digital recipe that turns column sums back into products.

    Σ_r x[r] W[r,c] = Σ_s gain[s,c] · (Σ_r x[r] levels[s,r,c])  +  input_gain[c] · Σ_r x[r]
    """

    levels: Int[Array, "slice row col"]
    gain: Float[Array, "slice col"]
    input_gain: Float[Array, " col"]


class AbstractEncoding(AbstractSpec):
    """A way to hold signed weights in cells that know no sign."""

    @abstractmethod
    def slices(self, weight_bits: int, cell_bits: int) -> int:
        """Columns of cells that one column of weights takes."""

    @abstractmethod
    def extra_columns(self) -> int:
        """Columns an array holds beside those of weights."""

    @abstractmethod
    def largest_sum(self, weight_bits: int, cell_bits: int, code: int, ones: int) -> float:
        """A bound on the recipe's sum over slices, for conversions up to `code` and digital Σx up to `ones`."""

    @abstractmethod
    def encode(
        self, weights: Int[Array, "row col"], weight_bits: int, cell_bits: int, top: int, exists: Bool[Array, " row"]
    ) -> Encoded:
        """Levels and recipe for one array's block of signed `weight_bits` integers, of which not all rows exist.

        `top` is the largest sum of a column's levels that the converter resolves, for the largest input of a stream.
        """


class Offset(AbstractEncoding):
    """U = W + 2^(b-1), cut into slices; 2^(b-1)·Σx is subtracted, where Σx comes from a column of ones or digitally.

    Column flip: a column whose largest possible sum exceeds `top` stores (2^c - 1) - U instead and counts
    (2^c - 1)·Σx - y. R cells of c bits sum to at most R (2^c - 1), and either U or its complement to at most half of
    that: the converter saves one bit.

    Source: Shafiee et al., ISCA 2016, section V.
    """

    unit_column: bool = True
    """Whether each array measures Σx with a column of cells at level 1; otherwise a digital adder knows it exactly."""
    column_flip: bool = False

    def slices(self, weight_bits: int, cell_bits: int) -> int:
        return -(-weight_bits // cell_bits)

    def extra_columns(self) -> int:
        return int(self.unit_column)

    def largest_sum(self, weight_bits: int, cell_bits: int, code: int, ones: int) -> float:
        slices, offset = self.slices(weight_bits, cell_bits), 2.0 ** (weight_bits - 1)
        places = sum(2.0 ** (cell_bits * s) for s in range(slices))
        return places * code + max(offset, (2**cell_bits - 1) * places - offset) * (code if self.unit_column else ones)

    def encode(
        self, weights: Int[Array, "row col"], weight_bits: int, cell_bits: int, top: int, exists: Bool[Array, " row"]
    ) -> Encoded:
        mask = 2**cell_bits - 1
        shift = cell_bits * jnp.arange(self.slices(weight_bits, cell_bits))[:, None]
        offset = 2 ** (weight_bits - 1)
        levels = (((weights + offset)[None] >> shift[..., None]) & mask) * exists[:, None]
        flip = (levels.sum(axis=1) > top) & self.column_flip
        place = (2.0**shift).astype(jnp.float64)
        input_gain = jnp.sum(jnp.where(flip, mask * place, 0.0), axis=0) - offset
        return Encoded(
            levels=jnp.where(flip[:, None], (mask - levels) * exists[:, None], levels),
            gain=jnp.where(flip, -place, place),
            input_gain=input_gain,
        )
