"""Metal-oxide resistive memory: conductances that miss their targets."""

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from pimsim.devices.base import AbstractDevice
from pimsim.errors import require
from pimsim.units import Conductance, Conductances


class Reram(AbstractDevice):
    """ReRAM cell with a Gaussian programming error, absolute, proportional to the target, or both.

        G = G* + (σ + ρ G*) z      z ~ N(0, 1)

    The linear spread is the form in which Falcone et al., arXiv:2502.04524, fit write-verified cells. The error is not
    truncated at G = 0: truncation would shift the mean of a low level by up to 0.4 σ, and with it every weight. Cells
    that must stay positive are LognormalReram's.
    """

    g_min: Conductance
    g_max: Conductance
    programming_noise: Conductance = 0.0
    """σ, the part of the error that every level shares."""
    proportional_noise: float = 0.0
    """ρ, the part that grows with the target; dimensionless."""
    read_noise: Conductance = 0.0
    """Spread of a cell from read to read, the part that every conductance shares …"""
    proportional_read_noise: float = 0.0
    """… and the part that grows with it; dimensionless."""
    name: str = "reram"

    def __check_init__(self):
        require("programming_noise", self.programming_noise, 0)
        require("proportional_noise", self.proportional_noise, 0)
        require("proportional_read_noise", self.proportional_read_noise, 0)

    @property
    def is_exact(self) -> bool:
        return self.programming_noise == 0 and self.proportional_noise == 0

    @property
    def has_read_noise(self) -> bool:
        return self.read_noise > 0 or self.proportional_read_noise > 0

    def read_spread(self, g: Conductances[Array, "*cells"]) -> Conductances[Array, "*cells"]:
        return (self.read_noise + self.proportional_read_noise * g).astype(g.dtype)

    def program(self, target: Conductances[Array, "*cells"], *, key: PRNGKeyArray) -> Conductances[Array, "*cells"]:
        sigma = self.programming_noise + self.proportional_noise * target
        return (target + sigma * jr.normal(key, target.shape, target.dtype)).astype(target.dtype)


class LognormalReram(AbstractDevice):
    """ReRAM cell whose programmed conductance spreads log-normally, with its target as the median.

    G = G* exp(σ z)      z ~ N(0, 1)
    """

    g_min: Conductance
    g_max: Conductance
    sigma: float
    """Standard deviation of ln G, dimensionless."""
    name: str = "reram-lognormal"

    def __check_init__(self):
        require("sigma", self.sigma, 0)

    @property
    def is_exact(self) -> bool:
        return self.sigma == 0

    def program(self, target: Conductances[Array, "*cells"], *, key: PRNGKeyArray) -> Conductances[Array, "*cells"]:
        return (target * jnp.exp(self.sigma * jr.normal(key, target.shape, target.dtype))).astype(target.dtype)
