"""Means, and spreads, of quantized layers put where the float network has them: scales and biases are digital.

Rounded weights and clipped inputs shift the mean output of a channel, and every layer behind inherits the shift
(Nagel et al., ICCV 2019, correct it from data). Here each layer is corrected in turn, on inputs that come from
corrected layers, so that its statistics on the calibration images are those of the float network. A recurrent layer's
are those of its sums before the gates, at all steps.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, Num

from pimsim.network.graph import Images
from pimsim.network.layers.base import AbstractRecurrentLayer, AbstractWeightedLayer, matrix_name
from pimsim.network.quantize import (
    Product,
    QuantizedLayer,
    QuantizedNetwork,
    apply_named,
    exact,
    half_by_half,
    matrices,
)
from pimsim.network.scheme import Correction
from pimsim.numerics import contract

CORRECTION_IMAGES = 250
MOST_GAIN = 2.0
"""By which a spread is corrected: a channel that hardly moves any more is not blown up."""


def corrected(
    quantized: QuantizedNetwork, images: Images, kind: Correction, product: Product | None = None
) -> QuantizedNetwork:
    """The network with biases, and for `batch_norm` scales, that give each channel the float network's statistics.

    Products are exact, or those that a programmed chip answers. Raises NetworkError for images of another shape than
    the network reads.
    """
    if kind == "none":
        return quantized
    product = product or exact(quantized)
    network, layers = quantized.network, dict(quantized.layers)
    both = jnp.concatenate([jnp.asarray(images[:CORRECTION_IMAGES])] * 2)
    partly, maps = dataclasses.replace(quantized, layers=layers), matrices(network)

    def layer_by_layer(
        name: str, layer: AbstractWeightedLayer, x: Float[Array, "batch ..."]
    ) -> Float[Array, "batch ..."]:
        """The float network's batch beside the quantized one's."""
        floating, rounded = jnp.split(x, 2)
        wanted, operands = layer.trace(*network.parameters(name), floating)
        if isinstance(layer, AbstractRecurrentLayer):
            found = _sums(partly, name, rounded, product)
            targets = {
                matrix_name(name, word): _affine(maps[matrix_name(name, word)], own) for word, own in operands.items()
            }
        else:
            found, targets = {name: apply_named(partly, name, rounded, product)}, {name: wanted}
        for matrix, y in found.items():
            layers[matrix] = _matched(layers[matrix], _moments(y), _moments(targets[matrix]), kind)
        return jnp.concatenate([wanted, apply_named(partly, name, rounded, product)])

    network.walk(both, layer_by_layer, half_by_half(quantized))
    return partly


def _affine(
    own: tuple[Float[np.ndarray, "row col"], Float[np.ndarray, " col"]],
    operands: tuple[Float[Array, "batch step _"], ...],
) -> Float[Array, "vector col"]:
    """What a matrix and its bias make of vectors."""
    matrix, bias = own
    return contract(jnp.concatenate(operands, axis=-1).reshape(-1, len(matrix)), jnp.asarray(matrix)) + bias


def _sums(
    quantized: QuantizedNetwork, name: str, x: Float[Array, "batch step value"], product: Product
) -> dict[str, Float[Array, "vector col"]]:
    """The scaled products of each matrix of a recurrent layer, at all steps."""
    found = {}

    def record(matrix: str, x: Int32[Array, "batch vector row"], first: int) -> Num[Array, "batch vector col"]:
        y = product(matrix, x, first)
        found.setdefault(matrix, []).append(y.reshape(-1, y.shape[-1]))
        return y

    apply_named(quantized, name, x, record)
    own = quantized.layers
    return {
        matrix: jnp.concatenate(y) * (own[matrix].input_scale * own[matrix].weight_scale) + own[matrix].bias
        for matrix, y in found.items()
    }


def _matched(layer: QuantizedLayer, found: np.ndarray, wanted: np.ndarray, kind: str) -> QuantizedLayer:
    gain = np.ones(found.shape[1])
    if kind == "batch_norm":
        gain = np.divide(wanted[1], found[1], out=gain, where=(found[1] > 0) & (wanted[1] > 0))
        gain = np.clip(gain, 1 / MOST_GAIN, MOST_GAIN)
    bias = wanted[0] + gain * (layer.bias - found[0])
    return dataclasses.replace(layer, weight_scale=gain * layer.weight_scale, bias=bias)


@jax.jit
def _channel_moments(y: Float[Array, "batch ... col"]) -> Float[Array, "2 col"]:
    y = y.reshape(-1, y.shape[-1]).astype(jnp.float64)
    return jnp.stack([y.mean(axis=0), y.std(axis=0)])


def _moments(y: Float[Array, "batch ... col"]) -> Float[np.ndarray, "2 col"]:
    """Mean and standard deviation of each channel."""
    return np.asarray(_channel_moments(y))
