"""A machine known by its units: a digital accelerator, or a macro that was measured."""

import equinox as eqx

from pimsim.chip.chip import AbstractChip, Peak
from pimsim.chip.core import Line, charge
from pimsim.chip.interconnect import Link
from pimsim.chip.streaming import WeightStreaming
from pimsim.chip.timing import AbstractTiming, Pass
from pimsim.circuits import AbstractUnit, Factors, Process, factors
from pimsim.errors import SpecError, require
from pimsim.units import Energy, Storage, Voltage


class Machine(AbstractChip):
    """Multipliers that all act at once, and the units around them, each of which acts once a pass.

    It has figures of merit, no arrays to place a network in, and runs one where it says how its weights are streamed.
    """

    name: str
    input_bits: int
    weight_bits: int
    storage: Storage
    """Of weights."""
    timing: AbstractTiming
    units: dict[str, AbstractUnit]
    """By name; powers are those at the rate of passes."""
    link: Link | None = None
    """To others of its kind; without it, nothing waits for what they made."""
    streaming: WeightStreaming | None = None
    """How the multipliers share the work of a matrix; None where the machine is known by its figures alone."""
    process: Process | None = None
    """In which figures and times hold."""
    supply: Voltage = 0.0
    """At which it runs; 0 for that of `process`. Energy goes with V², time with Process's law of delay."""

    def __check_init__(self):
        require("input_bits", self.input_bits, 1, 16)
        require("weight_bits", self.weight_bits, 1, 16)
        if self.supply and self.process is None:
            raise SpecError("process", "is missing", "Without it nothing can be said of another supply.")
        if self.streaming is not None and self.streaming.inputs * self.streaming.outputs > self.one_pass().macs:
            fact = f"inputs × outputs must be at most the {self.one_pass().macs:g} products of a pass"
            raise SpecError("streaming", fact)

    def factors(self) -> Factors:
        """From the published supply to the one it runs at."""
        if self.process is None or not self.supply:
            return Factors(1.0, 1.0, 1.0, 1.0)
        return factors(self.process, eqx.tree_at(lambda process: process.supply, self.process, self.supply))

    def one_pass(self) -> Pass:
        """What a pass multiplies, and how long it takes at this supply."""
        macs, time = self.timing.of(self.input_bits, self.weight_bits)
        return Pass(macs, time * self.factors().delay)

    def bill(self) -> list[Line]:
        by = self.factors()
        lines = [charge(name, "pass", unit.number, unit) for name, unit in self.units.items()]
        scaled = [line._replace(cost=line.cost.scaled(by)) for line in lines]
        return scaled if self.link is None else [*scaled, charge("link", "", 1, self.link)]

    def pass_energy(self) -> Energy:
        """Of all units, for one pass."""
        return sum(line.number * line.cost.energy for line in self.bill())

    def peak(self) -> Peak:
        macs, time = self.one_pass()
        ops = 2 * macs / time
        return Peak(ops, ops / self.power(), ops / self.area(), self.storage / 8 / self.area())
