"""A chip: tiles on a mesh, links to the outside, and the figures of merit that follow."""

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import equinox as eqx
import numpy as np
from equinox import AbstractVar
from jaxtyping import Int

from pimsim.chip.core import Line, charge
from pimsim.chip.crossbar import CrossbarCore
from pimsim.chip.interconnect import Link
from pimsim.chip.kinds import STANDARD, Kind, Part, merged
from pimsim.chip.mesh import Order, places
from pimsim.chip.steps import StoreAndForward
from pimsim.chip.tile import Tile
from pimsim.circuits import AbstractUnit
from pimsim.errors import SpecError, inside, require
from pimsim.spec import AbstractSpec
from pimsim.units import Area, Power, Rate, RatePerArea, RatePerPower, StorageDensity, Time, Varying

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

    def power(self) -> Varying[Power, " variant"]:
        """With every component at its full rate: what papers add up."""
        return sum(power_by_component(self.bill()).values())

    def area(self) -> Varying[Area, " variant"]:
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
    kinds: dict[str, Kind] = eqx.field(default_factory=dict)
    """Tiles with arrays of other sizes, by name. They are the last of the mesh's tiles; those before are as `tile` and
    `core` say, and called "standard"."""
    memory: AbstractUnit | None = None
    """That all tiles share, and through which all tensors pass if there is one; its event is one bit."""
    order: Order = "raster"
    """In which tiles are numbered along the mesh; networks fill them in this order."""
    steps: StoreAndForward | None = None
    """How a vector passes where its steps do not overlap; otherwise digital units keep pace with the arrays."""
    usual: dict[str, Any] = eqx.field(default_factory=dict)
    """What an experiment sets that names only this chip and a network: {mapping: {replicate: none}}."""

    def __check_init__(self):
        if self.order == "shells" and self.mesh_rows != self.mesh_cols:
            raise SpecError("order", "shells fill a square mesh", "Choose raster or snake.")
        if self.steps is not None:
            require("steps.accumulator[0]", self.steps.accumulator[0], 0, self.mesh_rows - 1)
            require("steps.accumulator[1]", self.steps.accumulator[1], 0, self.mesh_cols - 1)
            if self.tile.products is not None:
                raise SpecError("steps", "products of two results have no steps", "Leave out tile.products.")
        require("mesh_rows", self.mesh_rows, 1, 4096)
        require("mesh_cols", self.mesh_cols, 1, 4096)
        self._check_kinds()
        if self.arrays > MAX_ARRAYS:
            raise SpecError("mesh_rows", f"the chip has {self.arrays:,} arrays, more than {MAX_ARRAYS:,}")

    def _check_kinds(self) -> None:
        if not self.kinds:
            return
        if STANDARD in self.kinds:
            raise SpecError(f"kinds.{STANDARD}", "is what tiles are called that `tile` and `core` describe")
        if self.steps is not None or self.core.layout is not None:
            raise SpecError("kinds", "steps and layouts are stated for arrays of one size", "Leave out one of the two.")
        others = sum(kind.tiles for kind in self.kinds.values())
        if others >= self.tiles:
            fact = f"take {others} tiles, and the mesh has {self.tiles}: none is left with the chip's own core"
            raise SpecError("kinds", fact, "Enlarge the mesh, or make one of the kinds the chip's own.")

    @property
    def parts(self) -> list[Part]:
        """The tiles of each kind, the chip's own first."""
        own = self.tiles - sum(kind.tiles for kind in self.kinds.values())
        found = [Part(STANDARD, 0, own, self.core, self.tile)]
        for name, kind in self.kinds.items():
            with inside(f"kinds.{name}"):
                core, tile = kind.core_of(self.core), kind.tile_of(self.tile)
            found.append(Part(name, found[-1].first + found[-1].tiles, kind.tiles, core, tile))
        return found

    @property
    def cores(self) -> dict[str, CrossbarCore]:
        """By kind of tile."""
        return {part.kind: part.core for part in self.parts}

    @property
    def tiles(self) -> int:
        return self.mesh_rows * self.mesh_cols * self.tile.router.shared_by

    @property
    def arrays_per_tile(self) -> int:
        """Of the kind that has most."""
        return max(part.arrays_per_tile for part in self.parts)

    @property
    def arrays(self) -> int:
        return sum(part.arrays for part in self.parts)

    @property
    def tick(self) -> Time:
        """The cycle of the schedule."""
        return self.core.cycle if self.steps is None else self.steps.clock

    def tile_bill(self) -> list[Line]:
        """The components of one tile of the chip's own."""
        lines = self.tile.bill(self.core)
        return lines if self.steps is None else lines + self.steps.bill(self.tile.cores)

    def bills(self) -> list[list[Line]]:
        """The components of the tiles of each kind, in the order of `parts`; the first has what the tiles share."""
        shared = [charge("link", "", 1, self.link)]
        if self.memory is not None:
            line = charge("memory", "dram_bit", self.memory.number, self.memory)
            always = replace(line.cost, constant=line.cost.leakage, leakage=0.0)  # whatever tiles are off
            shared.append(line._replace(cost=always))
        found = []
        for part in self.parts:
            tile = part.tile.bill(part.core) if part.first else self.tile_bill()
            own = [line._replace(number=line.number * part.tiles) for line in tile]
            found.append(own + [line._replace(number=0) if part.first else line for line in shared])
        return found

    def bill(self) -> list[Line]:
        return merged(self.bills())

    def peak(self) -> Peak:
        ops = stored = 0.0
        for part in self.parts:
            core = part.core
            per_vector = 2 * part.arrays * core.rows * core.weights_per_array / core.arrays_per_block
            ops += per_vector / (core.latency(signed=True).interval * core.cycle)
            stored += part.arrays * core.rows * core.columns * core.cell_bits / 8
        return Peak(ops, ops / self.power(), ops / self.area(), stored / self.area())


def kind_of(chip: Chip, tile: Int[np.ndarray, "*n"]) -> Int[np.ndarray, "*n"]:
    """Which of the chip's parts each tile belongs to, counted on through the chips."""
    return np.searchsorted([part.first for part in chip.parts], tile % chip.tiles, side="right") - 1


def on_mesh(chip: Chip, tile: Int[np.ndarray, "*n"]) -> Int[np.ndarray, "*n 2"]:
    """(row, col) on its own chip's mesh of the router of each tile, counted on through the chips."""
    return places(chip.order, chip.mesh_rows, chip.mesh_cols)[tile % chip.tiles // chip.tile.router.shared_by]


def router_of(chip: Chip, tile: Int[np.ndarray, "*n"]) -> Int[np.ndarray, "*n"]:
    """The router of each tile, counted row by row through the meshes of all chips."""
    row, col = np.moveaxis(on_mesh(chip, tile), -1, 0)
    return (tile // chip.tiles * chip.mesh_rows + row) * chip.mesh_cols + col


def power_by_component(bill: list[Line]) -> dict[str, Varying[Power, " variant"]]:
    """Power at full rate."""
    return {line.component: line.number * line.cost.power for line in bill}


def area_by_component(bill: list[Line]) -> dict[str, Varying[Area, " variant"]]:
    return {line.component: line.number * line.cost.area for line in bill}
