"""How often each code comes out of the converters, counted while products are played."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from pimsim.circuits import AbstractAdc

CodeCounts = Int[Array, "conversion code"]
"""By plane, the columns that measure Σx last."""


def no_codes(conversions: int, adc: AbstractAdc) -> CodeCounts:
    """Counts of nothing yet."""
    return jnp.zeros((conversions, adc.codes), jnp.int64)


def count_codes(
    counts: CodeCounts | None, plane: int, codes: Float[Array, "vector col"], real: Bool[Array, " vector"] | None,
    used: Bool[Array, "*col"],
) -> CodeCounts | None:  # fmt: skip
    """Add the codes of one plane's columns in use, for the vectors that count."""
    if counts is None or real is None:
        return counts
    return counts.at[plane, codes.astype(jnp.int32)].add(real[:, None] & used)
