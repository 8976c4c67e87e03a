"""Kinds of tiles: a chip whose arrays are not all of one size."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from pimsim.chip.core import Line
from pimsim.chip.crossbar import CrossbarCore
from pimsim.chip.tile import Tile
from pimsim.circuits import AbstractAdc, AbstractUnit, BareArray, Cost, Enlarged, LineDriver
from pimsim.errors import SpecError, require
from pimsim.spec import AbstractSpec

STANDARD = "standard"
"""The kind of tile that a chip's own `tile` and `core` describe."""


class Kind(AbstractSpec):
    """Tiles whose arrays have another size than the chip's own; all else of them is as there.

    A row has a driver, a column a sample-and-hold, `columns_per_adc` columns a converter. The array itself grows with
    its cells, registers with the rows or columns of their core, driven lines with the array that they cross.
    """

    tiles: int
    rows: int
    columns: int
    cores: int | None = None
    """Of a tile; as many as in the chip's own if not given."""
    arrays: int | None = None
    """Of a core, likewise."""
    columns_per_adc: int | None = None
    """Likewise."""
    adc: AbstractAdc | None = None
    """More rows have larger sums, which want more bits; the chip's own if not given."""

    def __check_init__(self):
        for field in ("tiles", "rows", "columns", "cores", "arrays", "columns_per_adc"):
            if (value := getattr(self, field)) is not None:
                require(field, value, 1, 65536)

    def tile_of(self, own: Tile) -> Tile:
        """The tile, given the chip's own."""
        return own if self.cores is None else replace(own, cores=self.cores)

    def core_of(self, own: CrossbarCore) -> CrossbarCore:
        """The core, given the chip's own."""
        arrays = own.arrays if self.arrays is None else self.arrays
        tall, wide = self.rows / own.rows, self.columns / own.columns
        rows, columns = tall * arrays / own.arrays, wide * arrays / own.arrays
        return replace(
            own,
            rows=self.rows,
            columns=self.columns,
            arrays=arrays,
            columns_per_adc=own.columns_per_adc if self.columns_per_adc is None else self.columns_per_adc,
            adc=self.adc or own.adc,
            array=grown(own.array, tall * wide),
            shift_add=_in_all(own.shift_add, columns),
            input_register=_in_all(own.input_register, rows),
            output_register=_in_all(own.output_register, columns),
            word_line=stretched("word_line", own.word_line, wide),
            bit_line=stretched("bit_line", own.bit_line, tall),
        )


class Part(NamedTuple):
    """The tiles of one kind."""

    kind: str
    first: int
    """Number of the first of them on a chip."""
    tiles: int
    """On a chip."""
    core: CrossbarCore
    tile: Tile

    @property
    def arrays_per_tile(self) -> int:
        return self.tile.cores * self.core.arrays

    @property
    def arrays(self) -> int:
        """On a chip."""
        return self.tiles * self.arrays_per_tile


def grown(unit: AbstractUnit, by: float) -> AbstractUnit:
    """A unit of another size, whose events take what they took."""
    if by == 1:
        return unit
    if isinstance(unit, BareArray):  # known by its class: its cells are charged for what they conduct
        return replace(unit, area=by * unit.area, leakage=by * unit.leakage)
    return Enlarged(unit=unit, by=by, event=unit.event, name=unit.name)


def _in_all(unit: AbstractUnit, by: float) -> AbstractUnit:
    """All instances of a unit as one that has grown."""
    return grown(unit, by * unit.number if by != 1 else 1.0)


def stretched(field: str, line: AbstractUnit | None, by: float) -> AbstractUnit | None:
    """A line with so many times the cells along it. Raises SpecError for one that is not described by its cells."""
    if line is None or by == 1:
        return line
    if not isinstance(line, LineDriver):
        fact = f"core.{field} does not say what a cell adds to the line, which is {by:g} times as long here"
        raise SpecError("", fact, "Describe it as a LineDriver.")
    return replace(line, segments=round(by * line.segments))


def merged(bills: Sequence[Sequence[Line]]) -> list[Line]:
    """Bills with the same components as one: numbers add up, and a cost is that of a mean instance."""
    if len(bills) == 1:
        return list(bills[0])
    return [_sum(lines) for lines in zip(*bills, strict=True)]


def _sum(lines: Sequence[Line]) -> Line:
    costs, number = np.array([list(vars(line.cost).values()) for line in lines]), [line.number for line in lines]
    alike = (costs == costs[0]).all()
    mean = lines[0].cost if alike else Cost(*np.average(costs, axis=0, weights=number).tolist())
    return lines[0]._replace(number=sum(number), cost=mean)
