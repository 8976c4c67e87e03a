"""1/f noise between the age of a cell and the time of one read.

Noise of power S(f) = Q² G²/f has, from 1/T to the 1/(2 t) that a read of duration t resolves, the variance
Q² G² ln((T + t)/(2 t)). What is slower than the run of a network is an offset frozen into the cells, and what is faster
differs from read to read; the two variances add up to the whole.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from pimsim.errors import require
from pimsim.units import Time, Times

Moment = Time | Times[Array, ""]


def slow(age: Moment, run_time: Moment, read_time: Moment) -> Float[Array, ""]:
    """Spread, relative to Q, of what a run of length `run_time` finds frozen: √ln((age + t)/(run + t))."""
    return jnp.sqrt(jnp.log((age + read_time) / (jnp.maximum(run_time, read_time) + read_time)))


def fast(run_time: Moment, read_time: Moment) -> Float[Array, ""]:
    """Spread, relative to Q, from read to read within a run: √ln((run + t)/(2 t)), 0 for a run of one read."""
    return jnp.sqrt(jnp.log((jnp.maximum(run_time, read_time) + read_time) / (2 * read_time)))


def require_times(age: Time, run_time: Time, read_time: Time) -> None:
    """Raise SpecError unless one read fits into the run and the run into the age."""
    require("read_time", read_time, 1e-15, age)
    require("run_time", run_time, 0, age)
