"""A chip: tiles on a mesh, links to the outside, and the figures of merit that follow."""

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

from equinox import AbstractVar

from pimsim.chip.core import Line, charge
from pimsim.chip.crossbar import CrossbarCore
from pimsim.chip.interconnect import Link
from pimsim.chip.tile import Tile
from pimsim.circuits import AbstractUnit
from pimsim.errors import SpecError, require
from pimsim.spec import AbstractSpec
from pimsim.units import Area, Power, Rate, RatePerArea, RatePerPower, StorageDensity

MAX_ARRAYS = 2**31
"""More than fit on a wafer of the densest arrays published, and few enough to be counted in any integer."""


@dataclass(frozen=True)
class Peak:
    """What the chip could do with every array busy; one multiply-accumulate is two operations of its full width."""

    ops_per_s: Rate
    ops_per_s_per_W: RatePerPower
    ops_per_s_per_m2: RatePerArea
    storage_bytes_per_m2: StorageDensity


class AbstractChip(AbstractSpec):
    """What any chip answers without a network: `bill`, `power`, `area`, `peak`."""

    usual_model: ClassVar[str] = "Chip"

    name: AbstractVar[str]

    def __check_init__(self):
        for field, total in (("power", self.power()), ("area", self.area())):
            if total <= 0:
                raise SpecError("", f"the chip's components have no {field}", "Peak figures are per watt and per mm².")

    @abstractmethod
    def bill(self) -> list[Line]:
        """The components of the chip."""

    @abstractmethod
    def peak(self) -> Peak:
        """What the chip does with every multiplier busy."""

    def power(self) -> Power:
        """With every component at its full rate: what papers add up."""
        return sum(power_by_component(self.bill()).values())

    def area(self) -> Area:
        return sum(area_by_component(self.bill()).values())


class Chip(AbstractChip):
    """Tiles on a mesh of routers."""

    name: str
    mesh_rows: int
    mesh_cols: int
    """Routers on the mesh; each serves `tile.router.shared_by` tiles."""
    tile: Tile
    core: CrossbarCore
    link: Link
    memory: AbstractUnit | None = None
    """That all tiles share, and through which all tensors pass if there is one; its event is one bit."""

    def __check_init__(self):
        require("mesh_rows", self.mesh_rows, 1, 4096)
        require("mesh_cols", self.mesh_cols, 1, 4096)
        if self.arrays > MAX_ARRAYS:
            raise SpecError("mesh_rows", f"the chip has {self.arrays:,} arrays, more than {MAX_ARRAYS:,}")

    @property
    def tiles(self) -> int:
        return self.mesh_rows * self.mesh_cols * self.tile.router.shared_by

    @property
    def arrays_per_tile(self) -> int:
        return self.tile.cores * self.core.arrays

    @property
    def arrays(self) -> int:
        return self.tiles * self.arrays_per_tile

    def tile_bill(self) -> list[Line]:
        """The components of one tile."""
        return self.tile.bill(self.core)

    def bill(self) -> list[Line]:
        tiles = [line._replace(number=line.number * self.tiles) for line in self.tile_bill()]
        shared = [charge("link", "", 1, self.link)]
        if self.memory is not None:
            line = charge("memory", "dram_bit", self.memory.number, self.memory)
            always = replace(line.cost, constant=line.cost.leakage, leakage=0.0)  # whatever tiles are off
            shared.append(line._replace(cost=always))
        return tiles + shared

    def peak(self) -> Peak:
        core = self.core
        per_vector = 2 * self.arrays * core.rows * core.weights_per_array
        ops = per_vector / (core.latency(signed=True).interval * core.cycle)
        stored = self.arrays * core.rows * core.columns * core.cell_bits / 8
        return Peak(ops, ops / self.power(), ops / self.area(), stored / self.area())


def power_by_component(bill: list[Line]) -> dict[str, Power]:
    """Power at full rate."""
    return {line.component: line.number * line.cost.power for line in bill}


def area_by_component(bill: list[Line]) -> dict[str, Area]:
    return {line.component: line.number * line.cost.area for line in bill}
