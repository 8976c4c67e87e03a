"""Wires that are driven: word lines, bit lines, buses."""

import math

from pimsim.circuits.base import AbstractUnit, Cost
from pimsim.errors import require, require_positive
from pimsim.units import Area, Capacitance, Frequency, Power, Resistance, Voltage


class LineDriver(AbstractUnit):
    """A driver and the line it charges, with a load at the end of each segment; its event may charge the line.

        E = α C V²,    C = C_driver + n (C_segment + C_load)
        t = ln 2 · R_driver C + 0.38 · n R_segment · n (C_segment + C_load)

    Every charge is taken from a supply of V, whether the line is discharged afterwards or not; the delay is that of a
    distributed RC line (Rabaey et al., Digital Integrated Circuits, section 4.4).
    """

    segments: int
    """n: cells of a word or bit line, or pieces of a wire."""
    segment: Capacitance
    """C_segment, of the wire from one load to the next."""
    load: Capacitance
    """C_load: the gate or drain of a cell, or the input of a repeater."""
    swing: Voltage
    """V."""
    rate: Frequency
    """Events per second at which one instance draws its power."""
    area: Area
    driver: Capacitance = 0.0
    """C_driver, of the driver's own output."""
    driver_resistance: Resistance = 0.0
    segment_resistance: Resistance = 0.0
    activity: float = 1.0
    """α, the share of events that charge the line."""
    leakage: Power = 0.0
    number: int = 1

    def __check_init__(self):
        require("segments", self.segments, 1, 65536)
        require("number", self.number, 1)
        require("activity", self.activity, 0, 1)
        require_positive("swing", self.swing, "V")
        require_positive("rate", self.rate, "Hz")

    def published_cost(self) -> Cost:
        line = self.segments * (self.segment + self.load)
        whole = self.driver + line
        energy = self.activity * whole * self.swing**2
        delay = math.log(2) * self.driver_resistance * whole + 0.38 * self.segments * self.segment_resistance * line
        return Cost(energy=energy, power=energy * self.rate, area=self.area, leakage=self.leakage, latency=delay)
