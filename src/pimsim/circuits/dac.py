"""Digital to analog."""

from pimsim.circuits.base import AbstractCircuit, Cost
from pimsim.errors import SpecError, require
from pimsim.units import Area, Frequency, Power


class Dac(AbstractCircuit):
    """A row driver that applies `bits` of an input per cycle; power and area double with each bit beyond the first.

    The doubling is MNSIM 2.0's rule and is stated up to 4 bits.
    """

    bits: int
    rate: Frequency
    """Row drives per second."""
    power: Power
    """Of the 1-bit driver."""
    area: Area
    """Of the 1-bit driver."""
    leakage: Power = 0.0

    def __check_init__(self):
        require("bits", self.bits, 1, 4)
        if self.rate <= 0:
            raise SpecError("rate", "must be more than 0 Hz")

    def cost(self) -> Cost:
        growth = 2 ** (self.bits - 1)
        power = self.power * growth
        return Cost(energy=power / self.rate, power=power, area=self.area * growth, leakage=self.leakage)
