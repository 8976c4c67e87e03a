"""How matrices are put into arrays, as an experiment asks for it."""

from collections.abc import Mapping, Sequence
from dataclasses import field

from pimsim.chip import Chip, Machine
from pimsim.errors import SpecError
from pimsim.mapping.budget import Budget, Overflow
from pimsim.mapping.distribution import Distribution, distribute
from pimsim.mapping.fill import Fill
from pimsim.mapping.kinds import choose_kinds
from pimsim.mapping.overlap import Windows
from pimsim.mapping.packing import Packing
from pimsim.mapping.place import check_choices, place, require_whole_blocks
from pimsim.mapping.placement import Placement
from pimsim.mapping.replication import Replicate
from pimsim.mapping.search import Search
from pimsim.mapping.tiles import Tiles
from pimsim.network.ops import Op
from pimsim.spec import AbstractSpec

ARRAYS_ONLY = {
    "tiles": "shared", "windows": "single", "packing": "single", "fill": "order", "kinds": {}, "search": None,
}  # fmt: skip
"""What is planned of arrays, and when it is not."""


class MappingPlan(AbstractSpec):
    """How matrices are put into arrays."""

    replicate: Replicate = "balance"
    budget: Budget | None = None
    """What the copies may take, instead of the chips that one copy of each matrix needs."""
    overflow: Overflow = "spread"
    tiles: Tiles = "shared"
    windows: Windows = "single"
    packing: Packing = "single"
    fill: Fill = "order"
    kinds: dict[str, str] = field(default_factory=dict)
    """The kind of tile of layers, by name, where tiles differ; the others have what serves them best."""
    search: Search | None = None
    """Whether to look for better places of the tiles on the mesh than the network's order."""

    def __check_init__(self):
        check_choices(self.overflow, self.tiles, self.packing, self.fill)

    def choose(self, ops: Mapping[str, Sequence[Op]], chip: Chip) -> dict[str, str]:
        """The kind of tile of each layer, given what the network asks of tiles of each kind."""
        return choose_kinds(ops, chip, self.kinds, self.replicate, self.budget, self.overflow)

    def place(self, ops: Sequence[Op], chip: Chip, kinds: Mapping[str, str] | None = None) -> Placement:
        """The matrices of a network in the arrays of a chip, as planned, or with `kinds` that are decided.

        Raises what `place` raises, and SpecError for a search where blocks take several arrays.
        """
        if self.search is not None:
            require_whole_blocks(chip, "search")
        placing = {"budget": self.budget, "overflow": self.overflow, "tiles": self.tiles}
        return place(
            ops, chip, self.replicate, packing=self.packing, fill=self.fill, kinds=kinds or self.kinds, **placing
        )

    def distribute(self, ops: Sequence[Op], machine: Machine) -> Distribution:
        """The same in the memories of machines. Raises SpecError for what is planned of arrays."""
        for key, off in ARRAYS_ONLY.items():
            if getattr(self, key) != off:
                raise SpecError(f"mapping.{key}", f"{machine.name} has no arrays", "Leave it out.")
        return distribute(ops, machine, self.replicate, budget=self.budget, overflow=self.overflow)
