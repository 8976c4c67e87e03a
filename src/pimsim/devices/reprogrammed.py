"""The same array, written once more."""

import equinox as eqx
from jaxtyping import Array, Int, PRNGKeyArray

from pimsim.devices.base import AbstractDevice, AbstractWrapper
from pimsim.devices.writing import Written
from pimsim.errors import require
from pimsim.numerics import fold
from pimsim.units import Conductances


class Reprogrammed(AbstractWrapper):
    """A cell written for the `times`-th time: its error is another one, and what is wrong with its array is not.

    Within faults it draws the programming of their cells anew, and the faults stay where the array's key has them.
    """

    device: AbstractDevice
    times: int | Int[Array, ""] = 1
    """0 is another programming, too, than that of the cell without the wrapper."""
    name: str = "reprogrammed"

    def __check_init__(self):
        require("times", self.times, 0, 2**32 - 1)

    def write(self, target: Conductances[Array, "*cells"], *, key: PRNGKeyArray) -> Written:
        return self.device.write(target, key=fold(key, self.times))


def reprogrammed(device: AbstractDevice, times: Int[Array, ""]) -> AbstractDevice:
    """A device with its innermost cell written for another time; whatever wraps the cell stays as it is."""
    if not isinstance(device, AbstractWrapper):
        return Reprogrammed(device, times)  # pyright: ignore[reportCallIssue]
    return eqx.tree_at(lambda wrapper: wrapper.device, device, reprogrammed(device.device, times))
