"""What a circuit costs, whatever it does."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import equinox as eqx
from equinox import AbstractVar

from pimsim.circuits.process import Factors, Process, factors
from pimsim.errors import SpecError, require, require_positive
from pimsim.spec import AbstractSpec
from pimsim.units import Area, Energy, Frequency, Power, Time, Varying


@dataclass(frozen=True)
class Cost:
    """The cost of one instance: numbers, or arrays over chips whose parameters vary."""

    energy: Varying[Energy, " variant"] = 0.0
    """Per event."""
    power: Varying[Power, " variant"] = 0.0
    """Drawn when the instance acts at its full rate; what published tables add up."""
    area: Varying[Area, " variant"] = 0.0
    leakage: Varying[Power, " variant"] = 0.0
    """Drawn while powered, acting or not."""
    constant: Varying[Power, " variant"] = 0.0
    """Drawn while the chip is on, whatever happens; part of `power`."""
    latency: Varying[Time, " variant"] = 0.0
    """From the start of an event to its result; 0 where none is published."""

    def scaled(self, by: Factors) -> "Cost":
        """In another process."""
        return Cost(
            energy=self.energy * by.energy,
            power=self.power * by.energy / by.delay,
            area=self.area * by.area,
            leakage=self.leakage * by.leakage,
            constant=self.constant * by.energy / by.delay,
            latency=self.latency * by.delay,
        )


class AbstractCircuit(AbstractSpec):
    """A circuit with a cost.

    Its arithmetic is the same on numbers and on arrays, of which `pimsim.chip.vary` makes many chips at once.
    """

    name: str = eqx.field(default="", kw_only=True, static=True)
    """Of its card, if it is from one."""
    event: str = eqx.field(default="", kw_only=True, static=True)
    """What one event of it is, where it can be but one: `conversion`, `bus_bit`, …"""
    process: Process | None = eqx.field(default=None, kw_only=True)
    """In which its figures hold."""
    ported_to: Process | None = eqx.field(default=None, kw_only=True)
    """In which it is built, if that is another one."""

    def __check_init__(self):
        if self.ported_to is not None:
            if self.process is None:
                raise SpecError("process", "is missing", "What is ported states the node of its own figures.")
            factors(self.process, self.ported_to)

    @abstractmethod
    def published_cost(self) -> Cost:
        """Energy per event, power, area, leakage and latency of one instance in the process of its figures."""

    def cost(self, event: str = "") -> Cost:
        """Energy per event, power, area, leakage and latency of one instance where it is built.

        Raises SpecError where `event` is not what the circuit is charged for.
        """
        if event and self.event not in ("", event):
            fact = f"{self.name or type(self).__name__} is charged for each {self.event}, not for each {event}"
            raise SpecError("event", fact, "Choose a component with this event: `pimsim list components`.")
        cost = self.published_cost()
        if self.process is None or self.ported_to is None:
            return cost
        return cost.scaled(factors(self.process, self.ported_to))


class AbstractUnit(AbstractCircuit):
    """A circuit of which a core or a tile has so many as its geometry, or the unit itself, says."""

    usual_model: ClassVar[str] = "Circuit"

    number: AbstractVar[int]
    """Instances in the core or tile that lists it, where its geometry does not say."""


class Circuit(AbstractUnit):
    """A circuit of known power at a known rate of events: energy per event = power / rate."""

    power: Power
    rate: Frequency
    """Events per second at which one instance draws `power`."""
    area: Area
    leakage: Power = 0.0
    number: int = 1
    latency: Time = 0.0

    def __check_init__(self):
        require_positive("rate", self.rate, "Hz")
        require("number", self.number, 1)

    def published_cost(self) -> Cost:
        energy = self.power / self.rate
        return Cost(energy=energy, power=self.power, area=self.area, leakage=self.leakage, latency=self.latency)


class Control(AbstractUnit):
    """Draws the same power whenever its tile is on, and answers no event: control, instruction memories."""

    power: Power
    area: Area
    number: int = 1

    def __check_init__(self):
        require("number", self.number, 1)

    def published_cost(self) -> Cost:
        return Cost(power=self.power, area=self.area, leakage=self.power)


class SharedUnit(AbstractUnit):
    """Work that a unit listed elsewhere does as well: events take energy, but no power or area of their own."""

    power: Power
    """Of the unit that does it."""
    rate: Frequency
    """Events per second at which it draws `power`."""
    number: int = 1

    def __check_init__(self):
        require_positive("rate", self.rate, "Hz")

    def published_cost(self) -> Cost:
        return Cost(energy=self.power / self.rate)
