"""A machine known by its units: a digital accelerator, or a macro that was measured."""

from dataclasses import replace

import equinox as eqx

from pimsim.chip.chip import AbstractChip, Peak
from pimsim.chip.core import Line, charge
from pimsim.chip.interconnect import Link
from pimsim.chip.timing import AbstractTiming, Pass
from pimsim.circuits import AbstractUnit, Factors, Process, factors
from pimsim.errors import SpecError, nearest, quoted, require
from pimsim.units import Energy, Rate, Storage, Time, Varying, Voltage


class Machine(AbstractChip):
    """Multipliers that all act at once, and the units around them, each charged for the events of a pass.

    It has figures of merit and no arrays that this package could place a network in.
    """

    name: str
    input_bits: int
    weight_bits: int
    storage: Storage
    """Of weights."""
    timing: AbstractTiming
    units: dict[str, AbstractUnit]
    """By name. What names an event of the timing is charged for each; of others power is that at the rate of passes."""
    link: Link | None = None
    process: Process | None = None
    """In which figures and times hold."""
    supply: Voltage = 0.0
    """At which it runs; 0 for that of `process`. Energy goes with V², time with Process's law of delay."""

    def __check_init__(self):
        require("input_bits", self.input_bits, 1, 16)
        require("weight_bits", self.weight_bits, 1, 16)
        if self.supply and self.process is None:
            raise SpecError("process", "is missing", "Without it nothing can be said of another supply.")

    def factors(self) -> Factors:
        """From the published supply to the one it runs at."""
        if self.process is None or not self.supply:
            return Factors(1.0, 1.0, 1.0, 1.0)
        return factors(self.process, eqx.tree_at(lambda process: process.supply, self.process, self.supply))

    def one_pass(self) -> Pass:
        """What a pass multiplies, and how long it takes at this supply."""
        macs, time = self.timing.of(self.input_bits, self.weight_bits, self.latency)
        return Pass(macs, time * self.factors().delay)

    def latency(self, unit: str) -> Varying[Time, " variant"]:
        """Of a unit's event, at the published supply."""
        if unit not in self.units:
            raise SpecError("timing", f"the machine has no unit {quoted(unit)}", nearest(unit, self.units))
        return self.units[unit].cost().latency

    def events(self) -> dict[str, float]:
        """Of one pass, for operands of this machine's widths."""
        return self.timing.events(self.input_bits, self.weight_bits)

    def bill(self) -> list[Line]:
        """The units; of those that name an event, power is what the events of a pass take in the time of a pass."""
        lines, events, time = self._lines(), self.events(), self.one_pass().time
        for place, line in enumerate(lines):
            if line.component in self.units and self.units[line.component].event:
                power = line.cost.energy * events[line.event] / time + line.cost.leakage
                lines[place] = line._replace(cost=replace(line.cost, power=power))
        return lines

    def energy_by_unit(self) -> dict[str, Varying[Energy, " variant"]]:
        """Of one pass."""
        events = self.events() | {"": 1.0}
        return {line.component: line.number * events[line.event] * line.cost.energy for line in self._lines()}

    def pass_energy(self) -> Varying[Energy, " variant"]:
        """Of all units, for one pass."""
        return sum(self.energy_by_unit().values())

    def _lines(self) -> list[Line]:
        by, events = self.factors(), self.events()
        lines = []
        for name, unit in self.units.items():
            event = unit.event or "pass"
            if event not in events:
                raise SpecError(f"units.{name}.event", f"{quoted(event)} does not happen here", nearest(event, events))
            line = charge(name, event, unit.number, unit)
            lines.append(line._replace(cost=line.cost.scaled(by)))
        return lines if self.link is None else [*lines, charge("link", "", 1, self.link)]

    def rate(self) -> Varying[Rate, " variant"]:
        """Operations a second."""
        macs, time = self.one_pass()
        return 2 * macs / time

    def peak(self) -> Peak:
        ops = self.rate()
        return Peak(ops, ops / self.power(), ops / self.area(), self.storage / 8 / self.area())
