"""Digital units made of gates."""

import numpy as np

from pimsim.circuits.base import AbstractUnit, Cost
from pimsim.errors import SpecError, require, require_positive
from pimsim.units import Area, Energy, Frequency, Power, Time


class AdderTree(AbstractUnit):
    """A binary tree of ripple-carry adders that sums n numbers of b bits; its event is one such sum.

        adders of one bit    n (b + 1) - (b + log2 n + 1)
        delay                log2 n · t_sum + (b + log2 n - 2) t_carry: the carries of all levels ripple together

    Every adder is charged for each sum. Source of the count: KULeuven-MICAS/zigzag-imc, commit df34a6f.
    """

    inputs: int
    """n, a power of two."""
    bits: int
    """b."""
    adder_energy: Energy
    """Of one bit."""
    adder_area: Area
    sum_time: Time
    """Of one bit, from an input to the sum."""
    carry_time: Time
    """From carry in to carry out."""
    rate: Frequency
    """Sums per second at which one instance draws its power."""
    adder_leakage: Power = 0.0
    number: int = 1

    def __check_init__(self):
        require("inputs", self.inputs, 2, 65536)
        require("bits", self.bits, 1, 64)
        require("number", self.number, 1)
        require_positive("rate", self.rate, "Hz")
        if np.any(np.log2(self.inputs) % 1 != 0):
            raise SpecError("inputs", f"must be a power of two, got {self.inputs}", "Tie inputs that are left to 0.")

    def published_cost(self) -> Cost:
        levels = np.log2(self.inputs)
        adders = self.inputs * (self.bits + 1) - (self.bits + levels + 1)
        energy = adders * self.adder_energy
        return Cost(
            energy=energy,
            power=energy * self.rate,
            area=adders * self.adder_area,
            leakage=adders * self.adder_leakage,
            latency=levels * self.sum_time + (self.bits + levels - 2) * self.carry_time,
        )
