"""The crossbar core: sliced weights, streamed inputs, conversions, and the digital sums that make products of them."""

import math
from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num, PRNGKeyArray

from pimsim.chip.bit_true import Columns, Reads, Rules, bit_true
from pimsim.chip.core import AbstractCore, Cuts, Latency, Line, Programmed, Ranges
from pimsim.chip.encoding import AbstractEncoding, Encoded
from pimsim.chip.full_scale import AbstractFullScale, Lossless
from pimsim.chip.inputs import AbstractInputs, Stream, TwosComplementInputs, digits, unsigned_streams
from pimsim.circuits import AbstractAdc, Circuit, Dac
from pimsim.circuits.adc import code_count
from pimsim.devices import AbstractDevice, Ideal
from pimsim.errors import SpecError, require
from pimsim.numerics import FLOAT32_INTEGERS, fold, has_matrix_units, key_words, leaves_to_arrays, on_grid
from pimsim.units import Time


class Traits(NamedTuple):
    """What of a core decides how it is computed, and must be known before its numbers are traced."""

    exact_cells: bool
    noisy_reads: bool
    exact_dac: bool


class CrossbarCore(AbstractCore):
    """Bit-sliced weights, bit-serial inputs, conversions by shared converters, shift and add."""

    rows: int
    columns: int
    arrays: int
    cell_bits: int
    weight_bits: int
    input_bits: int
    encoding: AbstractEncoding
    device: AbstractDevice
    cycle: Time
    """One read: drive the rows, settle, sample."""
    pipeline_cycles: int
    """Cycles a vector spends outside the array: buffer read, conversion, shift-and-add, activation, write."""
    columns_per_adc: int
    array: Circuit
    """One array; its event is one cell read."""
    dac: Dac
    adc: AbstractAdc
    sample_hold: Circuit
    shift_add: Circuit
    input_register: Circuit
    output_register: Circuit
    inputs: AbstractInputs = eqx.field(default_factory=TwosComplementInputs)
    """How signed inputs are streamed."""
    full_scale: AbstractFullScale = eqx.field(default_factory=Lossless)
    slice_bits: tuple[int, ...] = ()
    """Bits of each slice, least significant first, where they are not all `cell_bits`."""
    adc_bits: tuple[tuple[int, ...], ...] = ()
    """Bits resolved for each stream (rows) and slice (columns), where they are not all the converter's; 0 skips one."""
    accumulate: Literal["digital", "analog"] = "digital"
    """Whether every read is converted, or the sum of all reads once, each weighted before."""
    pedestal: Literal["reference", "digital", "kept"] = "reference"
    """What becomes of the current g_min·ΣV that every column carries: an ideal reference subtracts it before the
    conversion, the digital side subtracts it afterwards, or nobody does."""

    def __check_init__(self):
        for field, low, high in (
            ("rows", 1, 65536), ("columns", 1, 65536), ("arrays", 1, 65536), ("cell_bits", 1, 8),
            ("weight_bits", 1, 16), ("input_bits", 1, 16), ("pipeline_cycles", 0, 1000),
            ("columns_per_adc", 1, max(1, self.columns)),
        ):  # fmt: skip
            require(field, getattr(self, field), low, high)
        if self.cycle <= 0:
            raise SpecError("cycle", "must be more than 0 s")
        if self.planes > self.columns:
            raise SpecError("columns", f"must hold one weight of {self.planes} cells, got {self.columns}")
        self._check_slices()
        self._check_adc_bits()

    def _check_slices(self) -> None:
        usual = self.encoding.widths(self.weight_bits, self.cell_bits)
        if sum(self.widths) != sum(usual):
            raise SpecError("slice_bits", f"must add up to {sum(usual)}, got {list(self.widths)}")
        if any(not 1 <= width <= self.cell_bits for width in self.widths):
            raise SpecError("slice_bits", f"must be 1 to {self.cell_bits} (cell_bits) each, got {list(self.widths)}")
        if self.encoding.unit_level >= 2**self.cell_bits:
            raise SpecError("encoding.unit_cell_level", f"does not fit in a cell of {self.cell_bits} bits")

    def _check_adc_bits(self) -> None:
        for row in self.adc_bits:
            if len(row) != len(self.widths) or any(not 0 <= bits <= self.adc.bits for bits in row):
                fact = f"expected {len(self.widths)} numbers of 0 to {self.adc.bits} bits in each row, got {list(row)}"
                raise SpecError("adc_bits", fact)

    @property
    def widths(self) -> tuple[int, ...]:
        """Bits of each slice."""
        return self.slice_bits or self.encoding.widths(self.weight_bits, self.cell_bits)

    @property
    def planes(self) -> int:
        """Columns of cells for each column of weights."""
        return len(self.widths) * self.encoding.polarities

    @property
    def conversion_planes(self) -> int:
        """Conversions for each column of weights and read."""
        return self.planes // (2 if self.encoding.analog_pairs else 1)

    @property
    def weights_per_array(self) -> int:
        """Columns of weights that one array holds."""
        return self.columns // self.planes

    @property
    def traits(self) -> Traits:
        return Traits(self.device.is_exact, self.device.has_read_noise, self.dac.is_exact)

    @property
    def is_programmed_exactly(self) -> bool:
        """Whether all copies of a matrix are alike: cells hit their targets, and no converter has errors of its own."""
        return self.device.is_exact and self.adc.is_exact

    @property
    def is_random(self) -> bool:
        """Whether two chips, or two reads, differ."""
        return not self.is_programmed_exactly or self.device.has_read_noise or self.dac.noise > 0

    def streams(self, signed: bool) -> tuple[Stream, ...]:
        """The reads of one vector."""
        if signed:
            return self.inputs.streams(self.input_bits, self.dac.bits)
        return unsigned_streams(self.input_bits, self.dac.bits)

    def conversions(self, signed: bool) -> tuple[Stream, ...]:
        """The reads as conversions see them: all of them, or their weighted sum as one."""
        if self.accumulate == "digital":
            return self.streams(signed)
        return (Stream(0, self.input_bits, 1.0),)

    def digits_have_sign(self, signed: bool) -> bool:
        """Whether what one conversion sees may be driven with both signs."""
        summed = self.accumulate == "analog" and not self.inputs.bias(self.input_bits)
        return signed and (self.inputs.bipolar or summed)

    def cuts(self, rows: int, cols: int) -> Cuts:
        blocks, arrays = math.ceil(rows / self.rows), math.ceil(cols / self.weights_per_array)
        return Cuts(blocks, math.ceil(rows / blocks), arrays, min(cols, self.weights_per_array))

    def program(
        self, weights: Int[Array, "row col"], *, key: PRNGKeyArray, occupied: Bool[Array, "block array"] | None = None,
        signed: bool = False, ranges: Ranges | None = None,
    ) -> Programmed:  # fmt: skip
        check_weights(self, weights)
        cuts = self.cuts(*weights.shape)
        if occupied is None:
            occupied = jnp.ones((cuts.blocks, cuts.arrays), bool)
        ranges = self.ranges(cuts.rows, signed) if ranges is None else ranges
        return program(leaves_to_arrays(self), jnp.asarray(weights), cuts, occupied, key, signed, ranges)

    def matmul(
        self, array: Programmed, x: Int[Array, "vector row"], *, key: PRNGKeyArray | None = None,
        index: Int[Array, " vector"] | None = None,
    ) -> Num[Array, "vector col"]:  # fmt: skip
        check_inputs(self, array, x)
        if key is None:
            if self.traits.noisy_reads or self.dac.noise or self.adc.thermal_noise_drawn:
                raise SpecError("key", "reading is noisy, so `matmul` needs a key")
            key = jax.random.key(0)
        index = jnp.arange(len(x)) if index is None else index
        return matmul(leaves_to_arrays(self), self.traits, array, jnp.asarray(x), key, index)

    def events(self, rows: int, cols: int, *, signed: bool) -> dict[str, float]:
        reads = len(self.streams(signed))
        extra = int(self.encoding.unit_level > 0)
        columns, converted = cols * self.planes + extra, cols * self.conversion_planes + extra
        conversions = float(converted * (reads if self.accumulate == "digital" else 1))
        return {
            "row_drive": float(reads * rows),
            "cell_read": float(reads * rows * columns),
            "sample": float(reads * converted),
            "conversion": conversions * self._resolved(signed),
            "shift_add": conversions,
            "input_bit_read": float(self.input_bits * rows),
            "result_update": conversions,
        }

    def _resolved(self, signed: bool) -> float:
        """The share of the converter's bits that a mean conversion resolves: one that stops early costs its share."""
        table = bits_table(self, signed)
        return float(table.mean() / self.adc.bits) if self.adc_bits else 1.0

    def latency(self, *, signed: bool) -> Latency:
        """A read takes as long as the conversions of the columns that share a converter, one after the other."""
        converting = self.columns_per_adc * self.adc.conversion_time() / self.cycle
        read = max(1, math.ceil(converting - 1e-9)) if self.accumulate == "digital" else 1
        interval = len(self.streams(signed)) * read
        return Latency(depth=interval + self.pipeline_cycles, interval=interval)

    def bill(self) -> list[Line]:
        adcs = self.arrays * math.ceil(self.columns / self.columns_per_adc)
        return [
            Line("adc", "conversion", adcs, self.adc.cost()),
            Line("dac", "row_drive", self.arrays * self.rows, self.dac.cost()),
            Line("sample_hold", "sample", self.arrays * self.columns, self.sample_hold.cost()),
            Line("array", "cell_read", self.arrays, self.array.cost()),
            Line("shift_add", "shift_add", self.shift_add.number, self.shift_add.cost()),
            Line("input_register", "input_bit_read", self.input_register.number, self.input_register.cost()),
            Line("output_register", "result_update", self.output_register.number, self.output_register.cost()),
        ]

    def conversions_per_mac(self) -> float:
        """ADC conversions behind one multiply-accumulate of a full array."""
        full = self.events(self.rows, self.weights_per_array, signed=True)
        return full["shift_add"] / (self.rows * self.weights_per_array)

    def ranges_for(
        self,
        weights: Int[np.ndarray | Array, "row col"],
        x: Int[np.ndarray | Array, "vector row"],
        signed: bool = False,
    ) -> Ranges:
        """The full scale for a matrix, calibrated on the currents that vectors bring in exact cells."""
        samples = column_samples(self, np.asarray(weights), jnp.asarray(x), signed)
        return self.ranges(self.cuts(*weights.shape).rows, signed, samples)

    def ranges(self, rows: int, signed: bool, samples: list[Float[np.ndarray, " n"]] | None = None) -> Ranges:
        """The full scale of each slice, for blocks of `rows` rows and, if it is calibrated, currents of each slice."""
        lowest, highest = current_bounds(self, rows, signed)
        codes = self.adc.codes
        limits = [
            self.full_scale.limits(s, codes, lowest, highest, None if samples is None else samples[s])
            for s in range(len(self.widths))
        ]
        low, high = np.array(limits).T
        unit_range = bool((high - low == codes - 1).all() and (low % 1 == 0).all() and not self.adc_bits)
        unit = not self.adc.quantizes or (unit_range and bool((low == 0).all()))
        uniform = bool((low == low[0]).all() and (high == high[0]).all() and not self.adc_bits)
        multiplies = reciprocal_is_exact(lowest, highest, low, high, codes) and not self.adc_bits
        return Ranges(jnp.asarray(low), jnp.asarray(high), unit, unit_range, uniform and self.adc.quantizes, multiplies)


def current_bounds(core: CrossbarCore, rows: int, signed: bool) -> tuple[float, float]:
    """The least and the greatest sum that a column of `rows` cells can carry in one conversion."""
    digit = max(2**stream.width - 1 for stream in core.conversions(signed))
    highest = float(rows * digit * (2**core.cell_bits - 1))
    both = core.encoding.analog_pairs or core.digits_have_sign(signed)
    return (-highest if both else 0.0), highest


def reciprocal_is_exact(
    lowest: float, highest: float, low: Float[np.ndarray, " slice"], high: Float[np.ndarray, " slice"], codes: int
) -> bool:
    """Whether multiplying by 1/step rounds every whole sum to the code that dividing by step does; tried on all."""
    if highest - lowest > 2**16:
        return False
    sums = np.arange(lowest, highest + 1, dtype=np.float32)[:, None] - low.astype(np.float32)
    step = ((high - low) / max(codes - 1, 1)).astype(np.float32)
    return bool((np.rint(sums / step) == np.rint(sums * (1 / step.astype(np.float64)).astype(np.float32))).all())


def bits_table(core: CrossbarCore, signed: bool) -> Int[np.ndarray, "read slice"]:
    """Bits resolved for each conversion."""
    reads = len(core.conversions(signed))
    if not core.adc_bits:
        return np.full((reads, len(core.widths)), core.adc.bits)
    if len(core.adc_bits) != reads:
        raise SpecError("adc_bits", f"expected {reads} rows, one a conversion, got {len(core.adc_bits)}")
    return np.array(core.adc_bits)


def check_weights(core: CrossbarCore, weights: Array) -> None:
    """Raise SpecError unless the weights are a matrix of integers that the core can hold."""
    if weights.ndim != 2 or 0 in weights.shape:
        raise SpecError("weights", f"expected a matrix [row, col], got shape {weights.shape}")
    if not jnp.issubdtype(weights.dtype, jnp.integer):
        raise SpecError("weights", f"expected integers, got {weights.dtype}", "Quantize first: pimsim.quantize.")
    most = 2 ** (core.weight_bits - 1)
    least = 1 - most if core.encoding.polarities == 2 and core.weight_bits > 1 else -most
    if weights.min() < least or weights.max() >= most:
        fact = f"must be {least} to {most - 1} for weight_bits = {core.weight_bits}"
        raise SpecError("weights", f"{fact}, got {int(weights.min())} to {int(weights.max())}")


def check_inputs(core: CrossbarCore, array: Programmed, x: Array) -> None:
    """Raise SpecError unless the inputs are vectors of integers that the streams can carry."""
    signed = array.signed
    if x.ndim != 2 or x.shape[1] != array.rows:
        raise SpecError("x", f"expected vectors [vector, row] of {array.rows} values, got shape {x.shape}")
    if not jnp.issubdtype(x.dtype, jnp.integer):
        raise SpecError("x", f"expected integers, got {x.dtype}", "Quantize first: pimsim.quantize.")
    most = 2 ** (core.input_bits - signed)
    least = (1 - most if core.inputs.bipolar else -most) if signed else 0
    if x.size and (x.min() < least or x.max() >= most):
        fact = f"must be {least} to {most - 1} for input_bits = {core.input_bits}"
        raise SpecError("x", f"{fact}, got {int(x.min())} to {int(x.max())}")


@eqx.filter_jit
def program(
    core: CrossbarCore, weights: Array, cuts: Cuts, occupied: Array, key: PRNGKeyArray, signed: bool, ranges: Ranges
) -> Programmed:
    """Encode each array's block of weights, then program its cells and its input column under the array's own key."""
    cols = weights.shape[1]
    code, units = encode(core, weights, cuts, signed)

    def one(levels: Array, unit: Array, index: Array) -> Array:
        cells = levels.transpose(1, 2, 0).reshape(cuts.rows, -1)
        target = core.device.target(jnp.concatenate([cells, unit], axis=1), 2**core.cell_bits)
        return core.device.program(target, key=fold(key, index))

    index = jnp.arange(cuts.blocks * cuts.arrays).reshape(cuts.blocks, cuts.arrays)
    g = jax.vmap(jax.vmap(one))(code.levels, units, index)
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


def _along_cols(recipe: Array, cols: int) -> Array:
    """[block array … col] as [block … all columns]."""
    merged = jnp.moveaxis(recipe, 1, -2)
    return merged.reshape(*merged.shape[:-2], -1)[..., :cols]


def _adc_errors(core: CrossbarCore, cuts: Cuts, cols: int, key: PRNGKeyArray):
    """The errors of the converter behind each conversion: columns that share a converter share its errors."""
    shared = math.ceil(core.columns / core.columns_per_adc)
    errors = core.adc.errors((cuts.blocks, cuts.arrays, shared), key=key)
    if errors is None:
        return None
    col, plane = jnp.arange(cols), jnp.arange(core.conversion_planes)
    place = (col[None] % cuts.cols) * core.conversion_planes + plane[:, None]
    converter = jnp.minimum(place // core.columns_per_adc, shared - 1)
    return jax.tree.map(lambda e: e[:, (col // cuts.cols)[None], converter], errors)


@eqx.filter_jit
def matmul(
    core: CrossbarCore, traits: Traits, array: Programmed, x: Array, key: PRNGKeyArray, index: Array
) -> Num[Array, "vector col"]:
    """Express currents in steps of one level, let the engine read them, and put the digital corrections to its sums."""
    plan = core.conversions(array.signed)
    columns = columns_of(core, traits, array)
    reads = reads_of(core, plan, array)
    value = x + core.inputs.bias(core.input_bits) if array.signed else x
    streamed = array.signed and core.accumulate == "digital"
    code = core.inputs.code(x, core.input_bits) if streamed else value
    y = bit_true(columns, code, index, reads, rules_of(core, traits, array), core.adc, core.dac, key_words(key))
    if array.ranges.uniform:
        y = y * reads.step[0, 0]
    low_per_col = jnp.einsum("b,bp,kpc->c", reads.weight, reads.low, array.gain)
    y = y + low_per_col + array.bias
    digital_gain = jnp.zeros_like(array.input_gain) if array.units is not None else array.input_gain
    if array.units is not None:
        y = y + jnp.sum(reads.weight * reads.low[:, -1]) * array.input_gain.sum(axis=0)
    if core.pedestal == "digital" and not core.encoding.analog_pairs:
        digital_gain = digital_gain - core.device.g_min / core.device.step(2**core.cell_bits) * array.gain.sum(axis=1)
    blocks, rows = array.cells.shape[0], array.cells.shape[2]
    by_block = jnp.pad(value, ((0, 0), (0, blocks * rows - x.shape[1]))).reshape(len(x), blocks, rows)
    y = y + by_block.sum(axis=2).astype(jnp.float64) @ digital_gain
    return y.astype(jnp.int64) if returns_integers(core, array.ranges) else y


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

    def steps(g: Array) -> Array:
        return on_grid((g - pedestal) / step, bound)

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
    return Rules(
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
    core: CrossbarCore, weights: Int[np.ndarray, "row col"], x: Int[Array, "vector row"], signed: bool
) -> list[Float[np.ndarray, " n"]]:
    """The currents that vectors bring in exact cells, in steps of one level, for each slice."""
    exact = Ideal(g_min=core.device.g_min, g_max=core.device.g_max)
    core = eqx.tree_at(lambda c: c.device, core, exact)
    anything = Ranges(jnp.zeros(len(core.widths)), jnp.ones(len(core.widths)), False, False, False, True)
    cuts = core.cuts(*weights.shape)
    array = program(
        leaves_to_arrays(core), jnp.asarray(weights), cuts, jnp.ones((cuts.blocks, cuts.arrays), bool),
        jax.random.key(0), signed, anything,
    )  # fmt: skip
    cells = np.asarray(columns_of(leaves_to_arrays(core), core.traits, array).cells)
    value = np.asarray(x) + (core.inputs.bias(core.input_bits) if signed else 0)
    code = value if core.accumulate == "analog" or not signed else np.asarray(core.inputs.code(x, core.input_bits))
    code = np.pad(code, ((0, 0), (0, cuts.blocks * cuts.rows - code.shape[1]))).reshape(-1, cuts.blocks, cuts.rows)
    parts = [
        np.einsum("nbr,brpc->pnbc", np.asarray(digits(jnp.asarray(code), s.shift, 2**s.width - 1), np.float32), cells)
        for s in core.conversions(signed)
    ]
    sums = np.stack(parts, axis=1)
    slices = len(core.widths)
    return [sums[s::slices].ravel() for s in range(slices)]
