"""Programming by write and verify: pulses until a cell is close enough, or until they run out."""

from typing import NamedTuple

import jax.numpy as jnp
import jax.random as jr
from jax import lax
from jaxtyping import Array, Int, PRNGKeyArray

from pimsim.devices.base import AbstractDevice, AbstractWrapper, endurance_of
from pimsim.devices.faults import AbstractFault
from pimsim.devices.writing import Verified, Written
from pimsim.errors import SpecError, require
from pimsim.units import Conductance, Conductances


class WriteVerify(AbstractWrapper):
    """A cell that is programmed again until a read finds it within a tolerance of its target.

        pulse n leaves G_n;  stop at the first |G_n(first time) - G*| ≤ tolerance, or at n = pulses

    Every pulse is a new draw of the cell's own programming, so the result is the cell's error cut off at the tolerance,
    but for the cells that never came so close. With p the chance that one pulse does, a share 1 - (1-p)^n converges
    within n pulses, after a mean of (1 - (1-p)^n)/p. The verifying read is the cell's first: drift comes later. Without
    this wrapper a cell gets one pulse.
    """

    device: AbstractDevice
    tolerance: Conductance
    """The largest distance from the target that is accepted."""
    pulses: int
    """Pulses after which the cell is left as it is."""
    name: str = "write-verify"

    def __check_init__(self):
        require("tolerance", self.tolerance, 0)
        require("pulses", self.pulses, 1, 10_000)
        inner = self.device
        while isinstance(inner, AbstractWrapper):
            if isinstance(inner, AbstractFault):
                remedy = "Put the fault outside, around WriteVerify: a broken cell stays broken from pulse to pulse."
                raise SpecError("device", f"{type(inner).__name__} is drawn once an array, not once a pulse", remedy)
            inner = inner.device

    @property
    def verification(self) -> tuple[Conductance | Conductances[Array, ""], int]:
        return self.tolerance, self.pulses

    def write(self, target: Conductances[Array, "*cells"], *, key: PRNGKeyArray) -> Written:
        fresh = self.device.fresh

        def pulse(index: Int[Array, ""], state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            g, pulses, converged = state
            own = jr.fold_in(key, index)
            aged = self.device.program(target, key=own)
            read = aged if fresh is self.device else fresh.program(target, key=own)
            close = jnp.abs(read - target) <= self.tolerance
            return jnp.where(converged, g, aged), pulses + ~converged, converged | close

        start = target, jnp.zeros(target.shape, jnp.int32), jnp.zeros(target.shape, bool)
        g, pulses, converged = lax.fori_loop(0, self.pulses, pulse, start)
        return Written(g, Verified(pulses, converged))


class Effort(NamedTuple):
    """What programming a set of cells took."""

    mean_pulses: float
    converged: float
    """Share of the cells that ended within the tolerance."""
    endurance_used: float | None
    """Share of the cells' endurance that programming them once takes, on average, where it is stated."""


def report_programming(device: WriteVerify, target: Conductances[Array, "*cells"], *, key: PRNGKeyArray) -> Effort:
    """The statistics of write and verify on these targets; with the key of `program`, of the very same cells."""
    done = device.write(target, key=key).verified
    assert done is not None
    pulses, limit = float(done.pulses.mean()), endurance_of(device)
    return Effort(pulses, float(done.converged.mean()), pulses / limit if limit else None)
