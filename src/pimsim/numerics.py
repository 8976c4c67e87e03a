"""The arithmetic everything else stands on: one contraction, exact integers, grids on which float32 sums are exact.

Importing this module switches JAX to 64-bit types: products of 16-bit integers do not fit in 32 bits.
"""

import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Float, Int, Num, PRNGKeyArray, UInt32

T = TypeVar("T")

jax.config.update("jax_enable_x64", True)

FLOAT32_INTEGERS = 2.0**24
"""float32 holds every integer up to here, and every sum of integers that stays below it, in any order."""
FLOAT64_INTEGERS = 2.0**53
CHUNK_VECTORS = 512
"""Vectors whose halves are made and multiplied before they leave the caches."""


def contract(x: Float[Array, "vector row"], w: Float[Array, "row col"]) -> Float[Array, "vector col"]:
    """The matrix product, in the operands' own precision: no TF32, no bfloat16 passes on an accelerator."""
    return jnp.matmul(x, w, precision=lax.Precision.HIGHEST)


def integer_product(
    x: Int[Array, "*vector row"], w: Int[Array, "row col"], *, signed: bool
) -> Int[Array, "*vector col"]:
    """x · w for 16-bit integers, exactly; w is signed, x is as `signed` says.

    Where there are 8-bit matrix units both operands go through them in halves, unless the sums of halves may pass 2^31;
    elsewhere float64 carries the sums, of up to 2^22 rows.
    """
    rows, cols = w.shape
    if rows > 2**22:
        raise ValueError(f"{rows} rows: sums may pass 2^53")
    of_chunk = _by_halves(w, signed) if has_matrix_units() and rows <= 2**16 else _by_doubles(w)

    def chunked(vectors: Int[Array, "vector row"]) -> Int[Array, "vector col"]:
        if len(vectors) <= CHUNK_VECTORS:
            return of_chunk(vectors)
        chunks = jnp.pad(vectors, ((0, -len(vectors) % CHUNK_VECTORS), (0, 0))).reshape(-1, CHUNK_VECTORS, rows)
        return lax.map(of_chunk, chunks).reshape(-1, cols)[: len(vectors)]

    return over_devices(chunked, x.reshape(-1, rows)).reshape(*x.shape[:-1], cols)


def _by_doubles(w: Int[Array, "row col"]) -> Callable[[Array], Array]:
    whole = w.astype(jnp.float64)
    return lambda x: contract(x.astype(jnp.float64), whole).astype(jnp.int64)


def _by_halves(w: Int[Array, "row col"], signed: bool) -> Callable[[Array], Array]:
    """x ↦ x · w by bytes, around the middle of what two signed bytes can say, -128.5."""
    rows, cols = w.shape
    x_mid, w_mid = 128 if signed else 2**15 + 128, 128
    halves = jnp.concatenate(_bytes(w - w_mid), axis=1)
    of_w = x_mid * w.sum(axis=0, dtype=jnp.int64) - rows * x_mid * w_mid

    def of_chunk(x: Int[Array, "vector row"]) -> Int[Array, "vector col"]:
        high, low = (
            lax.dot(half, halves, preferred_element_type=jnp.int32).astype(jnp.int64) for half in _bytes(x - x_mid)
        )
        middle = high[:, cols:] + low[:, :cols]
        of_x = w_mid * x.sum(axis=1, dtype=jnp.int64)[:, None]
        return 2**16 * high[:, :cols] + 2**8 * middle + low[:, cols:] + of_x + of_w

    return of_chunk


exact_product = functools.partial(jax.jit, static_argnames="signed")(integer_product)
"""`integer_product`, compiled."""


def _bytes(values: Int[Array, "n m"]) -> tuple[Array, Array]:
    """Two signed bytes, 256·high + low, for integers of -32,896 … 32,639."""
    low = ((values + 128) & 255) - 128
    return ((values - low) >> 8).astype(jnp.int8), low.astype(jnp.int8)


def over_devices(compute: Callable[..., Array], *batches: Array) -> Array:
    """compute(*batches), the first axis of every batch shared by the local devices and filled up with zeros if need be.

    What `compute` closes over is on all of them; each of its results must depend on its own part of the batches alone.
    """
    count, size = jax.local_device_count(), len(batches[0])
    if count == 1:
        return compute(*batches)
    filled = [jnp.pad(batch, ((0, -size % count), *((0, 0),) * (batch.ndim - 1))) for batch in batches]
    by_device = PartitionSpec("vector")
    mesh = Mesh(np.array(jax.local_devices()), ("vector",))
    shared = jax.shard_map(compute, mesh=mesh, in_specs=by_device, out_specs=by_device, check_vma=False)
    return shared(*filled)[:size]


def exact_float(largest: float) -> jnp.dtype:
    """The narrowest float type that carries every integer up to `largest`."""
    return jnp.dtype(jnp.float32 if largest < FLOAT32_INTEGERS else jnp.float64)


def on_grid(values: Float[Array, "*n"], largest_sum: float) -> Float[Array, "*n"]:
    """Round to the finest power-of-two grid on which sums up to `largest_sum` are exact in float32.

    A sum of grid points below 2^24 steps is exact, so it is the same in whatever order it is taken: the batch size,
    the blocking of a matrix product and the device cannot change a bit of it.
    """
    step = 2.0 ** (math.ceil(math.log2(largest_sum)) - 24)
    return jnp.rint(values / step) * step


def fold(key: PRNGKeyArray, *indices: int | Int[Array, ""]) -> PRNGKeyArray:
    """The key of one place in a simulation, named by its indices and not by when it is reached."""
    for index in indices:
        key = jax.random.fold_in(key, index)
    return key


def key_words(key: PRNGKeyArray) -> UInt32[Array, " 2"]:
    """The words of a key that seed `counter_normal`."""
    return jax.random.key_data(key)[-2:]


def contract_in_halves(x: Num[Array, "vector row"], w: Float[Array, "row col"]) -> Float[Array, "vector col"]:
    """x · w for integers |x| ≤ 256 and any w, to 2^-17 of |w|: w as the sum of two bfloat16, through 16-bit units."""
    high = w.astype(jnp.bfloat16)
    low = (w - high.astype(w.dtype)).astype(jnp.bfloat16)
    twice = jnp.concatenate([x, x], axis=1).astype(jnp.bfloat16)
    return lax.dot(twice, jnp.concatenate([high, low]), preferred_element_type=jnp.float32)


@functools.cache
def has_matrix_units() -> bool:
    """Whether 8- and 16-bit products are several times faster here than float32: accelerators, and CPUs with AMX."""
    if jax.default_backend() != "cpu":
        return True
    try:
        return {"amx_int8", "amx_bf16"} <= set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return False


def counter_normal(
    seed: UInt32[Array, " 2"], stream: int | Int[Array, ""], row: Int[Array, " n"], col: Int[Array, " m"]
) -> Float[Array, "n m"]:
    """Standard normal numbers that are a function of their indices alone: no state, no order.

    A 32-bit finalizer (Prospector's lowbias32) mixes the indices of a row and of a column, then both together; the
    inverse error function makes them normal. They end at 5.8 standard deviations.
    """
    of_row = _mix(row.astype(jnp.uint32) ^ _mix(seed[0].astype(jnp.uint32) + jnp.uint32(stream) * _ODD))
    of_col = col.astype(jnp.uint32) * _ODD ^ seed[1].astype(jnp.uint32)
    of_row, of_col = lax.optimization_barrier((of_row, of_col))  # else they are mixed anew for every number
    mixed = _mix(of_row[:, None] + of_col[None])
    return jnp.float32(2**0.5) * _erf_inv((mixed.astype(jnp.int32).astype(jnp.float32) + 0.5) * jnp.float32(2.0**-31))


def _erf_inv(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """The inverse error function in float32, to 1.0e-5 relative: x times a polynomial in -log(1 - x²) on 0 … 17.4.

    The polynomial is a least-squares fit on Chebyshev nodes, as accurate as XLA's and half its work: no second branch.
    """
    reach = jnp.float32(2 / 17.4) * -jnp.log(jnp.maximum((1 - x) * (1 + x), jnp.float32(2.8e-8))) - 1
    value = jnp.float32(_ERF_INV[-1])
    for coefficient in _ERF_INV[-2::-1]:
        value = value * reach + jnp.float32(coefficient)
    return x * value


_ERF_INV = (
    2.78250635,
    1.475977986,
    -0.3463857458,
    0.1398720342,
    -0.04855028076,
    0.02619518723,
    0.008527567862,
    -0.1083589619,
    0.09109429084,
    0.02957234587,
    -0.0377040938,
)
"""Coefficients, constant term first, of erf⁻¹(x)/x in w = 2·(-log(1 - x²))/17.4 - 1."""
_ODD = jnp.uint32(0x9E3779B9)


def _mix(bits: UInt32[Array, "*n"]) -> UInt32[Array, "*n"]:
    """A bijection of 32-bit integers whose every output bit depends on every input bit."""
    bits = (bits ^ (bits >> 16)) * jnp.uint32(0x21F0AAAD)
    bits = (bits ^ (bits >> 15)) * jnp.uint32(0x735A2D97)
    return bits ^ (bits >> 15)


@jax.custom_jvp
def straight_through(value: Float[Array, "*n"], like: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """`value`, to the last bit, with the derivative of `like`: what rounding and conversions are to a gradient."""
    return value


@straight_through.defjvp
def _slope(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    return primals[0], tangents[1]


def leaves_to_arrays(spec: T) -> T:
    """Turn a spec's Python floats into array leaves, so that a new value of a quantity compiles nothing anew."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf) if isinstance(leaf, float) else leaf, spec)
