"""Scales that a network brings along, because it was quantized before: of the values between layers, and of weights."""

from typing import NamedTuple, TypeGuard

import numpy as np
from jaxtyping import Float, Int32

from pimsim.errors import NetworkError
from pimsim.network.graph import Network
from pimsim.network.layers import Function, Rearrange
from pimsim.network.layers.base import AbstractLayer

REMEDY = "Give the chip as many bits as the model has, or more: chip.core.weight_bits and chip.core.input_bits."


class InputGrid(NamedTuple):
    """How the values on a grid enter a matrix as integers: value = (integer - zero) · scale."""

    scale: float
    zero: int
    signed: bool


def input_grid(network: Network, layer: str, bits: int) -> InputGrid | None:
    """The grid of a matrix layer's inputs, if what makes them has rounded them to one, as integers of so many bits.

    Unsigned where no value is below 0; signed where the values reach equally far to both sides, to one step; otherwise
    shifted by the zero point. Raises NetworkError where the bits do not hold that many steps.
    """
    nodes = {node.name: node for node in network.nodes}
    made = nodes.get(nodes[layer].inputs[0])
    while made is not None and isinstance(made.layer, Rearrange):
        made = nodes.get(made.inputs[0])
    if made is None or not _rounds(made.layer):
        return None
    step, zero, low, high = made.layer.numbers
    least, most, codes = int(low - zero), int(high - zero), 2**bits
    if least >= 0 and most < codes:
        return InputGrid(step, 0, signed=False)
    if max(-least - 1, most) < codes // 2:
        return InputGrid(step, 0, signed=True)
    if most - least < codes:
        return InputGrid(step, -least, signed=False)
    fact = f"the model's own inputs of this layer have {most - least + 1} steps, and {bits} bits hold {codes}"
    raise NetworkError(layer, fact, REMEDY)


def is_quantized(network: Network) -> bool:
    """Whether the network brings scales along, of weights or of values anywhere between layers."""
    return bool(network.weight_steps) or any(_rounds(node.layer) for node in network.nodes)


def weight_grid(
    network: Network, layer: str, matrix: Float[np.ndarray, "row col"], bits: int
) -> tuple[Int32[np.ndarray, "row col"], Float[np.ndarray, " col"]] | None:
    """The model's own integers of a matrix and the scale of each column, if it has any.

    Weights are symmetric, ±(2^(b-1) - 1): the one integer less that two's complement has is clipped. Raises
    NetworkError for integers beyond, as a zero point brings them.
    """
    if layer not in network.weight_steps:
        return None
    steps = np.asarray(network.weight_steps[layer], np.float64)
    scale, top = np.where(steps != 0, steps, 1.0), max(2 ** (bits - 1) - 1, 1)
    integers = np.rint(matrix / scale).astype(np.int64)
    if integers.max(initial=0) > top or integers.min(initial=0) < -top - 1:
        wrong = integers.flat[np.abs(integers).argmax()]
        fact = f"the model's own weights reach {wrong}, and symmetric ones of {bits} bits ±{top}"
        raise NetworkError(layer, fact, REMEDY)
    return np.maximum(integers, -top).astype(np.int32), scale


def _rounds(layer: AbstractLayer) -> TypeGuard[Function]:
    return isinstance(layer, Function) and layer.name == "FakeQuantize"
