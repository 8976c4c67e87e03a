"""Digital to analog."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pimsim.circuits.base import AbstractCircuit, Cost
from pimsim.errors import SpecError, require, require_positive
from pimsim.units import Area, Frequency, Power

STATED_BITS = 4


class Dac(AbstractCircuit):
    """A row driver that applies `bits` of an input per cycle; power and area double with each bit beyond the published.

    The doubling is MNSIM 2.0's rule and is stated up to 4 bits; beyond them the cost of any but the published
    resolution is refused, the function is not.
    """

    event: str = eqx.field(default="row_drive", kw_only=True, static=True)
    bits: int
    rate: Frequency
    """Row drives per second."""
    power: Power
    """At `reference_bits`."""
    area: Area
    """At `reference_bits`."""
    reference_bits: int = 1
    """The resolution at which power and area were published."""
    leakage: Power = 0.0
    inl: float = 0.0
    """Integral non-linearity: the largest deviation of a parabola that vanishes at both ends, in steps of a digit."""
    noise: float = 0.0
    """Standard deviation of the voltage of each row and read, in steps of a digit."""

    def __check_init__(self):
        require("bits", self.bits, 1, 16)
        require("reference_bits", self.reference_bits, 1, 16)
        require("noise", self.noise, 0)
        require_positive("rate", self.rate, "Hz")

    @property
    def is_exact(self) -> bool:
        """Whether every voltage is its digit."""
        return self.inl == 0 and self.noise == 0

    def voltage(self, digit: Float[Array, "*n"]) -> Float[Array, "*n"]:
        """The mean voltage of a digit, in steps of a digit."""
        share = jnp.abs(digit) / (2**self.bits - 1)
        return digit + jnp.sign(digit) * 4 * self.inl * share * (1 - share)

    def published_cost(self) -> Cost:
        beyond = (self.bits > STATED_BITS) & (self.bits != self.reference_bits) & (self.power + self.area > 0)
        if np.any(beyond):
            fact = f"the cost law of Dac is stated up to {STATED_BITS} bits, got {np.max(self.bits)}"
            raise SpecError("chip.core.dac.bits", fact, "Set its power and area to 0 to study the function alone.")
        growth = 2.0 ** (self.bits - self.reference_bits)
        power, area = self.power * growth, self.area * growth
        return Cost(energy=power / self.rate, power=power, area=area, leakage=self.leakage, latency=1 / self.rate)
