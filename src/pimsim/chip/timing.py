"""How long the multipliers of a machine take for operands of any width, and how many there are of them."""

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from pimsim.errors import SpecError, quoted, require, require_positive
from pimsim.spec import AbstractSpec
from pimsim.units import Time, Varying

Latencies = Callable[[str], Varying[Time, " variant"]]
"""Of a machine's units, by name."""


def no_latency(unit: str) -> Varying[Time, " variant"]:
    raise SpecError("timing", f"there is no unit {quoted(unit)}")


class Pass(NamedTuple):
    """Multiply-accumulates of full width that finish together, and the time until the next can."""

    macs: float
    time: Varying[Time, " variant"]


class AbstractTiming(AbstractSpec):
    """The schedule of a machine's multipliers."""

    @abstractmethod
    def of(self, input_bits: int, weight_bits: int, latency: Latencies = no_latency) -> Pass:
        """What one pass multiplies, for operands of these widths; `latency` is that of the machine's units."""

    @abstractmethod
    def events(self, input_bits: int, weight_bits: int) -> dict[str, float]:
        """How often in a pass each event happens that a unit may be charged for; `pass` itself once."""


class Clocked(AbstractTiming):
    """Multipliers of a fixed width; wider inputs take more passes, wider weights more multipliers."""

    macs: int
    time: Time
    """From one pass to the next."""
    input_bits: int = 1
    """Of an input in one pass."""
    weight_bits: int = 1
    """Of one multiplier."""

    def __check_init__(self):
        for field in ("macs", "input_bits", "weight_bits"):
            require(field, getattr(self, field), 1)
        require_positive("time", self.time, "s")

    def of(self, input_bits: int, weight_bits: int, latency: Latencies = no_latency) -> Pass:
        cycles = math.ceil(input_bits / self.input_bits)
        return Pass(self.macs / math.ceil(weight_bits / self.weight_bits), self.time * cycles)

    def events(self, input_bits: int, weight_bits: int) -> dict[str, float]:
        return {"pass": 1.0, "cycle": float(math.ceil(input_bits / self.input_bits))}


class CriticalPath(AbstractTiming):
    """A cycle takes as long as a signal through the units on its way, one after the other; else as Clocked."""

    macs: int
    path: tuple[str, ...]
    """Units, by name; one may be passed twice."""
    input_bits: int = 1
    weight_bits: int = 1

    def __check_init__(self):
        for field in ("macs", "input_bits", "weight_bits"):
            require(field, getattr(self, field), 1)

    def of(self, input_bits: int, weight_bits: int, latency: Latencies = no_latency) -> Pass:
        cycles, cycle = math.ceil(input_bits / self.input_bits), sum(map(latency, self.path))
        if np.any(cycle <= 0):
            raise SpecError("timing.path", "takes no time", "Name units whose circuits have a latency.")
        return Pass(self.macs / math.ceil(weight_bits / self.weight_bits), cycles * cycle)

    def events(self, input_bits: int, weight_bits: int) -> dict[str, float]:
        return {"pass": 1.0, "cycle": float(math.ceil(input_bits / self.input_bits))}


class RippleColumns(AbstractTiming):
    """An adder in every cell: a weight's adders lie side by side, sums ripple down the rows to the next register.

        t = x (w + g + r + 2) t_add          x input bits, one after the other; w weight bits; g guard bits; r rows

    Kim et al., IEEE JSSC 56, 2221 (2021).
    """

    rows: int
    columns: int
    rows_per_register: int
    adder_time: Time
    guard_bits: int
    """Columns beyond the weight's own, into which its sums grow."""

    def __check_init__(self):
        for field in ("rows", "columns", "rows_per_register"):
            require(field, getattr(self, field), 1, 65536)
        require_positive("adder_time", self.adder_time, "s")

    def of(self, input_bits: int, weight_bits: int, latency: Latencies = no_latency) -> Pass:
        adders = weight_bits + self.guard_bits
        path = (adders + self.rows_per_register + 2) * self.adder_time
        return Pass(self.rows * (self.columns // adders), path * input_bits)

    def events(self, input_bits: int, weight_bits: int) -> dict[str, float]:
        used = (weight_bits + self.guard_bits) * (self.columns // (weight_bits + self.guard_bits))
        return {
            "pass": 1.0,
            "cycle": float(input_bits),
            "used_column": float(input_bits * used),
            "idle_column": float(input_bits * (self.columns - used)),
        }


class IntegratedPulses(AbstractTiming):
    """Input bits as pulses that a neuron counts, bit by bit, then converts bit by bit: NeuRRAM.

        t = Σ over phases: (2^m - 1) t_integrate + (bits still to convert) t_convert + t_phase

    Inputs are signed. Up to `bits_per_phase` magnitude bits go in one phase, more in two, the first of which has the
    larger half; what it resolved the second does not convert again. Wan et al., Nature 608, 504 (2022).
    """

    macs: int
    output_bits: int
    integrate_time: Time
    """For one pulse."""
    convert_time: Time
    """For one bit."""
    phase_time: Time
    """Before the next phase."""
    bits_per_phase: int = 3

    def __check_init__(self):
        require("macs", self.macs, 1)
        require("output_bits", self.output_bits, 1, 16)
        require_positive("integrate_time", self.integrate_time, "s")

    def of(self, input_bits: int, weight_bits: int, latency: Latencies = no_latency) -> Pass:
        steps = self.events(input_bits, weight_bits)
        time = (
            steps["pulse"] * self.integrate_time
            + steps["converted_bit"] * self.convert_time
            + steps["phase"] * self.phase_time
        )
        return Pass(self.macs, time)

    def events(self, input_bits: int, weight_bits: int) -> dict[str, float]:
        magnitude = max(1, input_bits - 1)
        first = magnitude if magnitude <= self.bits_per_phase else math.ceil(magnitude / 2)
        phases = [bits for bits in (first, magnitude - first) if bits]
        return {
            "pass": 1.0,
            "input_bit": float(magnitude),
            "pulse": float(sum(2**bits - 1 for bits in phases)),
            "converted_bit": float(len(phases) * self.output_bits - (len(phases) - 1) * first),
            "phase": float(len(phases)),
        }
