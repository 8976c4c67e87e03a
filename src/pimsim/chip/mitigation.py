"""What a core does about cells that do not hold what they are told, and what that costs."""

import math
from typing import TYPE_CHECKING

import numpy as np

from pimsim.chip.core import Count, Line, Size, charge
from pimsim.circuits import AbstractUnit, Circuit
from pimsim.errors import SpecError, require
from pimsim.spec import AbstractSpec

if TYPE_CHECKING:
    from pimsim.chip.crossbar import CrossbarCore


class RowAssignment(AbstractSpec):
    """Rows of the matrix on those word lines of each array whose faults hurt them least.

    An array's inputs are written to its register in its own order, from a table of one entry a word line.
    """

    table: AbstractUnit
    """One entry, ⌈log₂ rows⌉ bits; its event is the entry's read, once a row and vector."""


class DigitalCorrection(AbstractSpec):
    """The largest errors that faults leave in an array's weights, kept as integers and subtracted digitally.

    y[n,c] -= Σ_(r,c) x[n,r] ΔW[r,c]      over the `entries` largest |ΔW| of the array
    """

    entries: int
    """In each array."""
    unit: Circuit
    """A multiplier and an adder, `number` of them in the core; the event is one multiply-accumulate."""
    table: AbstractUnit
    """One entry, ΔW with its row and column; its event is the entry's read, once a vector."""

    def __check_init__(self):
        require("entries", self.entries, 1, 2**20)


class Mitigation(AbstractSpec):
    """Repair of arrays with faults: each is tested, then programmed so that its faults matter least.

    The test writes every cell to both ends of its range, in the very array that is programmed afterwards, and calls
    stuck what moves by less than half a level; what it reads is taken as exact. Measures are taken in the order of the
    fields, each with a view to those that follow. Without faults none of them changes what is stored.

    Source: rows permuted for the least sum of weighted variations, and what else there is: Aguirre et al., Electronics
    10, 2427 (2021); faults in pairs of cells: Jin, Pei and Wang, DATE 2020; re-mapping: Xia et al., DAC 2017.
    """

    spares: int = 0
    """Columns of each array set aside to stand in for its worst, so that it holds fewer weights. A column is what one
    conversion sees: a bit line, or two that are subtracted as currents."""
    rows: RowAssignment | None = None
    retarget: bool = False
    """Whether healthy cells of a weight with a stuck one (its partner in a pair, its other slices) are given the levels
    whose sum is nearest to the weight."""
    correction: DigitalCorrection | None = None

    def __check_init__(self):
        require("spares", self.spares, 0)

    def check(self, core: "CrossbarCore") -> None:
        """Raise SpecError unless the measures fit the core."""
        if core.weights_per_array < 1:
            fact = f"must leave room for one weight of {core.planes} cells, got {self.spares}"
            raise SpecError("mitigation.spares", fact)
        if self.correction is not None:
            unit, reads = self.correction.unit, len(core.streams(signed=False)) * core.read_cycles()
            needed = core.arrays * self.correction.entries / np.min(unit.rate * reads * core.cycle)
            needed = math.ceil(needed - 1e-9)
            if unit.number < needed:
                fact = f"must be at least {needed} to keep up with {core.arrays} arrays, got {unit.number}"
                raise SpecError("mitigation.correction.unit.number", fact)

    def events(self, rows: Size, cols: Size) -> dict[str, Count]:
        """What one vector sets off at an array of which rows × cols weights are used, beside conversions."""
        happens = {}
        if self.rows is not None:
            happens["row_index"] = 1.0 * rows
        if self.correction is not None:
            happens["correction"] = 1.0 * np.minimum(self.correction.entries, rows * cols)
        return happens

    def bill(self, arrays: int, rows: int) -> list[Line]:
        """The tables and units of a core."""
        lines = []
        if self.rows is not None:
            lines.append(charge("row_table", "row_index", arrays * rows, self.rows.table))
        if self.correction is not None:
            entries, unit = arrays * self.correction.entries, self.correction.unit
            lines.append(charge("correction_table", "correction", entries, self.correction.table))
            lines.append(charge("correction_unit", "correction", unit.number, unit))
        return lines
