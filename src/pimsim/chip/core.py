"""A core: a few crossbar arrays with their converters, ISAAC's IMA. It computes and it costs."""

import math
from abc import abstractmethod
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from pimsim.chip.bit_true import Columns, Stream, bit_true, streams
from pimsim.chip.encoding import AbstractEncoding, Encoded
from pimsim.circuits import AbstractAdc, Circuit, Cost, Dac
from pimsim.devices import AbstractDevice
from pimsim.errors import SpecError, require
from pimsim.numerics import exact_float, fold, leaves_to_arrays, on_grid
from pimsim.spec import AbstractSpec
from pimsim.units import Conductances, Time


class Line(NamedTuple):
    """One line of a bill: how many instances of a component there are, what one costs, and which event makes it act."""

    component: str
    event: str
    number: float
    cost: Cost


class Latency(NamedTuple):
    """How one vector passes through a core."""

    depth: int
    """Cycles from the read of its inputs to the write of its results."""
    interval: int
    """Cycles until the same array can start the next vector."""


class Cuts(NamedTuple):
    """How a matrix is cut into arrays: evenly, over the fewest arrays that hold it."""

    blocks: int
    rows: int
    arrays: int
    cols: int


class Programmed(eqx.Module):
    """A matrix in programmed cells: the state that `matmul` reads. Axis `array` runs along the columns of weights."""

    cells: Conductances[Array, "block array row array_col slice"]
    inputs: Conductances[Array, "block array row"] | None
    """The column of ones in each array, if the encoding has one."""
    gain: Float[Array, "block slice col"]
    input_gain: Float[Array, "block col"]
    rows: int = eqx.field(static=True)
    """Of the matrix; blocks may be padded beyond them."""
    signed: bool = eqx.field(static=True)
    """Whether the inputs that the columns were encoded for are signed."""


class AbstractCore(AbstractSpec):
    """What any core answers: `program`, `matmul`, `events`, `latency`, `bill`."""

    @abstractmethod
    def cuts(self, rows: int, cols: int) -> Cuts:
        """How a [rows, cols] matrix is cut."""

    @abstractmethod
    def program(
        self, weights: Int[Array, "row col"], *, key: PRNGKeyArray, occupied: Bool[Array, "block array"] | None = None,
        signed: bool = False,
    ) -> Programmed:  # fmt: skip
        """Write signed integers into cells, each array with a key of its own.

        Blocks that are not `occupied` hold nothing, contribute nothing and need no array: the zeros of a grouped layer.
        """

    @abstractmethod
    def matmul(self, array: Programmed, x: Int[Array, "vector row"]) -> Int[Array, "vector col"]:
        """The product as the hardware delivers it. Inputs outside the input range wrap, as bits do."""

    @abstractmethod
    def events(self, rows: int, cols: int, *, signed: bool) -> dict[str, float]:
        """How often each component acts when one vector passes one array of which rows × cols weights are used."""

    @abstractmethod
    def latency(self, *, signed: bool) -> Latency:
        """The time one vector takes, and when the next may follow."""

    @abstractmethod
    def bill(self) -> list[Line]:
        """The components of one core."""


class CrossbarCore(AbstractCore):
    """Bit-sliced weights, bit-serial inputs, one conversion per column and cycle."""

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
    reference_column: bool = True
    """Whether an ideal reference current g_min·ΣV is subtracted from every column before conversion."""

    def __check_init__(self):
        for field, low, high in (
            ("rows", 1, 65536), ("columns", 1, 65536), ("arrays", 1, 65536), ("cell_bits", 1, 8),
            ("weight_bits", 1, 16), ("input_bits", 1, 16), ("pipeline_cycles", 0, 1000),
            ("columns_per_adc", 1, max(1, self.columns)),
        ):  # fmt: skip
            require(field, getattr(self, field), low, high)
        if self.cycle <= 0:
            raise SpecError("cycle", "must be more than 0 s")
        if self.slices > self.columns:
            raise SpecError("columns", f"must hold one weight of {self.slices} slices, got {self.columns}")

    @property
    def slices(self) -> int:
        return self.encoding.slices(self.weight_bits, self.cell_bits)

    @property
    def weights_per_array(self) -> int:
        """Columns of weights that one array holds."""
        return self.columns // self.slices

    def streams(self, signed: bool) -> tuple[Stream, ...]:
        """The read cycles of one vector."""
        return streams(self.input_bits, self.dac.bits, signed)

    def cuts(self, rows: int, cols: int) -> Cuts:
        blocks, arrays = math.ceil(rows / self.rows), math.ceil(cols / self.weights_per_array)
        return Cuts(blocks, math.ceil(rows / blocks), arrays, min(cols, self.weights_per_array))

    def program(
        self, weights: Int[Array, "row col"], *, key: PRNGKeyArray, occupied: Bool[Array, "block array"] | None = None,
        signed: bool = False,
    ) -> Programmed:  # fmt: skip
        self._check_weights(weights)
        cuts = self.cuts(*weights.shape)
        if occupied is None:
            occupied = jnp.ones((cuts.blocks, cuts.arrays), bool)
        return _program(leaves_to_arrays(self), jnp.asarray(weights), cuts, occupied, key, signed)

    def matmul(self, array: Programmed, x: Int[Array, "vector row"]) -> Int[Array, "vector col"]:
        if x.ndim != 2 or x.shape[1] != array.rows:
            raise SpecError("x", f"expected vectors [vector, row] of {array.rows} values, got shape {x.shape}")
        return _matmul(leaves_to_arrays(self), array, jnp.asarray(x))

    def events(self, rows: int, cols: int, *, signed: bool) -> dict[str, float]:
        cycles = len(self.streams(signed))
        columns = cols * self.slices + self.encoding.extra_columns()
        per_column = float(cycles * columns)
        return {
            "row_drive": float(cycles * rows),
            "cell_read": float(cycles * rows * columns),
            "sample": per_column,
            "conversion": per_column,
            "shift_add": per_column,
            "input_bit_read": float(self.input_bits * rows),
            "result_update": per_column,
        }

    def latency(self, *, signed: bool) -> Latency:
        cycles = len(self.streams(signed))
        return Latency(depth=cycles + self.pipeline_cycles, interval=cycles)

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
        return full["conversion"] / (self.rows * self.weights_per_array)

    def _check_weights(self, weights: Array) -> None:
        low, high = -(2 ** (self.weight_bits - 1)), 2 ** (self.weight_bits - 1) - 1
        if weights.ndim != 2 or 0 in weights.shape:
            raise SpecError("weights", f"expected a matrix [row, col], got shape {weights.shape}")
        if not jnp.issubdtype(weights.dtype, jnp.integer):
            raise SpecError("weights", f"expected integers, got {weights.dtype}", "Quantize first: pimsim.quantize.")
        if not isinstance(weights, jax.core.Tracer) and (weights.min() < low or weights.max() > high):
            raise SpecError("weights", f"must be {low} to {high} for weight_bits = {self.weight_bits}")


@eqx.filter_jit
def _program(
    core: CrossbarCore, weights: Array, cuts: Cuts, occupied: Array, key: PRNGKeyArray, signed: bool
) -> Programmed:
    """Encode each array's block of weights, then program its cells and its column of ones under the array's own key."""
    rows, cols = weights.shape
    padded = jnp.pad(weights, ((0, cuts.blocks * cuts.rows - rows), (0, cuts.arrays * cuts.cols - cols)))
    by_array = padded.reshape(cuts.blocks, cuts.rows, cuts.arrays, cuts.cols).transpose(0, 2, 1, 3)
    row_exists = (jnp.arange(cuts.blocks * cuts.rows) < rows).reshape(cuts.blocks, 1, cuts.rows)
    largest = max(2**stream.width - 1 for stream in core.streams(signed))
    top = (2**core.adc.bits - 1) // largest

    def one(block: Array, exists: Array, index: Array) -> tuple[Encoded, Array]:
        code = core.encoding.encode(block, core.weight_bits, core.cell_bits, top, exists)
        cells = code.levels.transpose(1, 2, 0).reshape(cuts.rows, -1)
        ones = jnp.ones((cuts.rows, core.encoding.extra_columns()), cells.dtype)
        target = core.device.target(jnp.concatenate([cells, ones], axis=1), 2**core.cell_bits)
        return code, core.device.program(target, key=fold(key, index))

    index = jnp.arange(cuts.blocks * cuts.arrays).reshape(cuts.blocks, cuts.arrays)
    code, g = jax.vmap(jax.vmap(one, (0, None, 0)), (0, 0, 0))(by_array, row_exists[:, 0], index)
    shape = (cuts.blocks, cuts.arrays, cuts.rows, cuts.cols, core.slices)
    merged = lambda recipe: jnp.moveaxis(recipe * occupied[(..., *[None] * (recipe.ndim - 2))], 1, -2)  # noqa: E731
    gain, input_gain = merged(code.gain), merged(code.input_gain)
    return Programmed(
        cells=g[..., : cuts.cols * core.slices].reshape(shape),
        inputs=g[..., -1] if core.encoding.extra_columns() else None,
        gain=gain.reshape(cuts.blocks, core.slices, -1)[..., :cols],
        input_gain=input_gain.reshape(cuts.blocks, -1)[..., :cols],
        rows=rows,
        signed=signed,
    )


@eqx.filter_jit
def _matmul(core: CrossbarCore, array: Programmed, x: Array) -> Int[Array, "vector col"]:
    """Express currents in steps of one level, and let the bit-true engine read them."""
    plan = core.streams(array.signed)
    largest = max(2**stream.width - 1 for stream in plan)
    blocks, _arrays, rows, per_array, slices = array.cells.shape
    cols = array.gain.shape[-1]
    bound = 2.0 * rows * (2**core.cell_bits - 1) * largest
    pedestal = core.device.g_min if core.reference_column else 0.0

    def steps(g: Array) -> Array:
        return on_grid((g - pedestal) / core.device.step(2**core.cell_bits), bound).astype(jnp.float32)

    cells = steps(array.cells).transpose(0, 2, 4, 1, 3).reshape(blocks, rows, slices, -1)[..., :cols]
    columns = Columns(
        cells=cells.reshape(blocks, rows, -1),
        inputs=None if array.inputs is None else steps(array.inputs).swapaxes(1, 2),
        array_of_col=jnp.broadcast_to(jnp.arange(cols) // per_array, (blocks, cols)),
        gain=array.gain.reshape(blocks, -1),
        input_gain=array.input_gain,
    )
    digital = exact_float(
        core.encoding.largest_sum(core.weight_bits, core.cell_bits, 2**core.adc.bits - 1, rows * largest)
    )
    return bit_true(columns, x, plan, core.adc.convert, digital=digital)
