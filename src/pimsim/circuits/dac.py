"""Digital to analog."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from pimsim.circuits.base import AbstractCircuit, Cost
from pimsim.errors import SpecError, require
from pimsim.units import Area, Frequency, Power

STATED_BITS = 4


class Dac(AbstractCircuit):
    """A row driver that applies `bits` of an input per cycle; power and area double with each bit beyond the first.

    The doubling is MNSIM 2.0's rule and is stated up to 4 bits; beyond them the cost is refused, the function is not.
    """

    bits: int
    rate: Frequency
    """Row drives per second."""
    power: Power
    """Of the 1-bit driver."""
    area: Area
    """Of the 1-bit driver."""
    leakage: Power = 0.0
    inl: float = 0.0
    """Integral non-linearity: the largest deviation of a parabola that vanishes at both ends, in steps of a digit."""
    noise: float = 0.0
    """Standard deviation of the voltage of each row and read, in steps of a digit."""

    def __check_init__(self):
        require("bits", self.bits, 1, 16)
        require("noise", self.noise, 0)
        if self.rate <= 0:
            raise SpecError("rate", "must be more than 0 Hz")

    @property
    def is_exact(self) -> bool:
        """Whether every voltage is its digit."""
        return self.inl == 0 and self.noise == 0

    def voltage(self, digit: Float[Array, "*n"]) -> Float[Array, "*n"]:
        """The mean voltage of a digit, in steps of a digit."""
        share = jnp.abs(digit) / (2**self.bits - 1)
        return digit + jnp.sign(digit) * 4 * self.inl * share * (1 - share)

    def cost(self) -> Cost:
        if self.bits > STATED_BITS and self.power + self.area > 0:
            fact = f"the cost law of Dac is stated up to {STATED_BITS} bits, got {self.bits}"
            raise SpecError("chip.core.dac.bits", fact, "Set its power and area to 0 to study the function alone.")
        growth = 2 ** (self.bits - 1)
        power = self.power * growth
        return Cost(energy=power / self.rate, power=power, area=self.area * growth, leakage=self.leakage)
