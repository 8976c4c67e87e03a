"""What the engine is given: programmed columns, the reads of a vector, and the rules it may go by."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Integer

from pimsim.chip.inputs import Stream, digits
from pimsim.circuits.adc import AdcErrors


class Columns(eqx.Module):
    """A programmed matrix as columns of conversions, in steps of one level, and what each conversion counts.

    A block is a cut of rows: one row of arrays. A plane has one conversion for each column of weights.
    """

    cells: Float[Array, "block row plane col"]
    variance: Float[Array, "block row plane col"] | None
    """Of the read noise that a unit of input squared brings."""
    units: Float[Array, "block row array"] | None
    """The columns that measure Σx."""
    unit_variance: Float[Array, "block row array"] | None
    gain: Float[Array, "block plane col"]
    input_gain: Float[Array, "block col"]
    errors: AdcErrors | None
    """Of the converter behind each column: [block plane col]."""
    array_of_col: Int[Array, "block col"]
    """Which array, and so which of the units, a column of weights lies in."""

    @property
    def noisy(self) -> bool:
        """Whether cells are read with noise."""
        return self.variance is not None or self.unit_variance is not None

    def with_rows(self, count: int) -> "Columns":
        """The same with more rows, of cells that do not conduct."""

        def padded(values: Array | None) -> Array | None:
            return None if values is None else jnp.pad(values, ((0, 0), (0, count)) + ((0, 0),) * (values.ndim - 2))

        per_row = ("cells", "variance", "units", "unit_variance")
        return replace(self, **{name: padded(getattr(self, name)) for name in per_row})


class Reads(eqx.Module):
    """The reads of one vector, and the scale of their conversions."""

    shift: Int[Array, " read"]
    mask: Int[Array, " read"]
    weight: Float[Array, " read"]
    low: Float[Array, "read plane"]
    """The current of code 0."""
    step: Float[Array, "read plane"]
    """Current between two codes."""
    per_step: Float[Array, "read plane"]
    """Its reciprocal."""
    codes: Float[Array, "read plane"]

    def repeated(self, code: Integer[Array, "vector row"]) -> Int[Array, " read"]:
        """The first read that drives the rows with these digits, and is converted alike, for each read."""
        driven = self._driven(code).reshape(len(self.shift), -1)
        scales = jnp.concatenate([self.low, self.step, self.codes], axis=1)
        alike = jnp.all(driven[:, None] == driven, axis=2) & jnp.all(scales[:, None] == scales, axis=2)
        return jnp.argmax(alike, axis=1)

    def merged(self, code: Integer[Array, "vector row"], first: Int[Array, " read"]) -> tuple["Reads", Int[Array, ""]]:
        """The reads that do not repeat their `first`, whose weights grow, before those that do, and how many they are.

        An 8-bit image fills 16 bits as 257 times itself, so that each of its digits is read twice. Where the digits of
        these vectors are others than those of the sample that `first` is from, every read stays.
        """
        each = jnp.arange(len(first))

        def alike() -> Bool[Array, ""]:
            driven = self._driven(code)
            return jnp.all(driven == driven[first])

        first = jnp.where(lax.cond(jnp.any(first != each), alike, lambda: jnp.array(False)), first, each)
        weight = jnp.zeros_like(self.weight).at[first].add(self.weight)
        order = jnp.argsort(first != each, stable=True)
        return jax.tree.map(lambda values: values[order], replace(self, weight=weight)), jnp.sum(first == each)

    def _driven(self, code: Integer[Array, "vector row"]) -> Integer[Array, "read vector row"]:
        return jax.vmap(lambda shift, mask: digits(code, shift, mask))(self.shift, self.mask)


class Rules(eqx.Module):
    """What is known before any number is: how the engine may go about it."""

    code_type: str = "int32"
    """The narrowest type that holds what is streamed; an unsigned one where no digit has a sign."""
    lanes: int = 1
    """Column sums that share a float32 word; 0 sends them through 8-bit integer units."""
    lane_step: int = 1
    """The factor between two sums in a word."""
    unit_scale: bool = False
    """Whether codes are the sums themselves: a step of one from zero."""
    uniform: bool = False
    """Whether all conversions share one step, so that codes may be added as integers."""
    narrow: bool = False
    """Whether the sum of one read's codes, times what they count, stays below 2^24."""
    multiplies: bool = True
    """Whether the reciprocal of a step gives the codes that the step gives."""
    halves: bool = False
    """Whether sums of noise may go through 16-bit units: squares of inputs are integers up to 256."""
    exact_dac: bool = True
    summed: tuple[Stream, ...] = ()
    """The reads whose currents are added before one conversion, each with noise of its own."""
