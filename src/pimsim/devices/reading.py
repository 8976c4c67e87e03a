"""Noise of one read, as wrappers over any cell: thermal, shot, random telegraph and 1/f.

Each adds its variance to what the cell within has, as conductance: σ_G = σ_I/V. A read of duration t has a noise
bandwidth of 1/(2 t). Noise is drawn anew for every read.
"""

from abc import abstractmethod

import jax.numpy as jnp
from equinox import AbstractVar
from jaxtyping import Array

from pimsim.devices import flicker
from pimsim.devices.base import AbstractDevice, AbstractWrapper
from pimsim.errors import SpecError, require
from pimsim.units import Conductances, Temperature, Time, Voltage

BOLTZMANN = 1.380649e-23
"""J/K, exact by definition of the kelvin."""
CHARGE = 1.602176634e-19
"""C, exact by definition of the ampere."""


class AbstractReadNoise(AbstractWrapper):
    """A cell whose reads differ by one more mechanism."""

    device: AbstractVar[AbstractDevice]

    @property
    def has_read_noise(self) -> bool:
        return True

    @abstractmethod
    def own_spread(self, g: Conductances[Array, "*cells"]) -> Conductances[Array, "*cells"]:
        """Standard deviation that this mechanism alone adds to conductances of at least 0."""

    def read_spread(self, g: Conductances[Array, "*cells"]) -> Conductances[Array, "*cells"]:
        return jnp.hypot(self.device.read_spread(g), self.own_spread(jnp.maximum(g, 0))).astype(g.dtype)


class ThermalNoise(AbstractReadNoise):
    """Johnson-Nyquist noise of the cell as a resistor: σ_G = √(4 k T G · 1/(2 t))/V."""

    device: AbstractDevice
    temperature: Temperature
    read_voltage: Voltage
    read_time: Time
    name: str = "thermal-noise"

    def __check_init__(self):
        require("temperature", self.temperature, 0)
        require_read(self.read_voltage, self.read_time)

    def own_spread(self, g: Conductances[Array, "*cells"]) -> Conductances[Array, "*cells"]:
        return jnp.sqrt(2 * BOLTZMANN * self.temperature * g / self.read_time) / self.read_voltage


class ShotNoise(AbstractReadNoise):
    """Shot noise of the read current: σ_G = √(2 q G V · 1/(2 t))/V; for barriers, full of it, not for metals."""

    device: AbstractDevice
    read_voltage: Voltage
    read_time: Time
    name: str = "shot-noise"

    def __check_init__(self):
        require_read(self.read_voltage, self.read_time)

    def own_spread(self, g: Conductances[Array, "*cells"]) -> Conductances[Array, "*cells"]:
        return jnp.sqrt(CHARGE * g / (self.read_time * self.read_voltage))


class TelegraphNoise(AbstractReadNoise):
    """A trap that takes a share a of the conductance away for a share p of the time: σ_G = a G √(p (1-p)).

    For traps that switch faster than reads follow each other and slower than one read lasts.
    """

    device: AbstractDevice
    amplitude: float
    """a, dimensionless."""
    occupancy: float = 0.5
    """p, dimensionless."""
    name: str = "telegraph-noise"

    def __check_init__(self):
        require("amplitude", self.amplitude, 0, 1)
        require("occupancy", self.occupancy, 0, 1)

    def own_spread(self, g: Conductances[Array, "*cells"]) -> Conductances[Array, "*cells"]:
        return self.amplitude * g * jnp.sqrt(self.occupancy * (1 - jnp.asarray(self.occupancy)))


class FlickerNoise(AbstractReadNoise):
    """1/f noise S = Q² G²/f of a run that lasts T, resolved by reads of t: σ_G = Q G √ln((T + t)/(2 t))."""

    device: AbstractDevice
    relative: float
    """Q, dimensionless."""
    run_time: Time
    """T, how long the network is read; slower noise is an offset that belongs to the cell."""
    read_time: Time
    name: str = "flicker-noise"

    def __check_init__(self):
        require("relative", self.relative, 0)
        flicker.require_times(self.run_time, self.run_time, self.read_time)

    def own_spread(self, g: Conductances[Array, "*cells"]) -> Conductances[Array, "*cells"]:
        return self.relative * g * flicker.fast(self.run_time, self.read_time)


def require_read(voltage: Voltage, time: Time) -> None:
    """Raise SpecError unless a cell is read with a voltage, for a time."""
    for field, value, unit in (("read_voltage", voltage, "V"), ("read_time", time, "s")):
        if not value > 0:
            raise SpecError(field, f"must be more than 0 {unit}, got {value:g} {unit}")
