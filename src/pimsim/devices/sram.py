"""SRAM cells that compute: one bit each, read as a current or as a charge."""

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from pimsim.devices.base import AbstractDevice
from pimsim.devices.reading import BOLTZMANN
from pimsim.errors import SpecError, require
from pimsim.units import Capacitance, Conductance, Conductances, Temperature, Time, Voltage


class SramCurrent(AbstractDevice):
    """6T or 8T SRAM bit, read as the current of its transistor; transistors differ in their threshold.

    on:   G = g_max · max(0, (V_ov - δ)/V_ov)^α      α-power law of the drive current
    off:  G = g_min · 10^(-δ/S)                      subthreshold leakage
    δ = σ_Vt z,  z ~ N(0, 1)                         one z a cell, σ_Vt = A_Vt/√(W L) (Pelgrom)
    """

    g_min: Conductance
    """Leakage of a cell that holds 0, over the read voltage."""
    g_max: Conductance
    """Read current of a cell that holds 1, over the read voltage."""
    threshold_spread: Voltage
    """σ_Vt of the read transistor."""
    overdrive: Voltage
    """V_ov: gate voltage above the threshold while reading."""
    alpha: float
    """α of the drive current; 2 in long channels, about 1.3 in short ones."""
    swing: Voltage
    """S: gate voltage for a factor of ten of leakage."""
    name: str = "sram-current"

    def __check_init__(self):
        require("threshold_spread", self.threshold_spread, 0)
        require("alpha", self.alpha, 0)
        for field in ("overdrive", "swing"):
            if not getattr(self, field) > 0:
                raise SpecError(field, "must be more than 0 V")

    @property
    def most_levels(self) -> int:
        return 2

    @property
    def is_exact(self) -> bool:
        return self.threshold_spread == 0

    def program(self, target: Conductances[Array, "*cells"], *, key: PRNGKeyArray) -> Conductances[Array, "*cells"]:
        shift = self.threshold_spread * jr.normal(key, target.shape, target.dtype)
        drive = jnp.maximum((self.overdrive - shift) / self.overdrive, 0) ** self.alpha
        leak = 10 ** (-shift / self.swing)
        return (target * jnp.where(target > (self.g_min + self.g_max) / 2, drive, leak)).astype(target.dtype)


class SramCharge(AbstractDevice):
    """SRAM bit with a capacitor, read as the charge that it shares.

        G = (C/t) (1 + ρ z) for a 1, nothing for a 0         C/t: the charge C·V in a cycle t, as a conductance
        read: σ_G = (C/t) √(k T/C)/V                         kT/C noise of every capacitor, whatever it holds

    ρ is the mismatch of one capacitor against another, z ~ N(0, 1).
    """

    capacitance: Capacitance
    cycle: Time
    """One read: sampling and sharing of the charge."""
    voltage: Voltage
    """The capacitor's swing."""
    mismatch: float
    """ρ, dimensionless."""
    temperature: Temperature = 300.0
    name: str = "sram-charge"

    def __check_init__(self):
        require("mismatch", self.mismatch, 0)
        require("temperature", self.temperature, 0)
        for field in ("capacitance", "cycle", "voltage"):
            if not getattr(self, field) > 0:
                raise SpecError(field, "must be more than 0")

    @property
    def g_min(self) -> Conductance:  # pyright: ignore[reportIncompatibleVariableOverride]
        return 0.0

    @property
    def g_max(self) -> Conductance | Conductances[Array, ""]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.capacitance / self.cycle

    @property
    def most_levels(self) -> int:
        return 2

    @property
    def is_exact(self) -> bool:
        return self.mismatch == 0

    @property
    def has_read_noise(self) -> bool:
        return self.temperature > 0

    def read_spread(self, g: Conductances[Array, "*cells"]) -> Conductances[Array, "*cells"]:
        relative = jnp.sqrt(BOLTZMANN * self.temperature / jnp.asarray(self.capacitance)) / self.voltage
        return jnp.full_like(g, self.g_max * relative)

    def program(self, target: Conductances[Array, "*cells"], *, key: PRNGKeyArray) -> Conductances[Array, "*cells"]:
        return (target * (1 + self.mismatch * jr.normal(key, target.shape, target.dtype))).astype(target.dtype)
