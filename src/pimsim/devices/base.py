"""The cell: a conductance that stores a level."""

from abc import abstractmethod

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from equinox import AbstractVar
from jaxtyping import Array, Float, Int, PRNGKeyArray

from pimsim.devices.writing import Pulse, Written
from pimsim.errors import SpecError, require
from pimsim.spec import AbstractSpec
from pimsim.units import Conductance, Conductances


class AbstractDevice(AbstractSpec):
    """One memory cell, read as the current G·V.

    Level ℓ of L aims at G* = g_min + (g_max - g_min)·ℓ/(L-1).
    """

    name: AbstractVar[str]
    g_min: AbstractVar[Conductance]
    g_max: AbstractVar[Conductance]
    endurance: float | None = eqx.field(default=None, kw_only=True)
    """Writes that a cell survives, if anybody states it. A limit to report, it changes no conductance."""
    pulse: Pulse | None = eqx.field(default=None, kw_only=True)
    """What writing takes, as far as it is stated; it changes no conductance either."""

    def __check_init__(self):
        require("g_min", self.g_min, 0)
        if self.endurance is not None:
            require("endurance", self.endurance, 1)
        if not self.g_max > self.g_min:
            raise SpecError("g_max", f"must exceed g_min ({self.g_min:g} S), got {self.g_max:g} S")

    def target(self, levels: Int[Array, "*cells"], count: int) -> Conductances[Array, "*cells"]:
        """The conductances that `count` evenly spaced levels aim at."""
        return (self.g_min + self.step(count) * levels).astype("float32")

    def step(self, count: int) -> Conductance | Conductances[Array, ""]:
        """Conductance between neighbouring levels."""
        return (self.g_max - self.g_min) / (count - 1)

    @property
    def most_levels(self) -> int:
        """Levels that the mechanism can hold apart: 2 for a binary cell."""
        return 256

    @property
    @abstractmethod
    def is_exact(self) -> bool:
        """Whether `program` hits every target, so that all copies of a matrix are alike."""

    @property
    def has_read_noise(self) -> bool:
        """Whether two reads of one cell differ."""
        return False

    def read_spread(self, g: Conductances[Array, "*cells"]) -> Conductances[Array, "*cells"]:
        """Standard deviation of a programmed conductance from read to read, independent for every read."""
        return jnp.zeros_like(g)

    @property
    def is_ohmic(self) -> bool:
        """Whether current is proportional to voltage."""
        return True

    def response(self, drive: Float[Array, "*n"]) -> Float[Array, "*n"]:
        """Current at a share of the read voltage, over that at the whole of it: by Ohm's law the share itself."""
        return drive

    def dissipation(self, drive: Float[np.ndarray | Array, "*n"]) -> Float[np.ndarray | Array, "*n"]:
        """Power at a share of the read voltage, over G V² at the whole of it, G being that at small voltages."""
        return drive**2

    @property
    def fresh(self) -> "AbstractDevice":
        """The same cell at the first time its model knows; itself if time changes nothing.

        Programmed with the same key, the fresh cell and the aged one are one cell at two times.
        """
        return self

    @abstractmethod
    def program(self, target: Conductances[Array, "*cells"], *, key: PRNGKeyArray) -> Conductances[Array, "*cells"]:
        """The conductances of cells programmed once, at the age that the cell states if it changes with time."""

    def write(self, target: Conductances[Array, "*cells"], *, key: PRNGKeyArray) -> Written:
        """What `program` ends at, and what it took: one pulse a cell unless a wrapper verifies."""
        return Written(self.program(target, key=key))

    @property
    def verification(self) -> tuple[Conductance | Conductances[Array, ""], int] | None:
        """The tolerance and the most pulses of a cell that is verified."""
        return None


class AbstractWrapper(AbstractDevice):
    """Another cell with something added: what it does not redefine is the other's.

    What it does to programmed cells is `altered`; `program` and `write` follow from it.
    """

    device: AbstractVar[AbstractDevice]

    @property
    def g_min(self) -> Conductance | Conductances[Array, ""]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.device.g_min

    @property
    def g_max(self) -> Conductance | Conductances[Array, ""]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.device.g_max

    @property
    def most_levels(self) -> int:
        return self.device.most_levels

    @property
    def is_exact(self) -> bool:
        return self.device.is_exact

    @property
    def has_read_noise(self) -> bool:
        return self.device.has_read_noise

    def read_spread(self, g: Conductances[Array, "*cells"]) -> Conductances[Array, "*cells"]:
        return self.device.read_spread(g)

    @property
    def is_ohmic(self) -> bool:
        return self.device.is_ohmic

    def response(self, drive: Float[Array, "*n"]) -> Float[Array, "*n"]:
        return self.device.response(drive)

    def dissipation(self, drive: Float[np.ndarray | Array, "*n"]) -> Float[np.ndarray | Array, "*n"]:
        return self.device.dissipation(drive)

    @property
    def fresh(self) -> AbstractDevice:
        young = self.device.fresh
        return self if young is self.device else eqx.tree_at(lambda wrapper: wrapper.device, self, young)

    @property
    def verification(self) -> tuple[Conductance | Conductances[Array, ""], int] | None:
        return self.device.verification

    def program(self, target: Conductances[Array, "*cells"], *, key: PRNGKeyArray) -> Conductances[Array, "*cells"]:
        return self.write(target, key=key).g

    def write(self, target: Conductances[Array, "*cells"], *, key: PRNGKeyArray) -> Written:
        done = self.device.write(target, key=key)
        return done._replace(g=self.altered(done.g, target, key=key))

    def altered(
        self, g: Conductances[Array, "*cells"], target: Conductances[Array, "*cells"], *, key: PRNGKeyArray
    ) -> Conductances[Array, "*cells"]:
        """What cells end at that would be `g` without the wrapper; `key` is what they were programmed with."""
        return g


def pulse_of(device: AbstractDevice) -> Pulse:
    """What writing a cell takes, a wrapper's own or that of the cell within; an empty statement if there is none."""
    if device.pulse is None and isinstance(device, AbstractWrapper):
        return pulse_of(device.device)
    return device.pulse or Pulse()


def endurance_of(device: AbstractDevice) -> float | None:
    """Writes that a cell survives, a wrapper's own or that of the cell within; None where nobody states it."""
    if device.endurance is None and isinstance(device, AbstractWrapper):
        return endurance_of(device.device)
    return device.endurance
