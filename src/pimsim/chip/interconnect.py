"""What joins tiles to each other, and chips to each other."""

import equinox as eqx

from pimsim.circuits.base import AbstractCircuit, Cost
from pimsim.errors import require, require_positive
from pimsim.units import Area, Bandwidth, Frequency, Power, Time


class Router(AbstractCircuit):
    """A mesh router that a few tiles share; its event is one flit passing one router."""

    event: str = eqx.field(default="flit_hop", kw_only=True, static=True)
    flit_bits: int
    shared_by: int
    """Tiles at one router."""
    rate: Frequency
    """Flits per second, over all ports, at which the router draws `power`."""
    power: Power
    area: Area
    leakage: Power = 0.0
    latency: Time = 0.0
    """Of one flit through an idle router."""

    def __check_init__(self):
        require("flit_bits", self.flit_bits, 1, 4096)
        require("shared_by", self.shared_by, 1, 4096)
        require_positive("rate", self.rate, "Hz")

    def published_cost(self) -> Cost:
        energy = self.power / self.rate
        return Cost(energy=energy, power=self.power, area=self.area, leakage=self.leakage, latency=self.latency)


class Link(AbstractCircuit):
    """The chip's serial links to other chips, which draw the same power whether or not they carry data."""

    bandwidth: Bandwidth
    """Of all links of one chip together."""
    power: Power
    area: Area

    def __check_init__(self):
        require("bandwidth", self.bandwidth, 1)  # bit/s: fewer would take longer than cycles can be counted

    def published_cost(self) -> Cost:
        return Cost(power=self.power, area=self.area, constant=self.power)
