"""How far a quantized range reaches: to the largest value, to a percentile, or to where the error is least."""

import functools
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from pimsim.errors import NetworkError, SpecError
from pimsim.network.graph import Images, Network
from pimsim.network.layers.base import AbstractProductLayer, AbstractWeightedLayer, matrix_name
from pimsim.numerics import fold

CALIBRATION_BATCH = 250
SAMPLE = 2**20
"""Values per layer from which a percentile is taken."""
MSE_SAMPLE = 2**16
"""Values per layer on which errors are compared."""
REACHES = np.arange(1, 129) / 128
"""Shares of the largest value that are tried."""

Method = Literal["percentile", "mse"]


class Operand(NamedTuple):
    """What passes some rows of a matrix in the float network, all of them or those of an input or of a state; or one
    side of a product."""

    low: float
    """The least value."""
    reach: float
    """The percentile of |x|; the largest with `mse`."""
    samples: Float[np.ndarray, " sample"]
    """Some of |x|, where the method needs them."""
    rows: int


def input_ranges(network: Network, images: Images, method: Method, percentile: float) -> dict[str, list[Operand]]:
    """What passes each matrix, by its name, of recurrent layers at all steps; and both sides of each product."""
    if not len(images):
        raise SpecError("images", "calibration needs at least one image, got none")
    wanted = MSE_SAMPLE if method == "mse" else 0 if percentile == 100 else SAMPLE
    parts = []
    for start in range(0, len(images), CALIBRATION_BATCH):
        batch = images[start : start + CALIBRATION_BATCH]
        count = -(-wanted * len(batch) // len(images))
        parts.append(_input_statistics(network, batch, jax.random.key(start), count=count))
    return {
        name: [
            _operand(name, [part[name][place] for part in parts], method, percentile)
            for place in range(len(parts[0][name]))
        ]
        for name in parts[0]
    }


def _operand(name: str, parts: list[tuple], method: Method, percentile: float) -> Operand:
    """One operand, from its statistics on all batches."""
    least, largest, chosen, rows = zip(*parts, strict=True)
    high, samples = float(max(largest)), np.concatenate(chosen)
    if not np.isfinite(high):
        raise NetworkError(name, "has inputs that are not finite for the calibration images")
    reach = high if method == "mse" or percentile == 100 else float(np.percentile(samples, percentile))
    if high > 0 and reach == 0:
        fact = f"leaves {name} no input range: that part of its inputs is zero"
        raise SpecError("percentile", fact, "Raise it towards 100.")
    return Operand(float(min(least)), reach, samples, int(rows[0]))


def integer_range(bits: int, signed: bool) -> tuple[int, int]:
    """The least and the greatest integer: 0 … 2^b - 1, or ±(2^(b-1) - 1); the signed one-bit integers are -1 and 0."""
    top = 2 ** (bits - 1) - 1 if signed else 2**bits - 1
    return (min(-top, -1) if signed else 0), top


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
def _input_statistics(network: Network, images: Images, key: PRNGKeyArray, count: int) -> dict[str, list[tuple]]:
    """Of each operand of each matrix the least, the greatest magnitude, `count` magnitudes, or all when fewer, and
    the number of rows."""
    found = {}

    def statistics(x: Float[Array, "batch ..."], place: int) -> tuple:
        size = jnp.abs(x).ravel()
        chosen = size
        if count < size.size:
            chosen = size[jax.random.randint(fold(key, place), (count,), 0, size.size)]
        return x.min(), size.max(), chosen, x.shape[-1]

    def record(name: str, layer: AbstractWeightedLayer, x: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
        y, operands = layer.trace(*network.parameters(name), x)
        for word, own in operands.items():
            place = sum(map(len, found.values()))
            found[matrix_name(name, word)] = [statistics(operand, place + i) for i, operand in enumerate(own)]
        return y

    def record_product(
        name: str, layer: AbstractProductLayer, *inputs: Float[Array, "batch ..."]
    ) -> Float[Array, "batch ..."]:
        def multiply(word: str, equation: str, *sides: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
            found[matrix_name(name, word)] = [statistics(side, place + i) for i, side in enumerate(sides)]
            return jnp.einsum(equation, *sides, precision=jax.lax.Precision.HIGHEST)

        place = sum(map(len, found.values()))
        return layer.apply(multiply, *inputs)

    network.walk(images, record, record_product)
    return found
