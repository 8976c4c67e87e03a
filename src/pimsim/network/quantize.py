"""The network on integers: what the hardware is asked to compute, and what it should answer.

Weights are signed and symmetric, one scale an output channel; the inputs of a matrix layer have one scale, set by the
float network on calibration images. A layer's product Y = X · W is on integers, whoever computes it; everything between
two products is the digital unit's, in code that does not contain the product, so that equal integers give equal bits.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, Int64

from pimsim.errors import NetworkError, SpecError
from pimsim.network.graph import Images, Network
from pimsim.network.grids import input_grid, weight_grid
from pimsim.network.integers import (
    Product,
    QuantizedLayer,
    QuantizedOperand,
    QuantizedProduct,
    apply_layer,
    apply_steps,
)
from pimsim.network.layers.base import (
    AbstractMatrixLayer,
    AbstractProductLayer,
    AbstractRecurrentLayer,
    Einsum,
    matrix_name,
)
from pimsim.network.ops import Precision
from pimsim.network.ranges import Method, Operand, best_reach, input_ranges, integer_range
from pimsim.network.scheme import Scheme
from pimsim.numerics import exact_product


@dataclass(frozen=True, eq=False)
class QuantizedNetwork:
    """A network with the integers that stand for it."""

    network: Network
    layers: dict[str, QuantizedLayer]
    """By the name of the matrix: the layer's, and a word of its own where the layer has several or steps."""

    products: dict[str, QuantizedProduct] = field(default_factory=dict)
    """Of two results, by the operation's name, at the core's input bits."""

    def parts(self, layer: str) -> dict[str, QuantizedLayer]:
        """The matrices of a recurrent layer by their words."""
        words = self.network.layer(layer).maps(*self.network.parameters(layer))  # type: ignore[attr-defined]
        return {word: self.layers[matrix_name(layer, word)] for word in words}

    def multiplier(self, layer: str) -> Einsum:
        """The products of one layer on integers."""
        return lambda word, *asked: self.products[matrix_name(layer, word)].multiply(*asked)


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
    held = matrices(network)
    own, ranges, layers = scheme.precisions(tuple(held), usual), input_ranges(network, images, method, percentile), {}
    for name, (weight, bias) in held.items():
        bits, operands = own.get(name, usual), ranges[name]
        signed = _is_signed(name, operands, bits.inputs)
        input_scale, gain = _input_scale(operands, integer_range(bits.inputs, signed)[1], method)
        matrix, scale = quantize_matrix(
            weight * np.reshape(gain, (-1, 1)).astype(weight.dtype), bits.weights, scheme.per, scheme.weight_range
        )
        layer = QuantizedLayer(matrix, scale, input_scale, signed, np.asarray(bias, np.float64), *bits, row_gain=gain)
        layers[name] = _in_own_scales(network, name, weight, layer) if name in network.matrix_layers else layer
    products = {
        name: QuantizedProduct(*(_operand(name, side, input_bits, method) for side in sides))
        for name, sides in ranges.items()
        if name not in held
    }
    return QuantizedNetwork(network, layers, products)


def _in_own_scales(
    network: Network, name: str, weight: Float[np.ndarray, "row col"], layer: QuantizedLayer
) -> QuantizedLayer:
    """The layer in the scales that the network brings along, where it was quantized before."""
    if grid := input_grid(network, name, layer.input_bits):
        layer = replace(layer, input_scale=grid.scale, input_zero=grid.zero, signed_input=grid.signed)
    if own := weight_grid(network, name, weight, layer.weight_bits):
        layer = replace(layer, matrix=own[0], weight_scale=own[1])
    return layer


def _operand(name: str, found: Operand, bits: int, method: Method) -> QuantizedOperand:
    signed = _is_signed(name, [found], bits)
    return QuantizedOperand(_input_scale([found], integer_range(bits, signed)[1], method)[0], signed, bits)


def _is_signed(name: str, operands: list[Operand], bits: int) -> bool:
    signed = min(operand.low for operand in operands) < 0
    if signed and bits == 1:
        raise SpecError("input_bits", f"1 bit cannot carry the signed inputs of {name}", "Use 2 bits or more.")
    return signed


def matrices(network: Network) -> dict[str, tuple[Float[np.ndarray, "_ _"], Float[np.ndarray, " _"]]]:
    """Every matrix with its bias, in the order in which vectors meet them; NetworkError for weights of another kind."""
    found = {}
    for name in network.matrix_layers:
        layer, parameters = network.layer(name), map(np.asarray, network.parameters(name))
        if not isinstance(layer, AbstractMatrixLayer | AbstractRecurrentLayer):
            fact = f"{type(layer).__name__} has a float arithmetic and a cost, but no integer arithmetic"
            raise NetworkError(name, fact, "Ask for its cost alone: dataset: none")
        for word, (matrix, bias) in layer.maps(*parameters).items():
            found[matrix_name(name, word)] = np.asarray(matrix), np.asarray(bias)
    return found


def _input_scale(operands: list[Operand], top: int, method: Method) -> tuple[float, Float[np.ndarray, " row"] | float]:
    """The scale of the operand that reaches farthest, and the gain of each row where there are several."""
    scales = []
    for _, reach, samples, _ in operands:
        if method == "mse" and reach:
            reach = float(best_reach(samples[:, None].astype(np.float64), np.array([reach]), top)[0])
        scales.append(reach / top)
    largest = max(scales) or 1.0
    if len(operands) == 1:
        return largest, 1.0
    return largest, np.repeat([scale / largest or 1.0 for scale in scales], [operand.rows for operand in operands])


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
    return quantized.network.walk(
        images, lambda name, _, x: apply_named(quantized, name, x, product), functools.partial(apply_product, quantized)
    )


def apply_product(
    quantized: QuantizedNetwork, name: str, layer: AbstractProductLayer, *inputs: Float[Array, "batch ..."]
) -> Float[Array, "batch ..."]:
    """A layer that multiplies results, on integers."""
    return layer.apply(quantized.multiplier(name), *inputs)


def half_by_half(quantized: QuantizedNetwork) -> Callable[..., Float[Array, "batch ..."]]:
    """`apply_product` for batches of two halves: the first in float, the second on integers."""

    def product(
        name: str, layer: AbstractProductLayer, *inputs: Float[Array, "batch ..."]
    ) -> Float[Array, "batch ..."]:
        floating, rounded = zip(*(jnp.split(x, 2) for x in inputs), strict=True)
        return jnp.concatenate([layer(*floating), apply_product(quantized, name, layer, *rounded)])

    return product


def apply_named(
    quantized: QuantizedNetwork, name: str, x: Float[Array, "batch ..."], product: Product
) -> Float[Array, "batch ..."]:
    """One layer of the network on integers."""
    layer = quantized.network.layer(name)
    if isinstance(layer, AbstractRecurrentLayer):
        parts = quantized.parts(name)
        return apply_steps(parts, layer, x, lambda word, *asked: product(matrix_name(name, word), *asked))
    return apply_layer(quantized.layers[name], layer, x, x.shape[1:], functools.partial(product, name))


def reference(quantized: QuantizedNetwork, images: Images) -> Float[Array, "batch *class"]:
    """The logits of ideal hardware: every product is exact."""
    return evaluate(quantized, images, exact(quantized))


def exact(quantized: QuantizedNetwork) -> Product:
    """The products of ideal hardware."""

    def product(name: str, x: Int32[Array, "batch vector row"], first: int = 0) -> Int64[Array, "batch vector col"]:
        layer = quantized.layers[name]
        return exact_product(x, layer.matrix, signed=layer.signed_input)

    return product
