"""What a circuit costs, whatever it does."""

from abc import abstractmethod
from dataclasses import dataclass

from pimsim.errors import SpecError
from pimsim.spec import AbstractSpec
from pimsim.units import Area, Energy, Frequency, Power


@dataclass(frozen=True)
class Cost:
    """The cost of one instance."""

    energy: Energy = 0.0
    """Per event."""
    power: Power = 0.0
    """Drawn when the instance acts at its full rate; what published tables add up."""
    area: Area = 0.0
    leakage: Power = 0.0
    """Drawn while powered, acting or not."""
    constant: Power = 0.0
    """Drawn while the chip is on, whatever happens; part of `power`."""


class AbstractCircuit(AbstractSpec):
    """A circuit with a cost."""

    @abstractmethod
    def cost(self) -> Cost:
        """Energy per event, power, area and leakage of one instance."""


class Circuit(AbstractCircuit):
    """A circuit of known power at a known rate of events: energy per event = power / rate."""

    power: Power
    rate: Frequency
    """Events per second at which one instance draws `power`."""
    area: Area
    leakage: Power = 0.0
    number: int = 1
    """Instances in the core or tile that lists it, where its geometry does not say."""

    def __check_init__(self):
        if self.rate <= 0:
            raise SpecError("rate", "must be more than 0 Hz")
        if self.number < 1:
            raise SpecError("number", f"must be at least 1, got {self.number}")

    def cost(self) -> Cost:
        return Cost(energy=self.power / self.rate, power=self.power, area=self.area, leakage=self.leakage)
