"""The crossbar core: sliced weights, streamed inputs, conversions, and the digital sums that make products of them."""

import math
from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num, PRNGKeyArray

from pimsim.chip.core import AbstractCore, Count, Cuts, Latency, Line, Programmed, Ranges, Size, charge
from pimsim.chip.encoding import AbstractEncoding
from pimsim.chip.full_scale import AbstractFullScale, Lossless
from pimsim.chip.inputs import AbstractInputs, Stream, TwosComplementInputs, unsigned_streams
from pimsim.chip.mitigation import Mitigation
from pimsim.circuits import AbstractAdc, AbstractUnit, Cost, Dac, Wires
from pimsim.devices import AbstractDevice, pulse_of
from pimsim.errors import SpecError, require
from pimsim.numerics import leaves_to_arrays
from pimsim.units import Time


class Traits(NamedTuple):
    """What of a core decides how it is computed, and must be known before its numbers are traced."""

    exact_cells: bool
    noisy_reads: bool
    exact_dac: bool
    """Whether the current of a digit is that many times the current of the digit 1."""


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
    array: AbstractUnit
    """One array; its event is one cell read."""
    dac: Dac
    adc: AbstractAdc
    sample_hold: AbstractUnit
    shift_add: AbstractUnit
    input_register: AbstractUnit
    output_register: AbstractUnit
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
    word_line: AbstractUnit | None = None
    """What driving a row costs beyond `dac`, if it counts: the charge of its wire and gates."""
    bit_line: AbstractUnit | None = None
    """What each sampled column costs, if it counts: the charge of its wire and drains."""
    wires: Wires | None = None
    """Resistance of the lines of each array, if it counts; lines end where the cells in use do."""
    mitigation: Mitigation | None = None
    """What is done about faults of the cells, if anything."""

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
        if 2**self.cell_bits > self.device.most_levels:
            fact = f"{self.device.name} holds {self.device.most_levels} levels, got {self.cell_bits} bits"
            raise SpecError("cell_bits", fact)
        self._check_slices()
        self._check_adc_bits()
        if self.wires is not None and (self.wires.feed != "input" or self.wires.interleaved):
            fact = "arrays of a core have one word line a row, which carries the input"
            raise SpecError("wires", fact, "Leave out `feed` and `interleaved`.")
        if self.mitigation is not None:
            self.mitigation.check(self)
        if not self.device.is_ohmic:
            self._check_sinh()

    def _check_sinh(self) -> None:
        cell = f"{self.device.name} does not obey Ohm's law"
        if self.wires is not None:
            remedy = "Leave out one of the two. Both, for one array: pimsim.circuits.solve_nodes with sinh_voltage."
            raise SpecError("wires", f"{cell}, so an array has no effective conductance", remedy)
        if self.accumulate == "analog" and not self.drives_exactly:
            remedy = "Convert every read (digital), or drive the rows with one bit (dac.bits)."
            raise SpecError("accumulate", f"{cell}, so reads cannot be summed before the cells answer", remedy)

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
    def spare_lines(self) -> int:
        """Bit lines of each array that stand in for others."""
        return self.mitigation.spares * self.planes // self.conversion_planes if self.mitigation else 0

    @property
    def weights_per_array(self) -> int:
        """Columns of weights that one array holds."""
        return (self.columns - self.spare_lines) // self.planes

    @property
    def traits(self) -> Traits:
        return Traits(self.device.is_exact and self.wires is None, self.device.has_read_noise, self.drives_exactly)

    @property
    def drives_exactly(self) -> bool:
        """Whether the current of a digit is that many times the current of the digit 1; one bit alone always is."""
        return self.dac.is_exact and (self.device.is_ohmic or self.dac.bits == 1)

    def drive(self, digit: Float[Array, "*n"], noise: Float[Array, "*n"] | float = 0.0) -> Float[Array, "*n"]:
        """What digits count as: the current that they bring in any cell, where the largest digit brings itself.

        `noise` is that of each driver and read, standard normal.
        """
        voltage = self.dac.voltage(digit) + self.dac.noise * noise
        top = 2**self.dac.bits - 1
        return voltage if self.device.is_ohmic else top * self.device.response(voltage / top)

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
        from pimsim.chip.programming import check_weights, program  # which know this class

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
        from pimsim.chip.reading import check_inputs, matmul

        check_inputs(self, array, x)
        if key is None:
            if self.traits.noisy_reads or self.dac.noise or self.adc.thermal_noise_drawn:
                raise SpecError("key", "reading is noisy, so `matmul` needs a key")
            key = jax.random.key(0)
        index = jnp.arange(len(x)) if index is None else index
        return matmul(leaves_to_arrays(self), self.traits, array, jnp.asarray(x), key, index)

    def cells(self, rows: int, cols: int) -> int:
        """Cells of an array of which rows × cols weights are used, with those that measure the inputs."""
        return rows * (cols * self.planes + int(self.encoding.unit_level > 0))

    def rewriting(self, cells: int) -> Time:
        """The time in which so many cells of a chip are written anew, as many at a time as the device states.

        Raises SpecError where the device does not state what writing takes.
        """
        pulse = pulse_of(self.device)
        for field in ("energy", "width"):
            if getattr(pulse, field) is None:
                remedy = f"State it: core.device.pulse.{field}, or choose another cell."
                raise SpecError(f"core.device.pulse.{field}", "is not stated, so arrays cannot be rewritten", remedy)
        assert pulse.width is not None
        return cells * self.pulses_per_cell * pulse.width / pulse.parallel

    @property
    def pulses_per_cell(self) -> int:
        """Pulses that writing a cell takes, at most: those of write and verify are counted only where data run."""
        verified = self.device.verification
        return 1 if verified is None else verified[1]

    def events(self, rows: Size, cols: Size, *, signed: bool) -> dict[str, Count]:
        reads, planes = float(len(self.streams(signed))), self.planes
        extra = int(self.encoding.unit_level > 0)
        columns, counted = cols * planes + extra, cols * self.conversion_planes + extra
        spares = self.mitigation.spares if self.mitigation else 0
        times = reads if self.accumulate == "digital" else 1.0
        happens: dict[str, Count] = {
            "row_drive": reads * rows,
            "cell_read": reads * rows * (columns + self.spare_lines),
            "sample": reads * (counted + spares),
            "conversion": times * (counted + spares) * self._resolved(signed),
            "shift_add": times * counted,
            "input_bit_read": float(self.input_bits) * rows,
            "result_update": times * counted,
        }
        return happens | (self.mitigation.events(rows, cols) if self.mitigation else {})

    def _resolved(self, signed: bool) -> float:
        """The share of the converter's bits that a mean conversion resolves: one that stops early costs its share."""
        return float(bits_table(self, signed).mean() / self.adc.bits) if self.adc_bits else 1.0

    def latency(self, *, signed: bool) -> Latency:
        """A read takes as long as the conversions of the columns that share a converter, one after the other."""
        interval = len(self.streams(signed)) * int(self.read_cycles())
        return Latency(depth=interval + self.pipeline_cycles, interval=interval)

    def read_cycles(self) -> Int[np.ndarray, "*variant"]:
        """Cycles from one read to the next."""
        converting = self.columns_per_adc * self.adc.conversion_time() / self.cycle
        cycles = np.maximum(1, np.ceil(converting - 1e-9)) if self.accumulate == "digital" else 1
        return np.asarray(cycles, int)

    def bill(self) -> list[Line]:
        adcs = self.arrays * math.ceil(self.columns / self.columns_per_adc)
        lines = [
            charge("adc", "conversion", adcs, self.adc),
            charge("dac", "row_drive", self.arrays * self.rows, self.dac),
            charge("sample_hold", "sample", self.arrays * self.columns, self.sample_hold),
            charge("array", "cell_read", self.arrays, self.array),
            charge("shift_add", "shift_add", self.shift_add.number, self.shift_add),
            charge("input_register", "input_bit_read", self.input_register.number, self.input_register),
            charge("output_register", "result_update", self.output_register.number, self.output_register),
        ]
        if (energy := pulse_of(self.device).energy) is not None:
            lines.append(Line("cell_write", "cell_write", self.arrays, Cost(energy=energy)))
        if self.word_line is not None:
            lines.append(charge("word_line", "row_drive", self.arrays * self.rows, self.word_line))
        if self.bit_line is not None:
            lines.append(charge("bit_line", "sample", self.arrays * self.columns, self.bit_line))
        if self.mitigation is not None:
            lines += self.mitigation.bill(self.arrays, self.rows)
        return lines

    def conversions_per_mac(self) -> float:
        """ADC conversions behind one multiply-accumulate of a full array."""
        full = self.events(self.rows, self.weights_per_array, signed=True)
        return float(full["shift_add"]) / (self.rows * self.weights_per_array)

    def ranges_for(
        self,
        weights: Int[np.ndarray | Array, "row col"],
        x: Int[np.ndarray | Array, "vector row"],
        signed: bool = False,
    ) -> Ranges:
        """The full scale for a matrix, calibrated on the currents that vectors bring in exact cells."""
        from pimsim.chip.reading import column_samples

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
