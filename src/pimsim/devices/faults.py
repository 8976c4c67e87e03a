"""Defects, as wrappers over any cell.

Faults strike the physical array: the last two axes of what is programmed at once are its word lines (rows) and its bit
lines (columns), with the slices and polarities of a weight side by side along the columns.
"""

from typing import Literal

import jax.numpy as jnp
import jax.random as jr
from equinox import AbstractVar
from jax import lax
from jaxtyping import Array, Bool, PRNGKeyArray

from pimsim.devices.base import AbstractDevice, AbstractWrapper
from pimsim.devices.writing import Verified, Written
from pimsim.errors import SpecError, require
from pimsim.units import Conductances


class AbstractFault(AbstractWrapper):
    """Cells of which some do not hold what they are told; the others are as they would be without it.

    The first half of a split key programs the cell within; the rest decides which cells are struck.
    """

    device: AbstractVar[AbstractDevice]

    def write(self, target: Conductances[Array, "*cells"], *, key: PRNGKeyArray) -> Written:
        """A broken cell is found within the tolerance at its first pulse, or gets all pulses in vain."""
        done = self.device.write(target, key=jr.split(key)[0])
        g = self.altered(done.g, target, key=key)
        if done.verified is None or self.verification is None:
            return Written(g)
        tolerance, most = self.verification
        struck, close = g != done.g, jnp.abs(g - target) <= tolerance
        pulses = jnp.where(struck, jnp.where(close, 1, most), done.verified.pulses)
        return Written(g, Verified(pulses, jnp.where(struck, close, done.verified.converged)))


class StuckAt(AbstractFault):
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

    def altered(
        self, g: Conductances[Array, "*cells"], target: Conductances[Array, "*cells"], *, key: PRNGKeyArray
    ) -> Conductances[Array, "*cells"]:
        _, fault_key = jr.split(key)
        fate = jr.uniform(fault_key, target.shape, target.dtype)
        stuck_low = fate < self.hrs_rate
        stuck_high = (fate >= self.hrs_rate) & (fate < self.hrs_rate + self.lrs_rate)
        faulty = jnp.where(stuck_low, self.g_min, jnp.where(stuck_high, self.g_max, g))
        return faulty.astype(target.dtype)


class StuckAnywhere(AbstractFault):
    """Cells of which a share is stuck at a conductance of its own, anywhere between g_min and g_max."""

    device: AbstractDevice
    rate: float
    """Share of cells stuck."""
    name: str = "stuck-anywhere"

    def __check_init__(self):
        require("rate", self.rate, 0, 1)

    @property
    def is_exact(self) -> bool:
        return self.device.is_exact and self.rate == 0

    def altered(
        self, g: Conductances[Array, "*cells"], target: Conductances[Array, "*cells"], *, key: PRNGKeyArray
    ) -> Conductances[Array, "*cells"]:
        _, fault_key, level_key = jr.split(key, 3)
        stuck = jr.uniform(fault_key, target.shape, target.dtype) < self.rate
        level = self.g_min + (self.g_max - self.g_min) * jr.uniform(level_key, target.shape, target.dtype)
        return jnp.where(stuck, level, g).astype(target.dtype)


class StuckClusters(AbstractFault):
    """Cells stuck in squares of `size` × `size` neighbours, as a particle or a void leaves them.

    Squares fall independently and may overlap or reach over the array's edge: with a chance c of one at each place a
    cell is healthy with the probability (1 - c)^(size²), which is 1 - rate.
    """

    device: AbstractDevice
    rate: float
    """Share of cells stuck, below 1."""
    size: int
    """Cells along the side of a square."""
    state: Literal["hrs", "lrs"] = "hrs"
    """Whether they are stuck at g_min or at g_max."""
    name: str = "stuck-clusters"

    def __check_init__(self):
        require("rate", self.rate, 0, 0.999)
        require("size", self.size, 1, 1000)

    @property
    def is_exact(self) -> bool:
        return self.device.is_exact and self.rate == 0

    def altered(
        self, g: Conductances[Array, "*cells"], target: Conductances[Array, "*cells"], *, key: PRNGKeyArray
    ) -> Conductances[Array, "*cells"]:
        _, fault_key = jr.split(key)
        stuck_at = self.g_min if self.state == "hrs" else self.g_max
        return jnp.where(self._struck(target, fault_key), stuck_at, g).astype(target.dtype)

    def _struck(self, target: Conductances[Array, "*cells"], key: PRNGKeyArray) -> Bool[Array, "*cells"]:
        *outer, rows, cols = jnp.atleast_2d(target).shape
        reach = self.size - 1
        chance = 1 - (1 - jnp.asarray(self.rate, target.dtype)) ** (1 / self.size**2)
        corner = jr.uniform(key, (*outer, rows + reach, cols + reach), target.dtype) < chance
        window = (*(1 for _ in outer), self.size, self.size)
        covered = lax.reduce_window(corner, False, jnp.logical_or, window, (1,) * len(window), "VALID")
        return covered.reshape(target.shape)


class BrokenLines(AbstractFault):
    """Arrays of which whole word lines and bit lines are open: no current flows in any of their cells.

    An open cell conducts nothing, less than g_min. A vector of cells is one word line.
    """

    device: AbstractDevice
    row_rate: float
    """Share of word lines that are broken."""
    col_rate: float
    """Share of bit lines that are broken."""
    name: str = "broken-lines"

    def __check_init__(self):
        require("row_rate", self.row_rate, 0, 1)
        require("col_rate", self.col_rate, 0, 1)

    @property
    def is_exact(self) -> bool:
        return self.device.is_exact and self.row_rate == self.col_rate == 0

    def altered(
        self, g: Conductances[Array, "*cells"], target: Conductances[Array, "*cells"], *, key: PRNGKeyArray
    ) -> Conductances[Array, "*cells"]:
        _, row_key, col_key = jr.split(key, 3)
        *outer, rows, cols = jnp.atleast_2d(target).shape
        row = jr.uniform(row_key, (*outer, rows, 1), target.dtype) < self.row_rate
        col = jr.uniform(col_key, (*outer, 1, cols), target.dtype) < self.col_rate
        return jnp.where((row | col).reshape(target.shape), 0, g).astype(target.dtype)
