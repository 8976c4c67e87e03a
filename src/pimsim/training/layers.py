"""A network as its chip plays it, with a gradient.

Forward, every matrix layer answers what the chip answers: inputs and weights on the run's own grids, products by the
run's own engine, from cells programmed with errors. Backward, rounding and conversions are passed straight through, and
the product is that with the matrix which the programmed cells stand for:

    ∂L/∂x = ∂L/∂y · W'ᵀ     ∂L/∂W = xᵀ · ∂L/∂y     W' = W + error of the cells (chip.folded.effective_matrix)

What the scale of a column does to its errors is part of the gradient: they are shares of its largest weight.
"""

from collections.abc import Mapping
from functools import partial

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from pimsim.chip import CrossbarCore
from pimsim.chip.crossbar import Traits
from pimsim.chip.folded import effective_matrix, linear
from pimsim.chip.programming import program
from pimsim.chip.reading import read
from pimsim.devices import reprogrammed
from pimsim.errors import NetworkError
from pimsim.inference.copies import dealt, gathered, vector_names
from pimsim.inference.engines import LayerPlan
from pimsim.network.graph import Images, Network
from pimsim.network.layers.base import AbstractMatrixLayer, AbstractWeightedLayer
from pimsim.network.ops import Shape
from pimsim.network.quantize import QuantizedLayer, integer_range
from pimsim.numerics import contract, fold, integer_product, straight_through


class Grid(eqx.Module):
    """The integers of one layer: how weights become them, whatever the weights, and how inputs do."""

    reach: Float[Array, " col"]
    """What the largest integer stands for, over the largest weight that shares its scale."""
    input_scale: Float[Array, ""]
    gain: Float[Array, " col"]
    """By which a correction has changed the scale of a column after rounding, and …"""
    shift: Float[Array, " col"]
    """… what it has added to the bias."""
    by_channel: bool = eqx.field(static=True)
    weight_bits: int = eqx.field(static=True)
    input_bits: int = eqx.field(static=True)
    signed: bool = eqx.field(static=True)

    @classmethod
    def of(cls, rounded: QuantizedLayer, corrected: QuantizedLayer, matrix: np.ndarray, by_channel: bool) -> "Grid":
        """From a layer as it is rounded, and as it is corrected afterwards."""
        top = max(integer_range(rounded.weight_bits, signed=True)[1], 1)
        largest = np.broadcast_to(np.abs(matrix).max(axis=0 if by_channel else None), rounded.weight_scale.shape)
        reach = np.divide(rounded.weight_scale * top, largest, out=np.ones(largest.shape), where=largest > 0)
        return cls(
            jnp.asarray(reach),
            jnp.asarray(rounded.input_scale),
            jnp.asarray(corrected.weight_scale / rounded.weight_scale),
            jnp.asarray(corrected.bias - rounded.bias),
            by_channel,
            rounded.weight_bits,
            rounded.input_bits,
            rounded.signed_input,
        )

    def inputs(self, x: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
        """Inputs as integers, clipped."""
        return _rounded(x.astype(jnp.float64) / self.input_scale, *integer_range(self.input_bits, self.signed))

    def weights(self, matrix: Float[Array, "row col"]) -> tuple[Float[Array, "row col"], Float[Array, " col"]]:
        """Weights as integers, and what one of each column stands for."""
        low, high = integer_range(self.weight_bits, signed=True)
        largest = jnp.abs(matrix.astype(jnp.float64)).max(axis=0 if self.by_channel else None)
        scale = jnp.where(largest > 0, self.reach * largest / max(high, 1), 1.0)
        return _rounded(matrix / scale, low, high), scale


def _rounded(steps: Float[Array, "*n"], low: int, high: int) -> Float[Array, "*n"]:
    return straight_through(jnp.clip(jnp.rint(steps), low, high), jnp.clip(steps, low, high))


class ChipLayer(eqx.Module):
    """A matrix layer as a programmed chip plays it."""

    grid: Grid
    plan: LayerPlan
    core: CrossbarCore
    """In the layer's own precision; its numbers are arrays."""
    traits: Traits = eqx.field(static=True)
    plays: bool = eqx.field(static=True)
    """Whether reads and conversions are played."""
    reads: tuple[int, ...] = eqx.field(static=True, default=())
    """Folded into the key of reads: with another one, images of the same names are read with other noise."""

    def forward(
        self, layer: AbstractMatrixLayer, parameters: tuple[Array, Array], x: Float[Array, "batch ..."], shape: Shape,
        image: Int[Array, " batch"], key: PRNGKeyArray,
    ) -> Float[Array, "batch ..."]:  # fmt: skip
        """The layer's output tensor for inputs of this shape; `image` names the images, `key` the chip."""
        weight, bias = parameters
        integers, scale = self.grid.weights(layer.matrix(weight))  # pyright: ignore[reportArgumentType]
        y = self.product(layer.vectors(self.grid.inputs(x)), integers, image, fold(key, self.plan.key))
        y = y * (self.grid.input_scale * self.grid.gain * scale) + (bias + self.grid.shift)
        return layer.tensor(y.astype(jnp.float32), shape)

    def reprogrammed(self, times: Int[Array, ""]) -> "ChipLayer":
        """The layer in arrays with the same faults, written for another time."""
        return eqx.tree_at(lambda layer: layer.core.device, self, reprogrammed(self.core.device, times))

    def product(
        self, x: Float[Array, "batch vector row"], w: Float[Array, "row col"], image: Int[Array, " batch"],
        key: PRNGKeyArray,
    ) -> Float[Array, "batch vector col"]:  # fmt: skip
        """The chip's products of integers, with the gradient of the product by the matrix that its cells stand for."""
        matrix, vectors = w.astype(jnp.int32), x.astype(jnp.int32)
        x, w = x.astype(jnp.float32), w.astype(jnp.float32)
        if self.plan.engine == "folded":
            exact = integer_product(vectors, matrix, signed=self.grid.signed).astype(jnp.float64)
            return straight_through(exact, jnp.einsum("bvr,rc->bvc", x, w, precision="highest").astype(jnp.float64))
        copies, names = self.plan.copies, vector_names(image, x.shape[1], self.plan.vectors)
        work = jnp.arange(copies), dealt(vectors, copies), dealt(names, copies)
        answered, error, constant = lax.map(partial(self._on_copy, matrix, key), work)
        smooth = lax.map(_contracted, (dealt(x, copies), w + error)) + constant[:, None]
        y = smooth.astype(jnp.float64)
        return gathered(y if answered is None else straight_through(answered, y), x.shape[1])

    def _on_copy(self, matrix: Array, key: PRNGKeyArray, work: tuple[Array, Array, Array]) -> tuple:
        """What a copy answers, how far the matrix it stands for is off, and what that adds where inputs are 0."""
        copy, x, names = work
        core, plan, signed = self.core, self.plan, self.grid.signed
        array = program(core, matrix, plan.cuts, plan.occupied, fold(key, copy), signed, plan.ranges)
        error = effective_matrix(core, self.traits, array)[: len(matrix)] - matrix
        bias = core.inputs.bias(core.input_bits) if signed else 0
        y = None
        if self.plays and plan.engine == "linear":
            y = linear(core, self.traits, array, x)
        elif self.plays:
            y = read(core, self.traits, array, x, fold(key, plan.copies, *self.reads), names)[0].astype(jnp.float64)
        return y, error.astype(jnp.float32), (bias * error.sum(axis=0)).astype(jnp.float32)


def _contracted(work: tuple[Array, Array]) -> Array:
    return contract(*work)


def chip_logits(
    network: Network, layers: Mapping[str, ChipLayer], images: Images, image: Int[Array, " batch"], key: PRNGKeyArray
) -> Float[Array, "batch *class"]:
    """What a chip makes of images, differentiable in the weights; `image` names them, `key` the chip."""
    shapes, reads = network.shapes, {node.name: node.inputs[0] for node in network.nodes}

    def play(name: str, layer: AbstractWeightedLayer, x: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
        if not isinstance(layer, AbstractMatrixLayer):
            raise NetworkError(name, f"{type(layer).__name__} is not played as one matrix, so it is not trained")
        return layers[name].forward(layer, network.parameters(name), x, shapes[reads[name]], image, key)

    return network.walk(images, play)
