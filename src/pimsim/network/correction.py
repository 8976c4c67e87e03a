"""Means, and spreads, of quantized layers put where the float network has them: scales and biases are digital.

Rounded weights and clipped inputs shift the mean output of a channel, and every layer behind inherits the shift
(Nagel et al., ICCV 2019, correct it from data). Here each layer is corrected in turn, on inputs that come from
corrected layers, so that its statistics on the calibration images are those of the float network.
"""

import dataclasses
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pimsim.network.graph import Images
from pimsim.network.layers.base import AbstractWeightedLayer
from pimsim.network.quantize import QuantizedLayer, QuantizedNetwork, apply_layer

CORRECTION_IMAGES = 250
MOST_GAIN = 2.0
"""By which a spread is corrected: a channel that hardly moves any more is not blown up."""


def corrected(quantized: QuantizedNetwork, images: Images, kind: Literal["bias", "batch_norm"]) -> QuantizedNetwork:
    """The network with biases, and for `batch_norm` scales, that give each channel the float network's statistics."""
    network, layers = quantized.network, dict(quantized.layers)
    both = jnp.concatenate([jnp.asarray(images[:CORRECTION_IMAGES])] * 2)
    shapes = network.shapes
    reads = {node.name: node.inputs[0] for node in network.nodes}

    def layer_by_layer(
        name: str, layer: AbstractWeightedLayer, x: Float[Array, "batch ..."]
    ) -> Float[Array, "batch ..."]:
        """The float network's batch beside the quantized one's."""
        floating, rounded = jnp.split(x, 2)
        wanted = layer.forward(*network.parameters(name), floating)
        found = apply_layer(layers[name], layer, rounded, shapes[reads[name]])
        layers[name] = _matched(layers[name], _moments(found), _moments(wanted), kind)
        return jnp.concatenate([wanted, apply_layer(layers[name], layer, rounded, shapes[reads[name]])])

    network.walk(both, layer_by_layer)
    return dataclasses.replace(quantized, layers=layers)


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
