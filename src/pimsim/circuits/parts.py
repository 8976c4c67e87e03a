"""So many of one circuit, with the factors by which a chip that was built differs from the circuit's law."""

from dataclasses import replace

from pimsim.circuits.base import AbstractCircuit, AbstractUnit, Cost
from pimsim.errors import require, require_positive


class Parts(AbstractUnit):
    """Instances of a circuit that each act `uses` times in an event of the machine.

    The factors multiply what the circuit's law gives. They are 1 where the law stands alone; others were fitted to a
    measured chip, and `pimsim validate` says how well with them, without them, and on what they were not fitted to.
    """

    circuit: AbstractCircuit
    number: int = 1
    uses: float = 1.0
    energy: float = 1.0
    """Of events and of leakage."""
    area: float = 1.0

    def __check_init__(self):
        require("number", self.number, 1)
        require("uses", self.uses, 0)
        for field in ("energy", "area"):
            require(field, getattr(self, field), 0)

    def published_cost(self) -> Cost:
        cost = self.circuit.cost()
        return Cost(
            energy=cost.energy * self.uses * self.energy,
            area=cost.area * self.area,
            leakage=cost.leakage * self.energy,
            latency=cost.latency,
        )


class Enlarged(AbstractUnit):
    """A unit grown to another size: power, area and leakage are multiplied, and an event takes what it took."""

    unit: AbstractUnit
    by: float
    number: int = 1

    def __check_init__(self):
        require_positive("by", self.by)

    def published_cost(self) -> Cost:
        cost = self.unit.cost()
        grown = {field: self.by * getattr(cost, field) for field in ("power", "area", "leakage", "constant")}
        return replace(cost, **grown)
