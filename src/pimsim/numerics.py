"""The arithmetic everything else stands on: one contraction, exact integers, grids on which float32 sums are exact.

Importing this module switches JAX to 64-bit types: products of 16-bit integers do not fit in 32 bits.
"""

import functools
import math
from pathlib import Path
from typing import TypeVar

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, PRNGKeyArray

T = TypeVar("T")

jax.config.update("jax_enable_x64", True)

FLOAT32_INTEGERS = 2.0**24
"""float32 holds every integer up to here, and every sum of integers that stays below it, in any order."""
FLOAT64_INTEGERS = 2.0**53


def contract(x: Float[Array, "vector row"], w: Float[Array, "row col"]) -> Float[Array, "vector col"]:
    """The matrix product, in the operands' own precision: no TF32, no bfloat16 passes on an accelerator."""
    return jnp.matmul(x, w, precision=lax.Precision.HIGHEST)


def integer_product(x: Int[Array, "*vector row"], w: Int[Array, "row col"]) -> Int[Array, "*vector col"]:
    """x · w on integers of up to 16 bits, exactly: float64 carries the sums of 2^21 such products."""
    if x.shape[-1] > 2**21:
        raise ValueError(f"{x.shape[-1]} rows: sums of 16-bit products may pass 2^53")
    product = jnp.matmul(x.astype(jnp.float64), w.astype(jnp.float64), precision=lax.Precision.HIGHEST)
    return product.astype(jnp.int64)


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


def key_words(key: PRNGKeyArray) -> Int[Array, " 2"]:
    """The words of a key that seed `counter_normal`."""
    return jax.random.key_data(key)[-2:]


@functools.cache
def fast_int8() -> bool:
    """Whether 8-bit integer products are faster here than packed float32 ones: on accelerators, and CPUs with AMX."""
    if jax.default_backend() != "cpu":
        return True
    try:
        return "amx_int8" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


def counter_normal(
    seed: Int[Array, " 2"], stream: Int[Array, ""], row: Int[Array, "*n"], col: Int[Array, "*m"]
) -> Float[Array, "*k"]:
    """Standard normal numbers that are a function of their indices alone: no state, no order.

    Two rounds of a 32-bit finalizer (Prospector's lowbias32) mix the indices; the inverse error function makes them
    normal. The argument has 24 bits, so that numbers end at 5.4 standard deviations.
    """
    mixed = _mix(row.astype(jnp.uint32) ^ _mix(seed[0].astype(jnp.uint32) + stream.astype(jnp.uint32) * _ODD))
    mixed = _mix(mixed + (col.astype(jnp.uint32) * _ODD ^ seed[1].astype(jnp.uint32)))
    unit = (mixed.astype(jnp.int32).astype(jnp.float32) + 0.5) * jnp.float32(2.0**-31)
    return jnp.float32(2**0.5) * lax.erf_inv(jnp.clip(unit, -1 + 2.0**-24, 1 - 2.0**-24).astype(jnp.float32))


_ODD = jnp.uint32(0x9E3779B9)


def _mix(bits: Int[Array, "*n"]) -> Int[Array, "*n"]:
    """A bijection of 32-bit integers whose every output bit depends on every input bit."""
    bits = (bits ^ (bits >> 16)) * jnp.uint32(0x21F0AAAD)
    bits = (bits ^ (bits >> 15)) * jnp.uint32(0x735A2D97)
    return bits ^ (bits >> 15)


def leaves_to_arrays(spec: T) -> T:
    """Turn a spec's Python floats into array leaves, so that a new value of a quantity compiles nothing anew."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf) if isinstance(leaf, float) else leaf, spec)
