"""Programming many cells at once, and comparing their moments with stated ones."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from pimsim.numerics import leaves_to_arrays

CELLS = 100_000


@eqx.filter_jit
def _program(device, target, key):
    return device.program(target, key=key)


def program(device, target, key):
    """What cells of these targets end at, in float64."""
    return np.asarray(_program(leaves_to_arrays(device), jnp.asarray(target, jnp.float32), key), np.float64)


def many(device, target, key):
    """What `CELLS` cells of one target end at."""
    return program(device, np.full(CELLS, target), key)


def check_moments(samples, mean, std, theirs=np.inf):
    """Mean and standard deviation are the stated ones within 4 standard errors; `theirs` samples stand behind those."""
    effective = 1 / (1 / len(samples) + 1 / theirs)
    kurtosis = ((samples - samples.mean()) ** 4).mean() / samples.var() ** 2
    assert abs(samples.mean() - mean) < 4 * std / effective**0.5
    assert abs(samples.std(ddof=1) - std) < 4 * std * ((kurtosis - 1) / 4 / effective) ** 0.5
