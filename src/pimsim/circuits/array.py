"""Arrays of cells that are charged for what their cells conduct."""

from pimsim.circuits.base import AbstractUnit, Cost
from pimsim.errors import require, require_positive
from pimsim.spec import AbstractSpec
from pimsim.units import Area, Conductance, Energy, Power, Time, Voltage


class ReadPulse(AbstractSpec):
    """What the largest input is read with: a cell of conductance G takes V² G t, by Ohm's law."""

    voltage: Voltage
    """V."""
    width: Time
    """t, for which the voltage is on; no more than the cycle of a read."""

    def __check_init__(self):
        require_positive("voltage", self.voltage, "V")
        require_positive("width", self.width, "s")

    def energy(self, g: Conductance) -> Energy:
        """Of a cell under the whole voltage."""
        return self.voltage**2 * g * self.width


class BareArray(AbstractUnit):
    """An array without an energy of its own: its core charges the cells for what they conduct, by `read_pulse`."""

    area: Area
    leakage: Power = 0.0
    number: int = 1

    def __check_init__(self):
        require("number", self.number, 1)

    def published_cost(self) -> Cost:
        return Cost(area=self.area, leakage=self.leakage)
