"""A core: a few crossbar arrays with their converters, ISAAC's IMA. It computes and it costs."""

from abc import abstractmethod
from typing import Any, NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num, PRNGKeyArray

from pimsim.chip.tally import Tally
from pimsim.circuits import AbstractCircuit, Cost
from pimsim.circuits.adc import AdcErrors
from pimsim.errors import SpecError
from pimsim.spec import AbstractSpec
from pimsim.units import Conductances

Size = int | Int[np.ndarray, " shape"]
"""Rows or columns of one block, or of many."""
Count = float | Float[np.ndarray, " shape"]


class Line(NamedTuple):
    """One line of a bill: how many instances of a component there are, what one costs, and which event makes it act."""

    component: str
    event: str
    number: float
    cost: Cost


def charge(component: str, event: str, number: Any, circuit: AbstractCircuit) -> Line:
    """A line of a bill. Raises SpecError for a circuit that is charged for another event."""
    try:
        return Line(component, event, number, circuit.cost(event))
    except SpecError as error:
        raise error.within(component) from None


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


class Ranges(eqx.Module):
    """The full scale of the converters for one matrix, in steps of one level."""

    low: Float[Array, " slice"]
    high: Float[Array, " slice"]
    unit_scale: bool = eqx.field(static=True)
    """Whether codes are the column sums themselves."""
    unit_range: bool = eqx.field(static=True)
    """Whether every slice has one code per level, wherever the first lies."""
    uniform: bool = eqx.field(static=True)
    """Whether all slices share one range."""
    multiplies: bool = eqx.field(static=True)
    """Whether the reciprocal of a step gives the codes that the step gives, for whole sums."""


class Programmed(eqx.Module):
    """A matrix in programmed cells: the state that `matmul` reads. Axis `array` runs along the columns of weights."""

    cells: Conductances[Array, "block array row array_col plane"]
    units: Conductances[Array, "block array row"] | None
    """The column in each array that measures Σx, if the encoding has one."""
    gain: Float[Array, "block conversion col"]
    """What a level counts in each conversion: a plane's, or that of two which are subtracted as currents."""
    input_gain: Float[Array, "block col"]
    bias: Float[Array, " col"]
    """Added to every product: what the input code adds to the inputs, undone."""
    errors: AdcErrors | None
    """Of the converter behind each conversion, [block conversion col]."""
    patch: Float[Array, "block_row col"] | None
    """What the digital side subtracts from each weight, if it corrects any."""
    tally: Tally
    ranges: Ranges
    rows: int = eqx.field(static=True)
    """Of the matrix; the last block may be padded."""
    signed: bool = eqx.field(static=True)
    """Whether the inputs that the columns were encoded for are signed."""


class AbstractCore(AbstractSpec):
    """What any core answers: `program`, `matmul`, `events`, `latency`, `bill`."""

    @abstractmethod
    def cuts(self, rows: int, cols: int, taps: int = 1) -> Cuts:
        """How a [rows, cols] matrix is cut, of which `taps` rows belong to each input channel."""

    @abstractmethod
    def program(
        self, weights: Int[Array, "row col"], *, key: PRNGKeyArray, occupied: Bool[Array, "block array"] | None = None,
        signed: bool = False, ranges: Ranges | None = None,
    ) -> Programmed:  # fmt: skip
        """Write signed integers into cells, each array with a key of its own.

        Blocks that are not `occupied` hold nothing, contribute nothing and need no array: the zeros of a grouped layer.
        Raises SpecError for weights that are no matrix of integers in range, and for a full scale that is calibrated
        but not given.
        """

    @abstractmethod
    def matmul(
        self, array: Programmed, x: Int[Array, "vector row"], *, key: PRNGKeyArray | None = None,
        index: Int[Array, " vector"] | None = None,
    ) -> Num[Array, "vector col"]:  # fmt: skip
        """The product as the hardware delivers it: integers if every conversion has one code per level.

        `key` and `index`, the names of the vectors (0, 1, … unless given), decide the noise of reading. Raises
        SpecError for inputs that are no integers in range, and for noise without a key.
        """

    @abstractmethod
    def events(self, rows: Size, cols: Size, *, signed: bool) -> dict[str, Count]:
        """How often each component acts when one vector passes one array of which rows × cols weights are used."""

    @abstractmethod
    def latency(self, *, signed: bool) -> Latency:
        """The time one vector takes, and when the next may follow."""

    @abstractmethod
    def bill(self) -> list[Line]:
        """The components of one core."""
