"""How a cell is written: the pulse it takes, and what a set of cells took."""

from typing import NamedTuple

from jaxtyping import Array, Bool, Int

from pimsim.errors import require
from pimsim.spec import AbstractSpec
from pimsim.units import Conductances, Energy, Time


class Pulse(AbstractSpec):
    """One programming pulse; where it is followed by a read that verifies it, that read belongs to both figures."""

    energy: Energy | None = None
    """None where nobody states it."""
    width: Time | None = None
    """None where nobody states it."""
    parallel: int = 1
    """Cells of a chip that are pulsed at the same time; unless told otherwise one after the other."""

    def __check_init__(self):
        require("parallel", self.parallel, 1)


class Verified(NamedTuple):
    """What verifying cells while they are written took, and came to."""

    pulses: Int[Array, "*cells"]
    converged: Bool[Array, "*cells"]
    """Whether a cell was found within the tolerance."""


class Written(NamedTuple):
    """Cells that were programmed, and what that took."""

    g: Conductances[Array, "*cells"]
    verified: Verified | None = None
    """None where every cell gets one pulse, and nobody looks."""
