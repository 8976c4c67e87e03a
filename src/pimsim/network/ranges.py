"""How far a quantized range reaches: to the largest value, to a percentile, or to where the error is least."""

import functools
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from pimsim.errors import NetworkError, SpecError
from pimsim.network.graph import Images, Network
from pimsim.network.layers.base import AbstractWeightedLayer
from pimsim.numerics import fold

CALIBRATION_BATCH = 250
SAMPLE = 2**20
"""Values per layer from which a percentile is taken."""
MSE_SAMPLE = 2**16
"""Values per layer on which errors are compared."""
REACHES = np.arange(1, 129) / 128
"""Shares of the largest value that are tried."""

Method = Literal["percentile", "mse"]


def input_ranges(
    network: Network, images: Images, method: Method, percentile: float
) -> dict[str, tuple[float, float, Float[np.ndarray, " sample"]]]:
    """For each matrix layer, of its inputs in the float network: the least, the percentile of |x|, and some of |x|.

    With `mse` the second is the largest |x|; samples are there where the method needs them.
    """
    if not len(images):
        raise SpecError("images", "calibration needs at least one image, got none")
    wanted = MSE_SAMPLE if method == "mse" else 0 if percentile == 100 else SAMPLE
    parts = []
    for start in range(0, len(images), CALIBRATION_BATCH):
        batch = images[start : start + CALIBRATION_BATCH]
        count = -(-wanted * len(batch) // len(images))
        parts.append(_input_statistics(network, batch, jax.random.key(start), count=count))
    ranges = {}
    for name in network.matrix_layers:
        least, largest, chosen = zip(*(part[name] for part in parts), strict=True)
        high, samples = float(max(largest)), np.concatenate(chosen)
        if not np.isfinite(high):
            raise NetworkError(name, "has inputs that are not finite for the calibration images")
        reach = high if method == "mse" or percentile == 100 else float(np.percentile(samples, percentile))
        if high > 0 and reach == 0:
            fact = f"leaves {name} no input range: that part of its inputs is zero"
            raise SpecError("percentile", fact, "Raise it towards 100.")
        ranges[name] = float(min(least)), reach, samples
    return ranges


def best_reach(
    values: Float[np.ndarray, "value col"], largest: Float[np.ndarray, " col"], top: int
) -> Float[np.ndarray, " col"]:
    """For each column of magnitudes the reach, a share of the largest, at which rounding and clipping to 0 … top has
    the least mean square error; among equals the widest."""
    best, least = largest, np.full(largest.shape, np.inf)
    for share in REACHES[::-1]:
        step = np.where(largest > 0, share * largest / top, 1.0)
        error = ((np.minimum(np.rint(values / step), top) * step - values) ** 2).sum(axis=0)
        best, least = np.where(error < least, share * largest, best), np.minimum(error, least)
    return best


@functools.partial(jax.jit, static_argnames="count")
def _input_statistics(network: Network, images: Images, key: PRNGKeyArray, count: int) -> dict[str, tuple]:
    """The least input, the greatest |input| and `count` of the |inputs|, or all when fewer, of each matrix layer."""
    found = {}

    def record(name: str, layer: AbstractWeightedLayer, x: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
        size = jnp.abs(x).ravel()
        chosen = size
        if count < size.size:
            chosen = size[jax.random.randint(fold(key, len(found)), (count,), 0, size.size)]
        found[name] = x.min(), size.max(), chosen
        return layer.forward(*network.parameters(name), x)

    network.walk(images, record)
    return found
