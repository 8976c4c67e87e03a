"""Spin-transfer-torque MRAM: two resistances, close to each other."""

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from pimsim.devices.base import AbstractDevice
from pimsim.errors import SpecError, require
from pimsim.units import Conductance, Conductances, Resistance, Voltage


class SttMram(AbstractDevice):
    """Magnetic tunnel junction: parallel it conducts 1/R_P, antiparallel less by its magnetoresistance.

        parallel:      G = e^(-σ z₁)/R_P
        antiparallel:  G = e^(-σ z₁)/(R_P (1 + TMR (1 + s z₂)))      TMR = TMR₀/(1 + (V/V_h)²) at the read voltage

    σ is the spread of ln RA, which both states of a junction share; s that of the magnetoresistance. A write fails, and
    leaves the other state, with the stated probability. z ~ N(0, 1).
    """

    parallel_resistance: Resistance
    """R_P."""
    tmr: float
    """TMR₀: (R_AP - R_P)/R_P without bias; 1 is 100 %."""
    read_voltage: Voltage = 0.0
    half_voltage: Voltage = 0.5
    """V_h, at which the magnetoresistance is half of that without bias."""
    resistance_spread: float = 0.0
    """σ, dimensionless."""
    tmr_spread: float = 0.0
    """s, dimensionless."""
    write_error_rate: float = 0.0
    name: str = "stt-mram"

    def __check_init__(self):
        require("resistance_spread", self.resistance_spread, 0)
        require("tmr_spread", self.tmr_spread, 0, 0.3)  # beyond, a tail of junctions would be inverted
        require("write_error_rate", self.write_error_rate, 0, 1)
        for field in ("parallel_resistance", "tmr", "half_voltage"):
            if not getattr(self, field) > 0:
                raise SpecError(field, "must be more than 0")

    @property
    def g_max(self) -> Conductance | Conductances[Array, ""]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return 1 / self.parallel_resistance

    @property
    def g_min(self) -> Conductance | Conductances[Array, ""]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.g_max / (1 + self.tmr_at_read)

    @property
    def tmr_at_read(self) -> float | Array:
        """The magnetoresistance under the read voltage."""
        return self.tmr / (1 + (self.read_voltage / self.half_voltage) ** 2)

    @property
    def most_levels(self) -> int:
        return 2

    @property
    def is_exact(self) -> bool:
        return self.resistance_spread == self.tmr_spread == self.write_error_rate == 0

    def program(self, target: Conductances[Array, "*cells"], *, key: PRNGKeyArray) -> Conductances[Array, "*cells"]:
        area_key, tmr_key, write_key = jr.split(key, 3)
        conducts = jnp.exp(-self.resistance_spread * jr.normal(area_key, target.shape, target.dtype))
        tmr = self.tmr_at_read * (1 + self.tmr_spread * jr.normal(tmr_key, target.shape, target.dtype))
        fails = jr.uniform(write_key, target.shape, target.dtype) < self.write_error_rate
        parallel = (target > (self.g_min + self.g_max) / 2) ^ fails
        nominal = jnp.where(parallel, self.g_max, self.g_min)
        lower = jnp.where(parallel, 1, (1 + self.tmr_at_read) / (1 + tmr))
        return (nominal * lower * conducts).astype(target.dtype)
