"""What rounding costs, layer by layer: where a quantized network loses its accuracy."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from pimsim.network.graph import Images
from pimsim.network.integers import rounded_inputs
from pimsim.network.layers.base import AbstractWeightedLayer, matrix_name
from pimsim.network.quantize import QuantizedNetwork, apply_named, exact, half_by_half, matrices
from pimsim.units import Ratios

REPORT_IMAGES = 32


@dataclass(frozen=True)
class QuantizationReport:
    """Of each matrix, the power of an error over that of the signal, on some of the calibration images.

    What is said of outputs is said of the layer, where it has several matrices or steps.
    """

    layer: Shaped[np.ndarray, " layer"]
    weight_bits: Int[np.ndarray, " layer"]
    input_bits: Int[np.ndarray, " layer"]
    weights: Ratios[np.ndarray, " layer"]
    """Of the rounded weights."""
    inputs: Ratios[np.ndarray, " layer"]
    """Of the float network's inputs, rounded and clipped."""
    added: Ratios[np.ndarray, " layer"]
    """Of the layer's outputs, if it alone were quantized: what it adds."""
    outputs: Ratios[np.ndarray, " layer"]
    """Of the layer's outputs, with all layers before it quantized: what has gathered."""

    def sqnr_db(self) -> dict[str, dict[str, float | None]]:
        """Signal-to-noise ratios in dB by layer; None where there is no error."""
        kinds = ("weights", "inputs", "added", "outputs")
        return {
            name: {kind: decibel(float(getattr(self, kind)[index])) for kind in kinds}
            for index, name in enumerate(self.layer.tolist())
        }


def report(quantized: QuantizedNetwork, images: Images) -> QuantizationReport:
    """Walk the float and the quantized network side by side, as two halves of one batch."""
    network, product, found = quantized.network, exact(quantized), {}
    held = matrices(network)

    def measure(name: str, layer: AbstractWeightedLayer, x: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
        floating, rounded = jnp.split(x, 2)
        wanted, operands = layer.trace(*network.parameters(name), floating)
        added = noise(apply_named(quantized, name, floating, product), wanted)
        gathered = noise(result := apply_named(quantized, name, rounded, product), wanted)
        for word, parts in operands.items():
            matrix, vectors = matrix_name(name, word), jnp.concatenate(parts, axis=-1)
            own, gain = quantized.layers[matrix], np.reshape(quantized.layers[matrix].row_gain, (-1, 1))
            weights = noise(own.matrix * own.weight_scale, held[matrix][0] * gain)
            found[matrix] = weights, noise(rounded_inputs(own, vectors), vectors), added, gathered
        return jnp.concatenate([wanted, result])

    network.walk(jnp.concatenate([jnp.asarray(images[:REPORT_IMAGES])] * 2), measure, half_by_half(quantized))
    layers = quantized.layers.values()
    return QuantizationReport(
        np.array(list(quantized.layers)),
        np.array([layer.weight_bits for layer in layers]),
        np.array([layer.input_bits for layer in layers]),
        *np.array([found[name] for name in quantized.layers]).T.copy(),
    )


def decibel(noise: float) -> float | None:
    """A share of noise as a ratio of signal to noise; None where there is no noise."""
    return -10 * float(np.log10(noise)) if noise > 0 else None


@jax.jit
def _powers(y: Float[Array, "..."], wanted: Float[Array, "..."]) -> Float[Array, "2"]:
    y, wanted = y.astype(jnp.float64), wanted.astype(jnp.float64)
    return jnp.stack([jnp.sum((y - wanted) ** 2), jnp.sum(wanted**2)])


def noise(y: Float[Array | np.ndarray, "..."], wanted: Float[Array | np.ndarray, "..."]) -> float:
    """Power of what differs over the power of what is wanted; of nothing wanted, whether anything differs."""
    error, power = np.asarray(_powers(jnp.asarray(y), jnp.asarray(wanted)))
    return float(error / power) if power else float(error > 0)
