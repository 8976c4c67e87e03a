"""Where algebra or statistics may take the place of conversions: proofs, and the products they allow."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from pimsim.chip.core import Cuts, Programmed, Ranges
from pimsim.chip.crossbar import CrossbarCore, Traits
from pimsim.chip.programming import encode
from pimsim.chip.reading import columns_of, matmul
from pimsim.numerics import counter_normal, integer_product, key_words


def folds_to_integers(
    core: CrossbarCore,
    weights: Int[np.ndarray | Array, "row col"],
    signed: bool,
    ranges: Ranges,
    cuts: Cuts | None = None,
) -> bool:
    """Whether the bit-true product is provably x · W: no conversion can clip or round.

    Sums of whole numbers within a range of one code per level are their own codes, and the shift-and-add of exact codes
    telescopes to the integer product. The bound on every column follows from the levels it stores, in blocks that are
    `cuts`, or cut evenly.
    """
    exact = core.traits.exact_cells and not core.traits.noisy_reads and core.drives_exactly and core.adc.is_exact
    if not (exact and core.adc.quantizes and ranges.unit_range):
        return False
    if core.pedestal != "reference" and not core.encoding.analog_pairs:
        return False
    cuts = cuts or core.cuts(*weights.shape)
    levels = np.asarray(encode(core, jnp.asarray(weights), cuts, signed)[0].levels)
    if core.encoding.analog_pairs:
        half = levels.shape[2] // 2
        levels = levels[:, :, :half] - levels[:, :, half:]
    digit = max(2**stream.width - 1 for stream in core.conversions(signed))
    above, below = np.maximum(levels, 0).sum(axis=3).max(), np.maximum(-levels, 0).sum(axis=3).max()
    if core.digits_have_sign(signed):
        above = below = max(above, below, (above + below))
    above = max(above, cuts.rows * core.encoding.unit_level)
    low, high = float(ranges.low[0]), float(ranges.high[0])
    return bool(above * digit <= high and -below * digit >= low)


def folds_to_one_matrix(core: CrossbarCore) -> bool:
    """Whether the product is linear in the programmed conductances, without conversion and without noise of reading."""
    return not core.adc.quantizes and not core.traits.noisy_reads and core.drives_exactly and core.adc.is_exact


@eqx.filter_jit
def linear(
    core: CrossbarCore, traits: Traits, array: Programmed, x: Int[Array, "vector row"]
) -> Float[Array, "vector col"]:
    """The product through one real matrix: what every read, slice and array adds up to without conversions.

    W' = Σ_p gain[p] cells[p] + input_gain · units
    """
    matrix = effective_matrix(core, traits, array)
    bias = core.inputs.bias(core.input_bits) if array.signed else 0
    return (x + bias).astype(jnp.float64) @ matrix[: x.shape[1]] + array.bias


def effective_matrix(core: CrossbarCore, traits: Traits, array: Programmed) -> Float[Array, "row col"]:
    """The matrix that the programmed cells stand for."""
    columns = columns_of(core, traits, array)
    matrix = jnp.einsum("brpc,bpc->brc", columns.cells.astype(jnp.float64), array.gain)
    gain = array.input_gain
    if columns.units is not None:
        units = jnp.take_along_axis(columns.units, columns.array_of_col[:, None], axis=2)
        matrix += units * gain[:, None]
    else:
        matrix += gain[:, None]
    if core.pedestal == "digital" and not core.encoding.analog_pairs:
        matrix -= core.device.g_min / core.device.step(2**core.cell_bits) * array.gain.sum(axis=1)[:, None]
    matrix = matrix.reshape(-1, matrix.shape[-1])
    return matrix if array.patch is None else matrix - array.patch


class Moments(eqx.Module):
    """Mean and spread of how far the chip's products are off, column by column."""

    mean: Float[Array, " col"]
    spread: Float[Array, " col"]


def error_moments(
    core: CrossbarCore, traits: Traits, array: Programmed, weights: Int[Array, "row col"],
    x: Int[Array, "vector row"], key: PRNGKeyArray,
) -> Moments:  # fmt: skip
    """The moments, measured on a sample of vectors that the bit-true engine plays."""
    error = matmul(core, traits, array, x, key, jnp.arange(len(x))) - integer_product(x, weights, signed=array.signed)
    return Moments(error.mean(axis=0), error.std(axis=0))


def statistical(
    moments: Moments, weights: Int[Array, "row col"], x: Int[Array, "vector row"], signed: bool,
    key: PRNGKeyArray, index: Int[Array, " vector"],
) -> Float[Array, "vector col"]:  # fmt: skip
    """The integer product, plus a normal number of the measured moments in place of all that happens on the way.

    It knows neither how the error depends on the input nor that errors of neighbouring columns are related.
    """
    noise = counter_normal(key_words(key), 0, index, jnp.arange(len(moments.mean)))
    return integer_product(x, weights, signed=signed) + moments.mean + moments.spread * noise
