"""How many arrays there are to spend."""

from typing import Literal

from pimsim.chip import Chip, Machine
from pimsim.chip.chip import area_by_component, power_by_component
from pimsim.errors import CapacityError, SpecError, require, require_positive
from pimsim.spec import AbstractSpec
from pimsim.units import Area, Power

Overflow = Literal["spread", "reload", "refuse"]
"""What becomes of a network of which one copy does not fit a chip: it takes as many chips as it needs, its layers take
turns in the arrays, which are rewritten in every inference, or it is an error."""

MOST_CHIPS = 2**16
ROUNDING = 1e-12
"""Share by which sums of costs may be off."""


class Budget(AbstractSpec):
    """A limit on chips or arrays: how many, or the area or full-rate power of tiles and of the links with them."""

    chips: int | None = None
    arrays: int | None = None
    area: Area | None = None
    power: Power | None = None

    def __check_init__(self):
        given = [field for field in ("chips", "arrays", "area", "power") if getattr(self, field) is not None]
        if len(given) != 1:
            raise SpecError("", f"expected one of chips, arrays, area and power, got {' and '.join(given) or 'none'}")
        if self.chips is not None:
            require("chips", self.chips, 1, MOST_CHIPS)
        elif self.arrays is not None:
            require("arrays", self.arrays, 1)
        else:
            require_positive(given[0], getattr(self, given[0]))

    def affords(self, chip: Chip) -> int:
        """The arrays that the budget pays for: those of whole tiles, on as many chips as these fill."""
        if self.arrays is not None:
            return self.arrays
        if self.chips is not None:
            return self.chips * chip.arrays
        if self.area is not None:
            limit, whole, tile = self.area, chip.area(), sum(area_by_component(chip.tile_bill()).values())
        else:
            assert self.power is not None
            limit, whole, tile = self.power, chip.power(), sum(power_by_component(chip.tile_bill()).values())
        return tiles_for(limit, whole, tile, chip.tiles) * chip.arrays_per_tile

    def affords_machines(self, machine: Machine) -> int:
        """The whole machines that the budget pays for."""
        if self.arrays is not None:
            raise SpecError("mapping.budget.arrays", f"{machine.name} has no arrays", "Give chips, area or power.")
        if self.chips is not None:
            return self.chips
        limit, whole = (self.area, machine.area()) if self.area is not None else (self.power, machine.power())
        assert limit is not None
        return min(int(limit / whole * (1 + ROUNDING)), MOST_CHIPS)


def tiles_for(limit: float, whole: float, tile: float, tiles: int) -> int:
    """The most tiles that cost no more than a limit: whole chips of `tiles` tiles, and one with some of them."""
    chips = int(limit / whole * (1 + ROUNDING))
    rest = limit - chips * whole - (whole - tiles * tile)
    some = int(rest / tile * (1 + ROUNDING)) if tile and rest > 0 else 0
    return chips * tiles + min(some, tiles)


def capacity(needed: int, chip: Chip, budget: Budget | None, overflow: Overflow) -> int:
    """The arrays that may be used where one copy of each matrix takes `needed`.

    Raises CapacityError where that is more than there are, and says by how many.
    """
    limit = chip.arrays * (1 if overflow == "reload" else -(-needed // chip.arrays))
    if budget is not None:
        limit, least = budget.affords(chip), 1 if overflow == "reload" else needed
        require_capacity("mapping.budget", least, limit, "Raise the budget, or let layers take turns (reload).")
    if overflow == "refuse":
        limit = min(limit, chip.arrays)
        require_capacity("mapping.overflow", needed, limit, "`spread` takes as many chips as one copy needs.")
    return limit


def stated_chips(chip: Chip, budget: Budget | None, overflow: Overflow) -> int | None:
    """The chips that may be used of those with tiles of several kinds; None for as many as one copy needs.

    Raises SpecError for a budget in anything that has not the same number of arrays whichever tiles it buys.
    """
    if budget is not None and budget.chips is None:
        fact = f"{chip.name} has tiles of several kinds, so that it does not say how many arrays there are of each"
        raise SpecError("mapping.budget", fact, "Give chips.")
    if overflow == "refuse":
        return 1
    return None if budget is None else budget.chips


def require_capacity(place: str, needed: int, limit: int, remedy: str = "") -> None:
    """Raise CapacityError unless the arrays needed are there; it says how many are lacking."""
    if needed > limit:
        fact = f"{needed:,} arrays are needed and there are {limit:,}: {needed - limit:,} are lacking"
        raise CapacityError(place, fact, remedy)
