"""How a matrix lies in arrays that are read in turns."""

from typing import Any, Literal, NamedTuple

from pimsim.errors import require
from pimsim.spec import AbstractSpec


class Factors(NamedTuple):
    """What turns multiply the events of an array by that is read all at once."""

    drives: Any
    cells: Any
    conversions: Any


class Layout(AbstractSpec):
    """Arrays with fewer drivers than rows or fewer converters than columns, and slices in arrays of their own.

        turns of a read    ⌈r / rows⌉ · ⌈c / columns⌉          for the r × c weights of an array in use

    The core's `cycle` is that of one turn. What runs cost follows from it; the engines do not play turns, and refuse.
    """

    rows: int
    """Driven at once."""
    columns: int
    """Columns of weights converted at once."""
    slices_apart: bool = False
    """Whether each plane of a weight, its slice of one polarity, has an array and drivers of its own; the currents of a
    pair that is subtracted before the conversion share drivers and converters. Otherwise planes lie side by side."""
    whole_channels: bool = False
    """Whether an array takes whole input channels, with the weights of all places of the kernel."""
    charged: Literal["used", "share"] = "used"
    """What a turn is charged for: every row and column that it uses, or, as MNSIM 2.0 has it, the part of them that a
    full array would have in that turn, even where there are so few that one turn does for all."""

    blocks_alike: bool = False
    """Whether every block of a matrix is charged as the largest of them, as in MNSIM 2.0."""

    def __check_init__(self):
        require("rows", self.rows, 1, 65536)
        require("columns", self.columns, 1, 65536)

    def turns(self, rows: Any, cols: Any) -> tuple[Any, Any]:
        """Turns of the rows, and for each of them of the columns."""
        return -(-rows // self.rows), -(-cols // self.columns)

    def factors(self, rows: Any, cols: Any, full_rows: int, full_cols: int) -> Factors:
        """Of an array of which rows × cols of full_rows × full_cols weights are used."""
        of_rows, of_cols = self.turns(rows, cols)
        if self.charged == "used":
            return Factors(of_cols, 1.0, of_rows)
        all_rows, all_cols = self.turns(full_rows, full_cols)
        turns = of_rows * of_cols
        driven, converted = -(-rows // all_rows), -(-cols // all_cols)
        return Factors(turns * driven / rows, turns / (all_rows * all_cols), turns * converted / cols)
