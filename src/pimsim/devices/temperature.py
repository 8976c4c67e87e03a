"""What temperature does to a cell, as wrappers: it forgets faster, and conducts differently."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from pimsim.devices.base import AbstractDevice, AbstractWrapper
from pimsim.errors import SpecError, require
from pimsim.units import ActivationEnergy, Conductances, Temperature, Time

BOLTZMANN_EV = 8.617333262e-5
"""eV/K."""


class Retention(AbstractWrapper):
    """A cell that forgets: its conductance decays to g_min, faster when it is hot.

    G(t) = g_min + (G(0) - g_min) exp(-(t/τ)^β)
    τ(T) = τ_ref exp(E_a/k · (1/T - 1/T_ref))          Arrhenius
    """

    device: AbstractDevice
    age: Time
    """Time spent at `temperature` since programming."""
    temperature: Temperature
    retention_time: Time
    """τ_ref, at which a share 1/e is left at the reference temperature."""
    reference_temperature: Temperature
    activation_energy: ActivationEnergy
    stretch: float = 1.0
    """β: 1 is one rate for all, less a spread of rates within a cell."""
    name: str = "retention"

    def __check_init__(self):
        require("age", self.age, 0)
        require("activation_energy", self.activation_energy, 0)
        require("stretch", self.stretch, 1e-3, 1)
        for field, unit in (("temperature", "K"), ("reference_temperature", "K"), ("retention_time", "s")):
            if not getattr(self, field) > 0:
                raise SpecError(field, f"must be more than 0 {unit}")

    @property
    def is_exact(self) -> bool:
        return self.device.is_exact and self.age == 0

    @property
    def fresh(self) -> AbstractDevice:
        young = eqx.tree_at(lambda cell: cell.age, self, 0.0)
        return eqx.tree_at(lambda cell: cell.device, young, self.device.fresh)

    @property
    def kept(self) -> Float[Array, ""]:
        """The share of a cell's distance from g_min that is left."""
        colder = 1 / self.temperature - 1 / self.reference_temperature
        lifetime = self.retention_time * jnp.exp(self.activation_energy / BOLTZMANN_EV * colder)
        return jnp.exp(-((self.age / lifetime) ** self.stretch))

    def altered(
        self, g: Conductances[Array, "*cells"], target: Conductances[Array, "*cells"], *, key: PRNGKeyArray
    ) -> Conductances[Array, "*cells"]:
        return (self.g_min + (g - self.g_min) * self.kept).astype(target.dtype)


class AtTemperature(AbstractWrapper):
    """A cell read at another temperature than that at which it was programmed and verified.

        G(T) = G · (1 + α(G) (T - T_ref))      α linear in G, between its values at g_min and at g_max

    High-resistance states conduct better when hot (α > 0, hopping), filaments worse (α < 0, metallic).
    """

    device: AbstractDevice
    temperature: Temperature
    reference_temperature: Temperature
    coefficient_at_g_min: float
    """α of the lowest state, 1/K."""
    coefficient_at_g_max: float
    """α of the highest state, 1/K."""
    name: str = "at-temperature"

    def __check_init__(self):
        for field in ("coefficient_at_g_min", "coefficient_at_g_max"):
            if 1 + getattr(self, field) * (self.temperature - self.reference_temperature) <= 0:
                raise SpecError(field, "leaves no conductance at this temperature", "The linear law ends before it.")

    @property
    def is_exact(self) -> bool:
        coefficients = self.coefficient_at_g_min, self.coefficient_at_g_max
        return self.device.is_exact and (self.temperature == self.reference_temperature or not any(coefficients))

    def altered(
        self, g: Conductances[Array, "*cells"], target: Conductances[Array, "*cells"], *, key: PRNGKeyArray
    ) -> Conductances[Array, "*cells"]:
        place = jnp.clip((g - self.g_min) / (self.g_max - self.g_min), 0, 1)
        coefficient = self.coefficient_at_g_min + (self.coefficient_at_g_max - self.coefficient_at_g_min) * place
        return (g * (1 + coefficient * (self.temperature - self.reference_temperature))).astype(target.dtype)
