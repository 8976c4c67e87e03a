"""What the chip answers: a quantized network, its products played by programmed arrays."""

from collections.abc import Callable
from dataclasses import dataclass

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Int, PRNGKeyArray

from pimsim.chip import CrossbarCore
from pimsim.mapping import Placement
from pimsim.network.graph import Images, predict
from pimsim.network.quantize import Product, QuantizedNetwork, evaluate, reference
from pimsim.numerics import fold, leaves_to_arrays
from pimsim.units import Ratios

BATCH = 250
"""Images computed together; it bounds memory and changes no result."""

Progress = Callable[[str, int, int], None]
"""progress(what, done, of): told after each step of something long."""


@dataclass(frozen=True)
class Inference:
    """The classes that float arithmetic, exact integers and the chip's trials give the same images."""

    engine: str
    label: Int[np.ndarray, " sample"]
    float_class: Int[np.ndarray, " sample"]
    quantized_class: Int[np.ndarray, " sample"]
    crossbar_class: Int[np.ndarray, "trial sample"]
    float_accuracy: float
    quantized_accuracy: float
    crossbar_accuracy: Ratios[np.ndarray, " trial"]

    @property
    def crossbar_mean(self) -> float:
        return float(self.crossbar_accuracy.mean())

    @property
    def crossbar_std(self) -> float:
        """Spread between trials: the sample standard deviation, 0 for a single trial."""
        return float(self.crossbar_accuracy.std(ddof=1)) if len(self.crossbar_accuracy) > 1 else 0.0


def infer(
    quantized: QuantizedNetwork,
    placement: Placement,
    core: CrossbarCore,
    images: Images,
    labels: Int[np.ndarray, " sample"],
    *,
    trials: int,
    key: PRNGKeyArray,
    batch: int = BATCH,
    progress: Progress = lambda what, done, of: None,
) -> Inference:
    """Classify the images with float arithmetic, with exact integers, and on `trials` programmed chips.

    Cells that hit their targets exactly make every trial the same, so one is computed and stands for all.
    """
    network = quantized.network
    distinct = 1 if core.device.is_exact else trials
    float_class = predict(network.forward, images, batch)
    quantized_class = predict(lambda x: reference(quantized, x), images, batch)
    crossbar = []
    for trial in range(distinct):
        product = crossbar_product(quantized, placement, core, key=fold(key, trial))
        parts = []
        for start in range(0, len(images), batch):
            parts.append(predict(lambda x, p=product: evaluate(quantized, x, p), images[start : start + batch], batch))
            progress("crossbar", trial * len(images) + min(start + batch, len(images)), distinct * len(images))
        crossbar.append(np.concatenate(parts))
    crossbar_class = np.broadcast_to(np.stack(crossbar), (trials, len(images))).copy()
    return Inference(
        engine="bit_true",
        label=labels,
        float_class=float_class,
        quantized_class=quantized_class,
        crossbar_class=crossbar_class,
        float_accuracy=float(np.mean(float_class == labels)),
        quantized_accuracy=float(np.mean(quantized_class == labels)),
        crossbar_accuracy=(crossbar_class == labels).mean(axis=1),
    )


def crossbar_product(
    quantized: QuantizedNetwork, placement: Placement, core: CrossbarCore, *, key: PRNGKeyArray
) -> Product:
    """The products of one programmed chip: product(layer, x[batch, vector, row]) → y[batch, vector, col].

    Vector v passes copy v mod R of the layer's matrix, as the schedule has it; each copy is programmed with a key
    folded from the layer's and its own index. Exact cells make all copies alike, and one is enough.
    """
    traced = leaves_to_arrays(core)
    order = {layer: index for index, layer in enumerate(quantized.layers)}

    def product(layer: str, x: Int[Array, "batch vector row"]) -> Int[Array, "batch vector col"]:
        own = quantized.layers[layer]
        copies = 1 if core.device.is_exact else placement.copies(layer)
        mask = occupied_mask(placement, core, layer, own.matrix.shape)
        matrix = jnp.asarray(own.matrix)
        return _replicated(traced, matrix, x, jnp.asarray(mask), fold(key, order[layer]), copies, own.signed_input)

    return product


def occupied_mask(
    placement: Placement, core: CrossbarCore, layer: str, shape: tuple[int, int]
) -> Bool[np.ndarray, "block array"]:
    """The cuts of a layer's matrix that the placement gives an array."""
    cuts = core.cuts(*shape)
    mask = np.zeros((cuts.blocks, cuts.arrays), bool)
    for row, _, col, _ in placement.blocks(layer):
        mask[row // cuts.rows, col // cuts.cols] = True
    return mask


@eqx.filter_jit
def _replicated(
    core: CrossbarCore, matrix: Array, x: Array, mask: Array, key: PRNGKeyArray, copies: int, signed: bool
) -> Int[Array, "batch vector col"]:
    """Deal the vectors out to the copies in turn, program each copy, and multiply."""
    batch, vectors, rows = x.shape
    waves = -(-vectors // copies)
    dealt = jnp.pad(x, ((0, 0), (0, waves * copies - vectors), (0, 0))).reshape(batch, waves, copies, rows)

    def on_copy(work: tuple[Array, Array]) -> Array:
        copy, own = work
        array = core.program(matrix, key=fold(key, copy), occupied=mask, signed=signed)
        return core.matmul(array, own.reshape(-1, rows))

    y = lax.map(on_copy, (jnp.arange(copies), jnp.moveaxis(dealt, 2, 0)))
    y = jnp.moveaxis(y.reshape(copies, batch, waves, -1), 0, 2)
    return y.reshape(batch, waves * copies, -1)[:, :vectors]
