"""The network on integers: what the hardware is asked to compute, and what it should answer.

Weights are signed and symmetric, one scale an output channel; the inputs of a matrix layer have one scale, set by the
float network on calibration images. A layer's product Y = X · W is on integers, whoever computes it; everything between
two products is the digital unit's, in code that does not contain the product, so that equal integers give equal bits.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, Int64, PRNGKeyArray

from pimsim.errors import NetworkError, SpecError
from pimsim.network.graph import Images, Network
from pimsim.network.layers.base import AbstractMatrixLayer, AbstractWeightedLayer
from pimsim.numerics import exact_product, fold

CALIBRATION_BATCH = 250
SAMPLE = 2**20
"""Values per layer from which a percentile is taken."""

Product = Callable[[str, Int32[Array, "batch vector row"]], Int64[Array, "batch vector col"]]
"""product(layer, x): the integers x times the layer's matrix."""


@dataclass(frozen=True, eq=False)
class QuantizedLayer:
    """A matrix layer on integers: input ≈ x · input_scale, weight ≈ matrix · weight_scale."""

    matrix: Int32[np.ndarray, "row col"]
    weight_scale: Float[np.ndarray, " col"]
    input_scale: float
    signed_input: bool
    bias: Float[np.ndarray, " col"]
    """In the float network's own unit, added after the scales."""


@dataclass(frozen=True, eq=False)
class QuantizedNetwork:
    """A network with the integers that stand for it."""

    network: Network
    weight_bits: int
    input_bits: int
    layers: dict[str, QuantizedLayer]


def integer_range(bits: int, signed: bool) -> tuple[int, int]:
    """The least and the greatest integer: 0 … 2^b - 1, or ±(2^(b-1) - 1); the signed one-bit integers are -1 and 0."""
    top = 2 ** (bits - 1) - 1 if signed else 2**bits - 1
    return (min(-top, -1) if signed else 0), top


def quantize(
    network: Network, images: Images, *, weight_bits: int, input_bits: int, percentile: float = 100.0
) -> QuantizedNetwork:
    """Round the network's weights, and choose the input scales from `images`.

    An input range reaches to the given percentile of |x|; inputs beyond it clip. Inputs are unsigned where no
    calibration value is negative. Raises SpecError for bits outside 1 … 16, for a percentile outside (0, 100] and
    without images, and NetworkError for images or weights that do not fit.
    """
    for place, bits in (("weight_bits", weight_bits), ("input_bits", input_bits)):
        if not 1 <= bits <= 16:
            raise SpecError(place, f"must be 1 to 16, got {bits}")
    if not 0 < percentile <= 100:
        raise SpecError("percentile", f"must be above 0 and at most 100, got {percentile:g}")
    held, layers = {name: _matrix_layer(network, name) for name in network.matrix_layers}, {}
    for name, (low, high) in _input_ranges(network, images, percentile).items():
        signed = low < 0
        if signed and input_bits == 1:
            fact = f"1 bit cannot carry the signed inputs of {name}"
            raise SpecError("input_bits", fact, "Use 2 bits or more.")
        weight, bias = network.parameters(name)
        matrix, scale = quantize_matrix(np.asarray(held[name].matrix(weight)), weight_bits)
        input_scale = high / integer_range(input_bits, signed)[1] if high else 1.0
        layers[name] = QuantizedLayer(matrix, scale, input_scale, signed, np.asarray(bias, np.float64))
    return QuantizedNetwork(network, weight_bits, input_bits, layers)


def _matrix_layer(network: Network, name: str) -> AbstractMatrixLayer:
    """A layer that is one matrix for all its vectors; NetworkError where it has weights of another kind."""
    layer = network.layer(name)
    if not isinstance(layer, AbstractMatrixLayer):
        fact = f"{type(layer).__name__} has a float arithmetic and a cost, but no integer arithmetic"
        raise NetworkError(name, fact, "Ask for its cost alone: dataset: none")
    return layer


def quantize_matrix(
    matrix: Float[np.ndarray, "row col"], bits: int
) -> tuple[Int32[np.ndarray, "row col"], Float[np.ndarray, " col"]]:
    """Integers and one scale a column: scale = max|w| / (2^(b-1) - 1), or max|w| for one bit; 1 where all w are 0."""
    low, high = integer_range(bits, signed=True)
    largest = np.abs(matrix).max(axis=0).astype(np.float64)
    scale = np.where(largest > 0, largest / max(high, 1), 1.0)
    return np.clip(np.rint(matrix / scale), low, high).astype(np.int32), scale


def evaluate(quantized: QuantizedNetwork, images: Images, product: Product) -> Float[Array, "batch *class"]:
    """The network's logits, with every matrix layer's integers multiplied by `product`."""
    network = quantized.network
    inputs = {node.name: node.inputs[0] for node in network.nodes}
    shapes = network.shapes

    def matrix_layer(
        name: str, layer: AbstractWeightedLayer, x: Float[Array, "batch ..."]
    ) -> Float[Array, "batch ..."]:
        own = quantized.layers[name]
        low, high = integer_range(quantized.input_bits, own.signed_input)
        y = product(name, _to_integers(layer, x, own.input_scale, low, high))
        scale = own.input_scale * own.weight_scale
        return _to_float(layer, y, scale, own.bias, input_shape=shapes[inputs[name]])

    return network.walk(images, matrix_layer)


def reference(quantized: QuantizedNetwork, images: Images) -> Float[Array, "batch *class"]:
    """The logits of ideal hardware: every product is exact."""

    def exact(name: str, x: Int32[Array, "batch vector row"]) -> Int64[Array, "batch vector col"]:
        layer = quantized.layers[name]
        return exact_product(x, layer.matrix, signed=layer.signed_input)

    return evaluate(quantized, images, exact)


@jax.jit
def _to_integers(layer, x, scale, low, high):
    """x / scale, rounded half to even and clipped, as the vectors that enter the layer's matrix."""
    steps = jnp.rint(x.astype(jnp.float64) / scale)
    return layer.vectors(jnp.clip(steps, low, high).astype(jnp.int32))


@functools.partial(jax.jit, static_argnames="input_shape")
def _to_float(layer, y, scale, bias, input_shape):
    """y · scale + bias in float64, as the layer's float32 output tensor."""
    return layer.tensor((y * scale + bias).astype(jnp.float32), input_shape)


def _input_ranges(network: Network, images: Images, percentile: float) -> dict[str, tuple[float, float]]:
    """For each matrix layer, its least input and the percentile of |input|, in the float network."""
    if not len(images):
        raise SpecError("images", "calibration needs at least one image, got none")
    parts = []
    for start in range(0, len(images), CALIBRATION_BATCH):
        batch = images[start : start + CALIBRATION_BATCH]
        count = 0 if percentile == 100 else -(-SAMPLE * len(batch) // len(images))
        parts.append(_input_statistics(network, batch, jax.random.key(start), count=count))
    ranges = {}
    for name in network.matrix_layers:
        least, largest, samples = zip(*(part[name] for part in parts), strict=True)
        low, high = float(min(least)), float(max(largest))
        if not np.isfinite(high):
            raise NetworkError(name, "has inputs that are not finite for the calibration images")
        reach = high if percentile == 100 else float(np.percentile(np.concatenate(samples), percentile))
        if high > 0 and reach == 0:
            fact = f"leaves {name} no input range: that part of its inputs is zero"
            raise SpecError("percentile", fact, "Raise it towards 100.")
        ranges[name] = low, reach
    return ranges


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
