"""Ferroelectric transistors: a level is a threshold voltage."""

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from pimsim.devices.base import AbstractDevice
from pimsim.errors import SpecError, require
from pimsim.units import Conductance, Conductances, Voltage


class Fefet(AbstractDevice):
    """FeFET read in its linear region; what is written with an error is the threshold voltage.

        G(V) = g_max · ln(1 + e^(V/v))/ln(1 + e^(V_max/v))       V = V_gate - V_t, the overdrive of a level
        V    = V*(G*) + σ_Vt z                                    z ~ N(0, 1), V* the inverse of G

    Well above threshold the error of G is the same for every level, g_max·σ_Vt/V_max; below, it is a factor,
    e^(σ_Vt z/v). No cell conducts less than nothing.

    v = 2 n k T/q is the EKV slope; an error in the polarisation, from cycle to cycle as from cell to cell, moves V_t.
    """

    g_min: Conductance
    """At least 1e-6 of g_max: a transistor that conducts nothing has no threshold."""
    g_max: Conductance
    overdrive: Voltage
    """V_max: overdrive of the highest level."""
    threshold_spread: Voltage
    """σ_Vt of a written level."""
    slope: Voltage
    """v: 2 n k T/q, about 70 mV at room temperature."""
    name: str = "fefet"

    def __check_init__(self):
        require("threshold_spread", self.threshold_spread, 0)
        require("g_min", self.g_min, 1e-6 * self.g_max)
        for field in ("overdrive", "slope"):
            if not getattr(self, field) > 0:
                raise SpecError(field, "must be more than 0 V")

    @property
    def is_exact(self) -> bool:
        return self.threshold_spread == 0

    def program(self, target: Conductances[Array, "*cells"], *, key: PRNGKeyArray) -> Conductances[Array, "*cells"]:
        error = self.threshold_spread * jr.normal(key, target.shape, target.dtype)
        highest = jnp.logaddexp(0, jnp.asarray(self.overdrive / self.slope))
        charge = target / self.g_max * highest
        overdrive = charge + jnp.log(-jnp.expm1(-charge))  # the inverse of ln(1 + e^u), without overflow
        missed = self.g_max / highest * jnp.logaddexp(0, overdrive + error / self.slope)
        exact = jnp.asarray(self.threshold_spread) == 0
        return jnp.where(exact, target, missed).astype(target.dtype)
