"""The crossbar core: sliced weights, streamed inputs, conversions, and the digital sums that make products of them."""

import dataclasses
import math
from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num, PRNGKeyArray

from pimsim.chip.charges import bill_of, bits_table, events_of, rounds
from pimsim.chip.core import AbstractCore, Count, Cuts, Latency, Line, Programmed, Ranges, Size
from pimsim.chip.encoding import AbstractEncoding
from pimsim.chip.full_scale import AbstractFullScale, Lossless
from pimsim.chip.inputs import AbstractInputs, Stream, TwosComplementInputs, unsigned_streams
from pimsim.chip.layout import Layout
from pimsim.chip.mitigation import Mitigation
from pimsim.chip.speculation import Speculation
from pimsim.circuits import AbstractAdc, AbstractUnit, Dac, ReadPulse, Wires
from pimsim.devices import AbstractDevice, pulse_of
from pimsim.errors import SpecError
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
    """One array; its event is one cell read, if it has an energy of its own."""
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
    read_pulse: ReadPulse | None = None
    """What the largest input is read with, if it is known: what cells conduct is then stated in joules, and charged for
    where `array` is a BareArray."""
    wires: Wires | None = None
    """Resistance of the lines of each array, if it counts; lines end where the cells in use do."""
    mitigation: Mitigation | None = None
    """What is done about faults of the cells, if anything."""
    layout: Layout | None = None
    """How matrices lie in arrays that are read in turns, if they are; otherwise an array is read all at once."""
    speculation: Speculation | None = None
    """Reads that come first and spare the others most conversions, if any: what they cost. They change no result."""

    def __check_init__(self):
        from pimsim.chip.checks import check_core  # which knows this class

        check_core(self)

    def at(self, bits: tuple[int, int] | None) -> "CrossbarCore":
        """This core as it works on a matrix of other widths, of weights and inputs: with other slices and reads.

        Raises SpecError where slices or converters are stated for the core's own widths alone.
        """
        if bits is None or bits == (self.weight_bits, self.input_bits):
            return self
        return dataclasses.replace(self, weight_bits=bits[0], input_bits=bits[1])

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
        """Columns of weights that one array holds, or each of those that hold its slices."""
        return (self.columns - self.spare_lines) // (1 if self.slices_apart else self.planes)

    @property
    def slices_apart(self) -> bool:
        """Whether each plane of a weight has an array of its own."""
        return self.layout is not None and self.layout.slices_apart

    @property
    def arrays_per_block(self) -> int:
        """Arrays that hold one block of a matrix together."""
        return self.planes if self.slices_apart else 1

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

    def cuts(self, rows: int, cols: int, taps: int = 1) -> Cuts:
        whole = taps if self.layout is not None and self.layout.whole_channels and taps <= self.rows else 1
        wide = self.weights_per_array
        blocks = math.ceil(rows / (self.rows // whole * whole))
        return Cuts(blocks, math.ceil(rows / whole / blocks) * whole, math.ceil(cols / wide), min(cols, wide))

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
        return events_of(self, rows, cols, signed)

    def latency(self, *, signed: bool) -> Latency:
        """A read takes as long as the conversions of the columns that share a converter, one after the other."""
        interval = int(rounds(self, signed)[0]) * int(self.read_cycles())
        return Latency(depth=interval + self.pipeline_cycles, interval=interval)

    def read_cycles(self) -> Int[np.ndarray, "*variant"]:
        """Cycles from one read of a full array to the next."""
        if self.layout is not None:
            return np.asarray(np.prod(self.layout.turns(self.rows, self.weights_per_array)), int)
        converting = self.columns_per_adc * self.adc.conversion_time() / self.cycle
        cycles = np.maximum(1, np.ceil(converting - 1e-9)) if self.accumulate == "digital" else 1
        return np.asarray(cycles, int)

    def bill(self) -> list[Line]:
        return bill_of(self)

    def conversions_per_mac(self) -> float:
        """ADC conversions behind one multiply-accumulate of a full array, without those that `adc_bits` skips."""
        full = self.events(self.rows, self.weights_per_array, signed=True)
        made = float((bits_table(self, True) > 0).mean()) if self.adc_bits else 1.0
        return made * float(full["shift_add"]) / (self.rows * self.weights_per_array)

    def ranges_for(
        self,
        weights: Int[np.ndarray | Array, "row col"],
        x: Int[np.ndarray | Array, "vector row"],
        signed: bool = False,
        cuts: Cuts | None = None,
    ) -> Ranges:
        """The full scale for a matrix, calibrated on the currents that vectors bring in exact cells."""
        from pimsim.chip.reading import column_samples

        cuts = cuts or self.cuts(*weights.shape)
        samples = column_samples(self, np.asarray(weights), jnp.asarray(x), signed, cuts)
        return self.ranges(cuts.rows, signed, samples)

    def ranges(self, rows: int, signed: bool, samples: list[Float[np.ndarray, " n"]] | None = None) -> Ranges:
        """The full scale of each slice, for blocks of `rows` rows and, if it is calibrated, currents of each slice."""
        from pimsim.chip.scales import ranges_of

        return ranges_of(self, rows, signed, samples)
