"""Global drift compensation: one factor an array makes up for what its cells have lost together."""

import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

from pimsim.devices.base import AbstractDevice, AbstractWrapper
from pimsim.units import Conductances


class DriftCompensated(AbstractWrapper):
    """A cell in an array whose converters follow a reference read of all its rows.

        α = Σ G(first read) / Σ G(age)      over the cells of one physical array

    scales every current of the array, as a full scale that tracks the reference read does. It restores the mean and
    leaves what differs from cell to cell: the spread of drift exponents and 1/f noise.

    Source: the scheme of Joshi et al., Nat. Commun. 11, 2473 (2020), which scales the digital outputs by α; the two
    are the same but for where conversions clip and round.
    """

    device: AbstractDevice
    name: str = "drift-compensated"

    def altered(
        self, g: Conductances[Array, "*cells"], target: Conductances[Array, "*cells"], *, key: PRNGKeyArray
    ) -> Conductances[Array, "*cells"]:
        first = self.device.fresh.program(target, key=key)
        total = g.sum()
        return jnp.where(total > 0, g * (first.sum() / total), g).astype(target.dtype)
