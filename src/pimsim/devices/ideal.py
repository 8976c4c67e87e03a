"""A cell without physics."""

from jaxtyping import Array, PRNGKeyArray

from pimsim.devices.base import AbstractDevice
from pimsim.units import Conductance, Conductances


class Ideal(AbstractDevice):
    """A cell that holds exactly the conductance it was asked for."""

    g_min: Conductance
    g_max: Conductance
    name: str = "ideal"

    @property
    def is_exact(self) -> bool:
        return True

    def program(self, target: Conductances[Array, "*cells"], *, key: PRNGKeyArray) -> Conductances[Array, "*cells"]:
        return target
