"""Analog to digital."""

from abc import abstractmethod

import jax.numpy as jnp
from equinox import AbstractVar
from jaxtyping import Array, Float

from pimsim.circuits.base import AbstractCircuit, Cost
from pimsim.errors import SpecError, require
from pimsim.units import Area, Frequency, Power


class AbstractAdc(AbstractCircuit):
    """A converter from column current to code."""

    bits: AbstractVar[int]

    @abstractmethod
    def convert(self, value: Float[Array, "*n"]) -> Float[Array, "*n"]:
        """The code, a whole number from 0 to 2^bits - 1 kept as a float, of a current in steps of one code."""


class SarAdc(AbstractAdc):
    """Successive approximation: part of its cost is linear in the bits, part doubles with each.

        P(n) = P₀ [(1 - p) n/n₀ + p 2^(n - n₀)]       and the same for the area, with its own share

    The part that doubles is the capacitor array. The split is Saberi et al., IEEE TCAS-I 58, 1736 (2011), applied to
    Kull et al., JSSC 48, 3049 (2013), as ISAAC does.
    """

    bits: int
    rate: Frequency
    """Conversions per second."""
    power: Power
    """P₀, at `reference_bits`."""
    area: Area
    reference_bits: int = 8
    """n₀, the resolution at which power and area were published."""
    capacitor_power: float = 0.0645
    """Share of the power in the capacitor array, at n₀."""
    capacitor_area: float = 0.4552
    """Share of the area in the capacitor array, at n₀."""
    leakage: Power = 0.0

    def __check_init__(self):
        require("bits", self.bits, 1, 16)
        require("reference_bits", self.reference_bits, 1, 16)
        require("capacitor_power", self.capacitor_power, 0, 1)
        require("capacitor_area", self.capacitor_area, 0, 1)
        if self.rate <= 0:
            raise SpecError("rate", "must be more than 0 Hz")

    def convert(self, value: Float[Array, "*n"]) -> Float[Array, "*n"]:
        return jnp.clip(jnp.rint(value), 0, 2**self.bits - 1)

    def cost(self) -> Cost:
        power = self.power * self._growth(self.capacitor_power)
        area = self.area * self._growth(self.capacitor_area)
        return Cost(energy=power / self.rate, power=power, area=area, leakage=self.leakage)

    def _growth(self, share: float) -> float:
        return (1 - share) * self.bits / self.reference_bits + share * 2.0 ** (self.bits - self.reference_bits)
