"""Defects, as wrappers over any cell."""

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from pimsim.devices.base import AbstractDevice, AbstractWrapper
from pimsim.errors import SpecError, require
from pimsim.units import Conductances


class StuckAt(AbstractWrapper):
    """Cells of which a share cannot be programmed: stuck at g_min (HRS) or at g_max (LRS), each on its own."""

    device: AbstractDevice
    hrs_rate: float
    """Share of cells stuck in the high-resistance state, at g_min."""
    lrs_rate: float
    """Share of cells stuck in the low-resistance state, at g_max."""
    name: str = "stuck-at"

    def __check_init__(self):
        require("hrs_rate", self.hrs_rate, 0, 1)
        require("lrs_rate", self.lrs_rate, 0, 1)
        if self.hrs_rate + self.lrs_rate > 1:
            raise SpecError("hrs_rate", f"hrs_rate + lrs_rate must be at most 1, got {self.hrs_rate + self.lrs_rate:g}")

    @property
    def is_exact(self) -> bool:
        return self.device.is_exact and self.hrs_rate + self.lrs_rate == 0

    def program(self, target: Conductances[Array, "*cells"], *, key: PRNGKeyArray) -> Conductances[Array, "*cells"]:
        cell_key, fault_key = jr.split(key)
        healthy = self.device.program(target, key=cell_key)
        fate = jr.uniform(fault_key, target.shape, target.dtype)
        stuck_low = fate < self.hrs_rate
        stuck_high = (fate >= self.hrs_rate) & (fate < self.hrs_rate + self.lrs_rate)
        faulty = jnp.where(stuck_low, self.g_min, jnp.where(stuck_high, self.g_max, healthy))
        return faulty.astype(target.dtype)
