"""Writing a matrix into cells: encoding, programming, and the converters that will read them."""

import math
from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, PRNGKeyArray

from pimsim.chip.core import Cuts, Programmed, Ranges
from pimsim.chip.crossbar import CrossbarCore
from pimsim.chip.encoding import Encoded
from pimsim.chip.repair import Repair, repair_all
from pimsim.chip.tally import Stored, Tally
from pimsim.circuits.adc import AdcErrors
from pimsim.circuits.wires import with_wires
from pimsim.devices import Written
from pimsim.errors import SpecError
from pimsim.numerics import fold


def check_weights(core: CrossbarCore, weights: Array) -> None:
    """Raise SpecError unless the weights are a matrix of integers that the core can hold, and reads all at once."""
    if core.layout is not None:
        raise SpecError("layout", "arrays that are read in turns are for costs: no engine plays them", "Leave it out.")
    if weights.ndim != 2 or 0 in weights.shape:
        raise SpecError("weights", f"expected a matrix [row, col], got shape {weights.shape}")
    if not jnp.issubdtype(weights.dtype, jnp.integer):
        raise SpecError("weights", f"expected integers, got {weights.dtype}", "Quantize first: pimsim.quantize.")
    most = 2 ** (core.weight_bits - 1)
    least = 1 - most if core.encoding.polarities == 2 and core.weight_bits > 1 else -most
    if weights.min() < least or weights.max() >= most:
        fact = f"must be {least} to {most - 1} for weight_bits = {core.weight_bits}"
        raise SpecError("weights", f"{fact}, got {int(weights.min())} to {int(weights.max())}")


@eqx.filter_jit
def program(
    core: CrossbarCore, weights: Array, cuts: Cuts, occupied: Array, key: PRNGKeyArray, signed: bool, ranges: Ranges
) -> Programmed:
    """Encode each array's block of weights, then program its cells and its input column under the array's own key."""
    cols = weights.shape[1]
    code, units = encode(core, weights, cuts, signed)
    index = jnp.arange(cuts.blocks * cuts.arrays).reshape(cuts.blocks, cuts.arrays)
    keys = jax.vmap(jax.vmap(lambda number: fold(key, number)))(index)
    cells = code.levels.transpose(0, 1, 3, 4, 2).reshape(*index.shape, cuts.rows, -1)
    levels, repairs = jnp.concatenate([cells, units], axis=-1), None
    if core.mitigation is not None:
        repairs = repair_all(core, code, units, _counts(cuts, weights), keys)
        levels = repairs.levels

    def one(levels: Array, key: Array) -> Written:
        return core.device.write(core.device.target(levels, 2**core.cell_bits), key=key)

    done = jax.vmap(jax.vmap(one))(levels, keys)
    seen = done.g  # with wires: the cells of an array without resistance that answers as this one does
    if core.wires is not None:
        seen = with_wires(core.wires, done.g)
    patch = None
    if repairs is not None:
        done, seen = jax.tree.map(lambda cells: jax.vmap(jax.vmap(Repair.seen))(repairs, cells), (done, seen))
        if core.mitigation is not None and core.mitigation.correction is not None:
            patch = _along_cols(repairs.patch * occupied[:, :, None, None], cols).reshape(-1, cols)
    used = cells_in_use(core, weights.shape, cuts, occupied)
    g, tally = seen.astype(done.g.dtype), Tally.of_writing(done.verified, used)
    tally = replace(tally, stored=Stored.of_cells(done.g, used, cuts.cols, core.planes))
    if core.wires is not None:
        tally = tally.with_losses(done.g, seen, used)
    per_array = cuts.cols * core.planes
    gain = _along_cols(code.gain * occupied[:, :, None, None], cols)
    input_gain = _along_cols(code.input_gain * occupied[:, :, None], cols)
    if core.encoding.analog_pairs:
        gain = gain[:, : core.conversion_planes]
    bias = core.inputs.bias(core.input_bits) if signed else 0
    return Programmed(
        cells=g[..., :per_array].reshape(*g.shape[:3], cuts.cols, core.planes),
        units=g[..., -1] if core.encoding.unit_level else None,
        gain=gain,
        input_gain=input_gain,
        bias=-bias * weights.sum(axis=0).astype(jnp.float64),
        errors=_adc_errors(core, cuts, cols, fold(key, cuts.blocks * cuts.arrays)),
        patch=patch,
        tally=tally,
        ranges=ranges,
        rows=weights.shape[0],
        signed=signed,
    )


@eqx.filter_jit
def encode(core: CrossbarCore, weights: Array, cuts: Cuts, signed: bool) -> tuple[Encoded, Array]:
    """The levels of every array, [block array plane row col], and those of its input column, [block array row 1]."""
    rows, cols = weights.shape
    padded = jnp.pad(weights, ((0, cuts.blocks * cuts.rows - rows), (0, cuts.arrays * cuts.cols - cols)))
    by_array = padded.reshape(cuts.blocks, cuts.rows, cuts.arrays, cuts.cols).transpose(0, 2, 1, 3)
    exists = (jnp.arange(cuts.blocks * cuts.rows) < rows).reshape(cuts.blocks, cuts.rows)
    digit = max(2**stream.width - 1 for stream in core.conversions(signed))
    top = (core.adc.codes - 1) // digit
    one = lambda block, there: core.encoding.encode(block, core.weight_bits, core.widths, top, there)  # noqa: E731
    code = jax.vmap(jax.vmap(one, (0, None)))(by_array, exists)
    unit = core.encoding.unit_level
    column = jnp.full((cuts.blocks, cuts.arrays, cuts.rows, int(unit > 0)), unit, code.levels.dtype)
    return code._replace(input_gain=code.input_gain / max(unit, 1)), column


def _counts(cuts: Cuts, weights: Array) -> Bool[Array, "block_row col"]:
    """Which of the weights that the arrays have room for are the matrix's."""
    row, col = jnp.arange(cuts.blocks * cuts.rows), jnp.arange(cuts.arrays * cuts.cols)
    return (row[:, None] < weights.shape[0]) & (col < weights.shape[1])


def cells_in_use(
    core: CrossbarCore, shape: tuple[int, ...], cuts: Cuts, occupied: np.ndarray | Array
) -> Bool[np.ndarray | Array, "block array row column"]:
    """Which cells of the physical arrays hold anything of the matrix, or measure its inputs."""
    row = (np.arange(cuts.blocks * cuts.rows) < shape[0]).reshape(cuts.blocks, 1, cuts.rows, 1)
    col = (np.arange(cuts.arrays * cuts.cols) < shape[1]).reshape(cuts.arrays, cuts.cols)
    unit = np.ones((cuts.arrays, int(core.encoding.unit_level > 0)), bool)
    columns = np.concatenate([np.repeat(col, core.planes, axis=1), unit], axis=1)
    return row & columns[None, :, None] & occupied[:, :, None, None]


def _along_cols(recipe: Array, cols: int) -> Array:
    """[block array … col] as [block … all columns]."""
    merged = jnp.moveaxis(recipe, 1, -2)
    return merged.reshape(*merged.shape[:-2], -1)[..., :cols]


def _adc_errors(core: CrossbarCore, cuts: Cuts, cols: int, key: PRNGKeyArray) -> AdcErrors | None:
    """The errors of the converter behind each conversion: columns that share a converter share its errors."""
    shared = math.ceil(core.columns / core.columns_per_adc)
    errors = core.adc.errors((cuts.blocks, cuts.arrays, shared), key=key)
    if errors is None:
        return None
    col, plane = jnp.arange(cols), jnp.arange(core.conversion_planes)
    place = (col[None] % cuts.cols) * core.conversion_planes + plane[:, None]
    converter = jnp.minimum(place // core.columns_per_adc, shared - 1)
    return jax.tree.map(lambda e: e[:, (col // cuts.cols)[None], converter], errors)
