"""The network on integers: what the hardware is asked to compute, and what it should answer.

Weights are signed and symmetric, one scale an output channel; the inputs of a matrix layer have one scale, set by the
float network on calibration images. A layer's product Y = X · W is on integers, whoever computes it; everything between
two products is the digital unit's, in code that does not contain the product, so that equal integers give equal bits.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, Int64

from pimsim.errors import NetworkError, SpecError
from pimsim.network.graph import Images, Network
from pimsim.network.grids import input_grid, weight_grid
from pimsim.network.layers.base import AbstractMatrixLayer, AbstractWeightedLayer
from pimsim.network.ops import Precision, Shape
from pimsim.network.ranges import Method, best_reach, input_ranges
from pimsim.network.scheme import Scheme
from pimsim.numerics import exact_product

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
    weight_bits: int
    input_bits: int
    input_zero: int = 0
    """The integer that stands for an input of 0; unsigned integers that are shifted so hold values of both signs."""

    @property
    def precision(self) -> Precision:
        return Precision(self.weight_bits, self.input_bits)


@dataclass(frozen=True, eq=False)
class QuantizedNetwork:
    """A network with the integers that stand for it."""

    network: Network
    layers: dict[str, QuantizedLayer]


def integer_range(bits: int, signed: bool) -> tuple[int, int]:
    """The least and the greatest integer: 0 … 2^b - 1, or ±(2^(b-1) - 1); the signed one-bit integers are -1 and 0."""
    top = 2 ** (bits - 1) - 1 if signed else 2**bits - 1
    return (min(-top, -1) if signed else 0), top


def quantize(
    network: Network, images: Images, *, weight_bits: int, input_bits: int, percentile: float = 100.0,
    method: Method = "percentile", scheme: Scheme | None = None,
) -> QuantizedNetwork:  # fmt: skip
    """Round the network's weights, and choose the input scales from `images`.

    An input range reaches to the given percentile of |x|, or to where the mean square error is least; inputs beyond it
    clip. Inputs are unsigned where no calibration value is negative. The bits are those of layers that the scheme does
    not name. Where a network was quantized before, its own scales stay. Raises SpecError for bits outside 1 … 16, for a
    percentile outside (0, 100] and without images, and NetworkError for images or weights that do not fit.
    """
    for place, bits in (("weight_bits", weight_bits), ("input_bits", input_bits)):
        if not 1 <= bits <= 16:
            raise SpecError(place, f"must be 1 to 16, got {bits}")
    if not 0 < percentile <= 100:
        raise SpecError("percentile", f"must be above 0 and at most 100, got {percentile:g}")
    scheme, usual = scheme or Scheme(), Precision(weight_bits, input_bits)
    own = scheme.precisions(network.matrix_layers, usual)
    held, layers = {name: matrix_of(network, name) for name in network.matrix_layers}, {}
    for name, (low, reach, samples) in input_ranges(network, images, method, percentile).items():
        bits, signed = own.get(name, usual), low < 0
        if signed and bits.inputs == 1:
            raise SpecError("input_bits", f"1 bit cannot carry the signed inputs of {name}", "Use 2 bits or more.")
        bias = network.parameters(name)[1]
        matrix, scale = quantize_matrix(held[name], bits.weights, per=scheme.per, reach=scheme.weight_range)
        top = integer_range(bits.inputs, signed)[1]
        if method == "mse" and reach:
            reach = float(best_reach(samples[:, None].astype(np.float64), np.array([reach]), top)[0])
        layers[name] = QuantizedLayer(
            matrix, scale, reach / top if reach else 1.0, signed, np.asarray(bias, np.float64), *bits
        )
    return QuantizedNetwork(network, {name: _in_own_scales(network, name, layer) for name, layer in layers.items()})


def _in_own_scales(network: Network, name: str, layer: QuantizedLayer) -> QuantizedLayer:
    """The layer in the scales that the network brings along, where it was quantized before."""
    if grid := input_grid(network, name, layer.input_bits):
        layer = replace(layer, input_scale=grid.scale, input_zero=grid.zero, signed_input=grid.signed)
    matrix = matrix_of(network, name)
    if own := weight_grid(network, name, matrix, layer.weight_bits):
        layer = replace(layer, matrix=own[0], weight_scale=own[1])
    return layer


def matrix_of(network: Network, name: str) -> Float[np.ndarray, "row col"]:
    """The matrix that a layer is for all its vectors; NetworkError where it has weights of another kind."""
    layer = network.layer(name)
    if not isinstance(layer, AbstractMatrixLayer):
        fact = f"{type(layer).__name__} has a float arithmetic and a cost, but no integer arithmetic"
        raise NetworkError(name, fact, "Ask for its cost alone: dataset: none")
    return np.asarray(layer.matrix(network.parameters(name)[0]))


def quantize_matrix(
    matrix: Float[np.ndarray, "row col"], bits: int, per: Literal["channel", "tensor"] = "channel",
    reach: Literal["max", "mse"] = "max",
) -> tuple[Int32[np.ndarray, "row col"], Float[np.ndarray, " col"]]:  # fmt: skip
    """Integers and a scale for each column: reach / (2^(b-1) - 1), or the reach for one bit; 1 where all w are 0.

    The reach is max|w|, or the share of it at which the mean square error is least, of a column or of all.
    """
    low, high = integer_range(bits, signed=True)
    magnitude = np.abs(matrix).astype(np.float64)
    values = magnitude if per == "channel" else magnitude.reshape(-1, 1)
    largest = values.max(axis=0)
    if reach == "mse" and high:
        largest = best_reach(values, largest, high)
    scale = np.broadcast_to(np.where(largest > 0, largest / max(high, 1), 1.0), matrix.shape[1:]).copy()
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
        return apply_layer(own, layer, x, shapes[inputs[name]], functools.partial(product, name))

    return network.walk(images, matrix_layer)


def apply_layer(
    own: QuantizedLayer, layer: AbstractWeightedLayer, x: Float[Array, "batch ..."], input_shape: Shape,
    product: Callable[[Int32[Array, "batch vector row"]], Int64[Array, "batch vector col"]] | None = None,
) -> Float[Array, "batch ..."]:  # fmt: skip
    """One layer on integers: its inputs rounded, multiplied by its matrix (exactly if nobody says how), and scaled."""
    steps = _to_integers(layer, x, own.input_scale, *_bounds(own))
    if own.input_zero:  # also of padding
        steps = steps + own.input_zero
    y = product(steps) if product else exact_product(steps, own.matrix, signed=own.signed_input)
    if own.input_zero:
        y = y - own.input_zero * own.matrix.sum(axis=0)
    return _to_float(layer, y, own.input_scale * own.weight_scale, own.bias, input_shape=input_shape)


def _bounds(own: QuantizedLayer) -> tuple[int, int]:
    """The least and the greatest input, in steps from 0."""
    low, high = integer_range(own.input_bits, own.signed_input)
    return low - own.input_zero, high - own.input_zero


def rounded_inputs(own: QuantizedLayer, x: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
    """What a layer's integer inputs stand for."""
    low, high = _bounds(own)
    return jnp.clip(jnp.rint(x.astype(jnp.float64) / own.input_scale), low, high) * own.input_scale


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
