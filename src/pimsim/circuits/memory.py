"""Buffers."""

from pimsim.circuits.base import AbstractCircuit, Cost
from pimsim.errors import SpecError
from pimsim.units import Area, Bandwidth, Power, Storage


class Buffer(AbstractCircuit):
    """An on-chip memory of known power at a known bandwidth; its event is one bit read or written."""

    capacity: Storage
    bandwidth: Bandwidth
    power: Power
    area: Area
    leakage: Power = 0.0

    def __check_init__(self):
        for field in ("capacity", "bandwidth"):
            if getattr(self, field) <= 0:
                raise SpecError(field, "must be more than 0")

    def cost(self) -> Cost:
        energy = self.power / self.bandwidth
        return Cost(energy=energy, power=self.power, area=self.area, leakage=self.leakage)
