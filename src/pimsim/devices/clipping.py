"""Limits on what programming can end at, as wrappers over any cell."""

import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

from pimsim.devices.base import AbstractDevice, AbstractWrapper
from pimsim.units import Conductances


class NonNegative(AbstractWrapper):
    """A cell whose programming error ends at a conductance of zero.

    No cell conducts less, but cutting a Gaussian error off there shifts the mean of a level at zero by 0.4 σ, so that
    differential weights shrink towards zero; a study inherits that bias. CrossSim cuts so; ReRAM cells here do not.
    """

    device: AbstractDevice
    name: str = "non-negative"

    def altered(
        self, g: Conductances[Array, "*cells"], target: Conductances[Array, "*cells"], *, key: PRNGKeyArray
    ) -> Conductances[Array, "*cells"]:
        return jnp.maximum(g, 0)


class WithinRange(AbstractWrapper):
    """A cell that never ends outside g_min … g_max; both end levels inherit the bias of a cut-off error."""

    device: AbstractDevice
    name: str = "within-range"

    def altered(
        self, g: Conductances[Array, "*cells"], target: Conductances[Array, "*cells"], *, key: PRNGKeyArray
    ) -> Conductances[Array, "*cells"]:
        return jnp.clip(g, self.g_min, self.g_max).astype(target.dtype)
