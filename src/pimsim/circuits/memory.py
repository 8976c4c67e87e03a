"""Buffers."""

from typing import ClassVar

import equinox as eqx
import numpy as np
from equinox import AbstractVar

from pimsim.circuits.base import AbstractCircuit, Cost
from pimsim.errors import SpecError, require, require_positive
from pimsim.units import Area, Bandwidth, Energy, Power, Storage, Time


class AbstractBuffer(AbstractCircuit):
    """An on-chip memory; its event is one bit read or written."""

    usual_model: ClassVar[str] = "Buffer"

    event: str = eqx.field(default="buffer_bit", kw_only=True, static=True)
    capacity: AbstractVar[Storage]


class Buffer(AbstractBuffer):
    """An on-chip memory of known power at a known bandwidth."""

    capacity: Storage
    bandwidth: Bandwidth
    power: Power
    area: Area
    leakage: Power = 0.0
    latency: Time = 0.0

    def __check_init__(self):
        require_positive("capacity", self.capacity)
        require_positive("bandwidth", self.bandwidth)

    def published_cost(self) -> Cost:
        energy = self.power / self.bandwidth
        return Cost(energy=energy, power=self.power, area=self.area, leakage=self.leakage, latency=self.latency)


class SizedBuffer(AbstractBuffer):
    """An on-chip memory whose figures follow its capacity C, from those of one that was published.

        energy ∝ C^0.78          area, leakage ∝ C          cycle ∝ C^0.5

    0.78 = 1.56/2 is the accelergy library's fit to CACTI for the depth of an SRAM; the cycle grows as word and bit
    lines do. Refused outside `smallest` to `largest`, the capacities for which a card has something to compare with.
    """

    capacity: Storage
    reference: Storage
    """Capacity of the published memory, whose figures follow."""
    word_bits: int
    """Bits that one access moves."""
    energy: Energy
    """Of one access."""
    cycle: Time
    """From one access to the next."""
    area: Area
    smallest: Storage
    largest: Storage
    leakage: Power = 0.0
    energy_exponent: float = 0.78
    area_exponent: float = 1.0
    """Of the leakage, too."""
    cycle_exponent: float = 0.5

    def __check_init__(self):
        for field in ("reference", "smallest", "largest"):
            require_positive(field, getattr(self, field), "bit")
        require_positive("cycle", self.cycle, "s")
        require("word_bits", self.word_bits, 1, 65536)
        if np.any((self.capacity < self.smallest) | (self.capacity > self.largest)):
            smallest, largest = np.max(self.smallest) / 8192, np.min(self.largest) / 8192
            fact = f"must be {smallest:g} to {largest:g} KB, where the law is stated"
            raise SpecError("capacity", fact, "Choose a memory of that size: `pimsim list components`.")

    def published_cost(self) -> Cost:
        ratio = self.capacity / self.reference
        access, cycle = self.energy * ratio**self.energy_exponent, self.cycle * ratio**self.cycle_exponent
        grown = ratio**self.area_exponent
        return Cost(
            energy=access / self.word_bits,
            power=access / cycle,
            area=self.area * grown,
            leakage=self.leakage * grown,
            latency=cycle,
        )
