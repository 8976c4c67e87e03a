"""Cells whose current is not proportional to the voltage."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pimsim.devices.base import AbstractDevice, AbstractWrapper
from pimsim.errors import SpecError
from pimsim.units import Voltage

STEEPEST = 50.0
"""Read voltage over v0 beyond which no cell is meant."""


class SinhConduction(AbstractWrapper):
    """A cell that conducts by hopping or tunnelling: I = G v0 sinh(V/v0), with G its conductance at small voltages.

    Inputs of several bits are applied as voltages d/D of `read_voltage`, d of 0 … D, and bring the currents

        I(d)/I(D) = sinh(d/D · V/v0) / sinh(V/v0)      at the same share for every conductance

    instead of d/D. The full scale of the converters follows the largest current, G v0 sinh(V/v0), so the factor
    sinh(V/v0)/(V/v0) by which that exceeds G V is absorbed; inputs of one bit know only 0 and V and change nothing.
    """

    device: AbstractDevice
    v0: Voltage
    """Voltage of the cell at which its current is 18 % more than Ohm's law has it, sinh(1) = 1.18."""
    read_voltage: Voltage
    """Of the largest input."""
    name: str = "sinh"

    def __check_init__(self):
        if not self.read_voltage > 0:
            raise SpecError("read_voltage", f"must be more than 0 V, got {self.read_voltage:g} V")
        if not self.v0 * STEEPEST >= self.read_voltage:
            fact = f"must be at least a {STEEPEST:g}th of the read voltage, {self.read_voltage:g} V, got {self.v0:g} V"
            raise SpecError("v0", fact, "Cells that see more of it are switches, or are written by being read.")

    @property
    def is_ohmic(self) -> bool:
        return False

    def response(self, drive: Float[Array, "*n"]) -> Float[Array, "*n"]:
        steepness = self.read_voltage / self.v0
        return (jnp.sinh(steepness * drive) / jnp.sinh(steepness)).astype(drive.dtype)

    def dissipation(self, drive: Float[np.ndarray | Array, "*n"]) -> Float[np.ndarray | Array, "*n"]:
        steepness = self.read_voltage / self.v0
        return drive * jnp.sinh(steepness * drive) / steepness
