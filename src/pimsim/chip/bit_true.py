"""The bit-true engine: every stream, slice, array and conversion of a matrix product, as the hardware plays it."""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from pimsim.numerics import contract

TILE_BYTES = 2**19
"""Bytes of currents between two conversions: a product and the conversion behind it share them in the L2 cache."""


class Columns(eqx.Module):
    """A programmed matrix as the columns of its arrays, in steps of one level, and what each column counts.

    A block is a cut of rows: one row of arrays. Its columns stand side by side, slice by slice; the input columns, one
    an array, measure Σx. Without them Σx is digital.
    """

    cells: Float[Array, "block row slice_col"]
    inputs: Float[Array, "block row array"] | None
    array_of_col: Int[Array, "block col"]
    """Which array, and so which input column, a column of weights lies in."""
    gain: Float[Array, "block slice_col"]
    input_gain: Float[Array, "block col"]


class Stream(eqx.Module):
    """The bits of an input that one read cycle applies."""

    shift: int
    width: int
    weight: float
    """What the stream counts: 2^shift, negative for the sign bit of two's complement."""


def streams(input_bits: int, dac_bits: int, signed: bool) -> tuple[Stream, ...]:
    """The read cycles of one product, least significant bits first; a sign bit has a cycle of its own, the last."""
    unsigned_bits = input_bits - signed
    plan = [Stream(at, min(dac_bits, unsigned_bits - at), 2.0**at) for at in range(0, unsigned_bits, dac_bits)]
    return (*plan, Stream(unsigned_bits, 1, -(2.0**unsigned_bits))) if signed else tuple(plan)


def bit_true(
    columns: Columns,
    x: Int[Array, "vector row"],
    plan: tuple[Stream, ...],
    convert: Callable[[Array], Array],
    *,
    digital: jnp.dtype,
) -> Int[Array, "vector col"]:
    """Multiply vectors by the stored matrix, one row of arrays and one stream at a time.

        y[n,c] = Σ_k Σ_b w_b (Σ_s gain[k,s,c] ADC(Σ_r x_b[n,k,r] cells[k,r,s,c]) + input_gain[k,c] ADC(Σ_r x_b[n,k,r]))

    `digital` is the float type in which the sum over slices is exact. Memory is bounded by the chunk of vectors that
    shares one tile of currents.
    """
    blocks, rows, width = columns.cells.shape
    cols = columns.input_gain.shape[1]
    chunk = max(8, min(-(-len(x) // 8) * 8, TILE_BYTES // (4 * width) // 8 * 8))
    padded = jnp.pad(x, ((0, -len(x) % chunk), (0, blocks * rows - x.shape[1])))
    gains = columns.gain.astype(digital), columns.input_gain.astype(digital)
    cycles = (
        jnp.array([stream.shift for stream in plan], jnp.int32),
        jnp.array([2**stream.width - 1 for stream in plan], jnp.int32),
        jnp.array([stream.weight for stream in plan]),
    )
    columns = eqx.tree_at(lambda c: (c.gain, c.input_gain), columns, gains)

    def of_chunk(vectors: Int[Array, "vector row"]) -> Float[Array, "vector col"]:
        def of_block(total: Array, block: tuple[Columns, Array]) -> tuple[Array, None]:
            column, vector = block

            def of_stream(total: Array, stream: tuple[Array, Array, Array]) -> tuple[Array, None]:
                shift, mask, weight = stream
                bits = ((vector >> shift) & mask).astype(jnp.float32)
                return total + weight * _read(column, bits, convert), None

            return lax.scan(of_stream, total, cycles)

        by_block = vectors.reshape(chunk, blocks, rows).swapaxes(0, 1)
        return lax.scan(of_block, jnp.zeros((chunk, cols), jnp.float64), (columns, by_block))[0]

    y = lax.map(of_chunk, padded.reshape(-1, chunk, padded.shape[1])).reshape(-1, cols)
    return y[: len(x)].astype(jnp.int64)


def _read(column: Columns, bits: Float[Array, "vector row"], convert: Callable[[Array], Array]) -> Array:
    """One read cycle of one row of arrays: product, conversions, and the shift-and-add over slices."""
    cols = len(column.input_gain)
    codes = convert(contract(bits, column.cells)).astype(column.gain.dtype)
    sums = (codes * column.gain).reshape(len(bits), -1, cols).sum(axis=1)
    if column.inputs is None:
        ones = bits.sum(axis=1, keepdims=True)
    else:
        ones = convert(contract(bits, column.inputs))[:, column.array_of_col]
    return (sums + column.input_gain * ones.astype(codes.dtype)).astype(jnp.float64)
