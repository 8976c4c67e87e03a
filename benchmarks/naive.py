"""The engine one writes first: every partial sum of every read, slice and block in one einsum, then the conversions."""

import equinox as eqx
import jax.numpy as jnp

from pimsim.chip.reading import columns_of, reads_of
from pimsim.numerics import leaves_to_arrays


def naive_matmul(core, array, x):
    """x[vector, row] times a programmed array, for unsigned inputs and converters without errors or noise.

    The tests hold the real engine to it; the benchmarks race against it.
    """
    return _naive(leaves_to_arrays(core), core.traits, array, jnp.asarray(x))


@eqx.filter_jit
def _naive(core, traits, array, x):
    columns, reads = columns_of(core, traits, array), reads_of(core, core.conversions(array.signed), array)
    blocks, rows, _, _ = columns.cells.shape
    padded = jnp.pad(x, ((0, 0), (0, blocks * rows - x.shape[1]))).reshape(len(x), blocks, rows)
    digits = ((padded[..., None] >> reads.shift) & reads.mask).astype(jnp.float32)
    sums = jnp.einsum("nkrb,krpc->nbkpc", digits, columns.cells, precision="highest")
    low, step, codes = (v[:, None, :, None] for v in (reads.low, reads.step, reads.codes))
    value = low + step * jnp.clip(jnp.rint((sums - low) / step), 0, codes - 1)
    y = jnp.einsum("nbkpc,kpc,b->nc", value.astype(jnp.float64), columns.gain, reads.weight)
    if columns.units is None:
        return y + jnp.einsum("nkr,kc->nc", padded.astype(jnp.float64), columns.input_gain)
    sums = jnp.einsum("nkrb,kra->nbka", digits, columns.units, precision="highest")
    low, step, codes = (v[:, None, -1:] for v in (reads.low, reads.step, reads.codes))
    ones = low + step * jnp.clip(jnp.rint((sums - low) / step), 0, codes - 1)
    ones = jnp.take(ones, columns.array_of_col[0], axis=3).astype(jnp.float64)
    return y + jnp.einsum("nbkc,kc,b->nc", ones, columns.input_gain, reads.weight)
