"""Reading programmed cells: currents in steps of one level, conversions, and the digital corrections to their sums."""

import math
from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Num, PRNGKeyArray

from pimsim.chip.bit_true import bit_true
from pimsim.chip.charges import bits_table
from pimsim.chip.codes import CodeCounts
from pimsim.chip.core import Cuts, Programmed, Ranges
from pimsim.chip.crossbar import CrossbarCore, Traits
from pimsim.chip.inputs import Stream, digits
from pimsim.chip.operands import Columns, Reads, Rules
from pimsim.chip.programming import program
from pimsim.chip.scales import current_bounds
from pimsim.circuits.adc import code_count
from pimsim.devices import Ideal
from pimsim.errors import SpecError
from pimsim.numerics import (
    FLOAT32_INTEGERS,
    contract,
    has_matrix_units,
    key_words,
    leaves_to_arrays,
    on_grid,
    over_devices,
)


def check_inputs(core: CrossbarCore, array: Programmed, x: Array) -> None:
    """Raise SpecError unless the inputs are vectors of integers that the streams can carry."""
    signed = array.signed
    if x.ndim != 2 or x.shape[1] != array.rows or not len(x):
        raise SpecError("x", f"expected vectors [vector, row] of {array.rows} values, got shape {x.shape}")
    if not jnp.issubdtype(x.dtype, jnp.integer):
        raise SpecError("x", f"expected integers, got {x.dtype}", "Quantize first: pimsim.quantize.")
    most = 2 ** (core.input_bits - signed)
    least = (1 - most if core.inputs.bipolar else -most) if signed else 0
    if x.min() < least or x.max() >= most:
        fact = f"must be {least} to {most - 1} for input_bits = {core.input_bits}"
        raise SpecError("x", f"{fact}, got {int(x.min())} to {int(x.max())}")


@eqx.filter_jit
def matmul(
    core: CrossbarCore, traits: Traits, array: Programmed, x: Array, key: PRNGKeyArray, index: Array
) -> Num[Array, "vector col"]:
    return read(core, traits, array, x, key, index)[0]


def read(
    core: CrossbarCore, traits: Traits, array: Programmed, x: Array, key: PRNGKeyArray, index: Array,
    counted: Bool[Array, " vector"] | None = None,
) -> tuple[Num[Array, "vector col"], CodeCounts | None]:  # fmt: skip
    """Express currents in steps of one level, let the engine read them, and put the digital corrections to its sums.

    With `counted` also how often each code came out in the conversions of the vectors that it names.
    """
    plan = core.conversions(array.signed)
    columns = columns_of(core, traits, array)
    reads = reads_of(core, plan, array)
    value = x + core.inputs.bias(core.input_bits) if array.signed else x
    streamed = array.signed and core.accumulate == "digital"
    code = core.inputs.code(x, core.input_bits) if streamed else value
    rules, seed = rules_of(core, traits, array), key_words(key)

    def played(code: Int[Array, "vector row"], index: Int[Array, " vector"]) -> Float[Array, "vector col"]:
        return bit_true(columns, code, index, reads, rules, core.adc, core.drive, seed)[0]

    if counted is None:
        y, counts = over_devices(played, code, index), None
    else:
        y, counts = bit_true(columns, code, index, reads, rules, core.adc, core.drive, seed, counted)
    if array.ranges.uniform:  # rounded, so that no compiler may add to the product before it rounds
        y = lax.reduce_precision(y * reads.step[0, 0], exponent_bits=11, mantissa_bits=48)
    y = y + jnp.einsum("b,bp,kpc->c", reads.weight, reads.low, array.gain) + array.bias
    if array.units is not None:
        y = y + jnp.sum(reads.weight * reads.low[:, -1]) * array.input_gain.sum(axis=0)
    y = y + input_terms(core, array, value)
    if array.patch is not None:
        y = y - contract(value.astype(jnp.float64), array.patch[: value.shape[1]])
    return y.astype(jnp.int64) if returns_integers(core, array.ranges) else y, counts


def input_terms(core: CrossbarCore, array: Programmed, value: Array) -> Float[Array, "vector col"] | float:
    """What the digital side adds for the sum of each vector's inputs: 0 where no column asks for it."""
    by_encoding = array.units is None and core.encoding.largest_input_gain(core.weight_bits) > 0
    by_pedestal = core.pedestal == "digital" and not core.encoding.analog_pairs
    if not by_encoding and not by_pedestal:
        return 0.0
    gain = array.input_gain if by_encoding else jnp.zeros_like(array.input_gain)
    if by_pedestal:
        gain = gain - core.device.g_min / core.device.step(2**core.cell_bits) * array.gain.sum(axis=1)
    blocks, rows = array.cells.shape[0], array.cells.shape[2]
    by_block = jnp.pad(value, ((0, 0), (0, blocks * rows - value.shape[1]))).reshape(len(value), blocks, rows)
    return by_block.sum(axis=2).astype(jnp.float64) @ gain


def returns_integers(core: CrossbarCore, ranges: Ranges) -> bool:
    """Whether every term of the digital sum is a whole number."""
    return ranges.unit_range and core.adc.quantizes and core.pedestal != "digital" and core.encoding.unit_level <= 1


def columns_of(core: CrossbarCore, traits: Traits, array: Programmed) -> Columns:
    """The programmed cells as columns of conversions, in steps of one level, on a grid on which sums are exact."""
    blocks, _, rows, per_array, planes = array.cells.shape
    cols = array.gain.shape[-1]
    step = core.device.step(2**core.cell_bits)
    digit = max(2**stream.width - 1 for stream in core.conversions(array.signed))
    bound = 2.0 * rows * (2**core.cell_bits - 1) * digit
    pedestal = core.device.g_min if core.pedestal == "reference" else 0.0

    exact = jnp.float32 if traits.exact_cells else jnp.float64  # no grid point may hang on how a compiler divides

    def steps(g: Array) -> Array:
        return on_grid((g.astype(exact) - pedestal) / step, bound)

    def planar(g: Array) -> Array:
        return g.transpose(0, 2, 4, 1, 3).reshape(blocks, rows, planes, -1)[..., :cols]

    def paired(cells: Array, sign: int) -> Array:
        half = planes // 2
        return cells[:, :, :half] + sign * cells[:, :, half:] if core.encoding.analog_pairs else cells

    variance = unit_variance = None
    if traits.noisy_reads:
        spread = (core.device.read_spread(array.cells) / step) ** 2
        variance = paired(planar(spread), 1).astype(jnp.float32)
        if array.units is not None:
            unit_variance = ((core.device.read_spread(array.units) / step) ** 2).swapaxes(1, 2).astype(jnp.float32)
    return Columns(
        cells=paired(steps(planar(array.cells)), -1).astype(jnp.float32),
        variance=variance,
        units=None if array.units is None else steps(array.units).swapaxes(1, 2).astype(jnp.float32),
        unit_variance=unit_variance,
        gain=array.gain,
        input_gain=array.input_gain,
        errors=array.errors,
        array_of_col=jnp.broadcast_to(jnp.arange(cols) // per_array, (blocks, cols)),
    )


def reads_of(core: CrossbarCore, plan: tuple[Stream, ...], array: Programmed) -> Reads:
    """The reads with the scale of their conversions; a plane of negative polarity is scaled as its slice is."""
    table = bits_table(core, array.signed)
    count = np.vectorize(lambda bits: code_count(int(bits), core.adc.sign_magnitude))(table)
    count = np.where(table == 0, 1, count)
    repeat = core.conversion_planes // len(core.widths)
    span = (array.ranges.high - array.ranges.low)[None]
    step = jnp.where(count > 1, span / np.maximum(count - 1, 1), 1e30)
    low = jnp.where(count > 1, array.ranges.low[None], 0.0)
    if not core.adc.quantizes:
        step, low = jnp.ones_like(step), jnp.zeros_like(low)
    return Reads(
        shift=jnp.array([stream.shift for stream in plan], jnp.int32),
        mask=jnp.array([2**stream.width - 1 for stream in plan], jnp.int32),
        weight=jnp.array([stream.weight for stream in plan]),
        low=jnp.tile(low, (1, repeat)),
        step=jnp.tile(step, (1, repeat)),
        per_step=jnp.tile(1 / step, (1, repeat)).astype(jnp.float32),
        codes=jnp.tile(jnp.asarray(count, jnp.float32), (1, repeat)),
    )


def rules_of(core: CrossbarCore, traits: Traits, array: Programmed) -> Rules:
    """How sums may travel and be added, proved from the specs alone."""
    _, highest = current_bounds(core, array.cells.shape[2], array.signed)
    digit = max(2**stream.width - 1 for stream in core.conversions(array.signed))
    whole = traits.exact_cells and traits.exact_dac and (core.pedestal == "reference" or core.encoding.analog_pairs)
    lanes, lane_step = 1, 1
    if whole and has_matrix_units() and digit < 128 and core.cell_bits < 8:
        lanes = 0
    elif whole:
        lane_step = 2 ** math.ceil(math.log2(2 * highest + 2))
        lanes = max(1, int(math.log2(FLOAT32_INTEGERS) // math.log2(lane_step)))
        lanes = max(n for n in range(1, lanes + 1) if core.conversion_planes % n == 0)
    counted = sum(2.0 ** sum(core.widths[:s]) for s in range(len(core.widths))) * core.encoding.polarities
    sums = (core.adc.codes - 1) * (counted + core.encoding.largest_input_gain(core.weight_bits))
    unsigned = "uint8" if core.input_bits <= 8 else "uint16"
    return Rules(
        code_type="int32" if core.digits_have_sign(array.signed) else unsigned,
        lanes=lanes,
        lane_step=lane_step,
        unit_scale=array.ranges.unit_scale,
        multiplies=not whole or array.ranges.multiplies,
        uniform=array.ranges.uniform,
        narrow=sums < FLOAT32_INTEGERS and core.encoding.unit_level <= 1,
        halves=has_matrix_units() and traits.exact_dac and core.accumulate == "digital" and digit <= 16,
        exact_dac=traits.exact_dac,
        summed=core.streams(array.signed) if core.accumulate == "analog" else (),
    )


def column_samples(
    core: CrossbarCore,
    weights: Int[np.ndarray, "row col"],
    x: Int[Array, "vector row"],
    signed: bool,
    cuts: Cuts | None = None,
) -> list[Float[np.ndarray, " n"]]:
    """The currents that vectors bring in exact cells, in steps of one level, for each slice."""
    exact = Ideal(g_min=core.device.g_min, g_max=core.device.g_max)
    drive = core.drive if core.accumulate == "digital" and not core.device.is_ohmic else lambda digit: digit
    core = replace(core, device=exact, mitigation=None)
    anything = Ranges(jnp.zeros(len(core.widths)), jnp.ones(len(core.widths)), False, False, False, True)
    cuts = cuts or core.cuts(*weights.shape)
    array = program(
        leaves_to_arrays(core), jnp.asarray(weights), cuts, jnp.ones((cuts.blocks, cuts.arrays), bool),
        jax.random.key(0), signed, anything,
    )  # fmt: skip
    cells = np.asarray(columns_of(leaves_to_arrays(core), core.traits, array).cells)
    value = np.asarray(x) + (core.inputs.bias(core.input_bits) if signed else 0)
    code = value if core.accumulate == "analog" or not signed else np.asarray(core.inputs.code(x, core.input_bits))
    code = np.pad(code, ((0, 0), (0, cuts.blocks * cuts.rows - code.shape[1]))).reshape(-1, cuts.blocks, cuts.rows)
    driven = [
        np.asarray(drive(digits(jnp.asarray(code), s.shift, 2**s.width - 1).astype(jnp.float32)))
        for s in core.conversions(signed)
    ]
    sums = np.stack([np.einsum("nbr,brpc->pnbc", x, cells) for x in driven], axis=1)
    slices = len(core.widths)
    return [sums[s::slices].ravel() for s in range(slices)]
