"""Where algebra or statistics may take the place of conversions: proofs, and the products they allow."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Num, PRNGKeyArray

from pimsim.chip.core import Programmed, Ranges
from pimsim.chip.crossbar import CrossbarCore, Traits, columns_of, encode, reads_of
from pimsim.chip.inputs import digits
from pimsim.numerics import counter_normal, key_words


def folds_to_integers(
    core: CrossbarCore, weights: Int[np.ndarray | Array, "row col"], signed: bool, ranges: Ranges
) -> bool:
    """Whether the bit-true product is provably x · W: no conversion can clip or round.

    Sums of whole numbers within a range of one code per level are their own codes, and the shift-and-add of exact codes
    telescopes to the integer product. The bound on every column follows from the levels it stores.
    """
    exact = core.traits.exact_cells and not core.traits.noisy_reads and core.dac.is_exact and core.adc.is_exact
    if not (exact and core.adc.quantizes and ranges.unit_range):
        return False
    if core.pedestal != "reference" and not core.encoding.analog_pairs:
        return False
    cuts = core.cuts(*weights.shape)
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
    return above * digit <= high and -below * digit >= low


def folds_to_one_matrix(core: CrossbarCore) -> bool:
    """Whether the product is linear in the programmed conductances, without conversion and without noise of reading."""
    return not core.adc.quantizes and not core.traits.noisy_reads and core.dac.is_exact and core.adc.is_exact


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
    return matrix.reshape(-1, matrix.shape[-1])


@eqx.filter_jit
def statistical(
    core: CrossbarCore, traits: Traits, array: Programmed, x: Int[Array, "vector row"], key: PRNGKeyArray,
    index: Int[Array, " vector"],
) -> Num[Array, "vector col"]:  # fmt: skip
    """The linear product with conversion error and read noise as one normal number a result.

        σ² = Σ_b w_b² Σ_p gain² (step²/12 + Σ_r x_b² σ²(G))

    Rounding is uniform within a step and independent from conversion to conversion; clipping is not modelled.
    """
    columns, plan = columns_of(core, traits, array), core.conversions(array.signed)
    reads = reads_of(core, plan, array)
    rounding = 0.0 if traits.exact_cells and array.ranges.unit_scale else 1 / 12
    rounding = rounding if core.adc.quantizes else 0.0
    thermal = core.adc.thermal_noise**2
    per_read = jnp.einsum("bp,kpc->bc", (rounding + thermal) * reads.step**2, array.gain**2)
    if columns.units is not None:
        per_read += (rounding + thermal) * (reads.step[:, -1:] ** 2) * (array.input_gain**2).sum(axis=0)
    variance = (reads.weight**2) @ per_read
    if columns.variance is not None:
        value = x + core.inputs.bias(core.input_bits) if array.signed else x
        code = core.inputs.code(x, core.input_bits) if array.signed else value
        squares = sum((s.weight * digits(code, s.shift, 2**s.width - 1)) ** 2 for s in core.streams(array.signed))
        noisy = jnp.einsum("brpc,bpc->brc", columns.variance.astype(jnp.float64), array.gain**2)
        if columns.unit_variance is not None:
            units = jnp.take_along_axis(columns.unit_variance, columns.array_of_col[:, None], axis=2)
            noisy += units * array.input_gain[:, None] ** 2
        variance = variance + squares @ noisy.reshape(-1, noisy.shape[-1])[: x.shape[1]]
    place = jnp.arange(array.gain.shape[-1])[None]
    noise = counter_normal(key_words(key), jnp.uint32(0), index[:, None], place)
    return linear(core, traits, array, x) + jnp.sqrt(variance) * noise
