"""Converters whose cost follows a published law of resolution, for comparison with each other and with designs."""

import numpy as np

from pimsim.circuits.adc import AbstractAdc
from pimsim.circuits.base import Cost
from pimsim.errors import SpecError, require, require_positive
from pimsim.units import Area, Capacitance, Frequency, Power


class LinearAdc(AbstractAdc):
    """A converter that stops when it has resolved enough bits: power is linear in them, area and rate are not changed.

        P(n) = P₀ n/n₀          n ≤ n₀

    Newton's adaptive converters (Nag et al., IEEE Micro 38, 2018), and PUMA's table at its full rate.
    """

    bits: int
    rate: Frequency
    """Conversions per second, of any resolution."""
    power: Power
    """P₀, at `reference_bits`."""
    area: Area
    reference_bits: int
    """n₀, the resolution that is built, and at which power and area were published."""
    leakage: Power = 0.0
    sign_magnitude: bool = False

    def __check_init__(self):
        require("reference_bits", self.reference_bits, 1, 16)
        require("bits", self.bits, 1, 16)
        if np.any(self.bits > self.reference_bits):
            raise SpecError("bits", f"must be at most reference_bits, {np.min(self.reference_bits)}")
        require_positive("rate", self.rate, "Hz")

    def published_cost(self) -> Cost:
        power = self.power * self.bits / self.reference_bits
        return Cost(energy=power / self.rate, power=power, area=self.area, leakage=self.leakage, latency=1 / self.rate)


class ClosedFormAdc(AbstractAdc):
    """Successive approximation behind an array of `rows`, from capacitances, as ZigZag-IMC has it for 28 nm.

        E = (C₁ n + C₂ 4^n) V²          A = 10^(1.206 - 0.0369 n) 2^n µm², none for 1 bit
        t = n (0.00653 rows + 0.640) ns

    V is the supply of `process`. Its authors compare it with macros whose converters have 5 and 6 bits; stated here up
    to 10, where the second term is nearly as large as the first. Source: KULeuven-MICAS/zigzag-imc, commit df34a6f.
    """

    bits: int
    rows: int
    linear: Capacitance = 100e-15
    """C₁, of the logic behind each bit."""
    matched: Capacitance = 1e-18
    """C₂, which noise makes four times larger with each bit."""
    sign_magnitude: bool = False

    def __check_init__(self):
        require("bits", self.bits, 1, 10)
        require("rows", self.rows, 1, 65536)
        if self.process is None or not np.all(self.process.supply > 0):
            raise SpecError("process.supply", "is missing", "The law needs it: process: {node: 28 nm, supply: 0.9 V}")

    def published_cost(self) -> Cost:
        assert self.process is not None
        bits = self.bits
        energy = (self.linear * bits + self.matched * 4.0**bits) * self.process.supply**2
        area = 10 ** (1.206 - 0.0369 * bits) * 2.0**bits * (bits > 1) * 1e-12
        time = bits * (0.00653 * self.rows + 0.640) * 1e-9
        return Cost(energy=energy, power=energy / time, area=area, latency=time)


class SurveyAdc(AbstractAdc):
    """The better converters of Murmann's survey, by regression on resolution, rate and node (accelergy-adc, CiMLoop).

        F = min(213.78 - 2.8719 ln f, 128.307 + 3.2205 n)         Schreier figure of merit, dB
        E = exp(24.5794 + 1.8800 ln t - 2.8291 ln n) / (2 · 10^((F - 6.02 n - 1.76)/10))           pJ
        A = exp(1.3462 + 0.9933 ln t + 0.1807 ln f + 0.2991 ln E)                                  µm²

    n bits at f = `rate` in a process of t nm, from 4 bits, up to 10 GS/s. n stands for effective bits, of which
    most converters have fewer than their name says. Coefficients: Accelergy-Project/accelergy-adc-plug-in, ff0fb48.
    """

    bits: int
    rate: Frequency
    sign_magnitude: bool = False

    def __check_init__(self):
        require("bits", self.bits, 4, 16)
        require_positive("rate", self.rate, "Hz")
        require("rate", self.rate, 0, 1e10)
        if self.process is None:
            raise SpecError("process", "is missing", "The law needs its node: process: {node: 32 nm}")
        if self.ported_to is not None:
            raise SpecError("ported_to", "is not for a law that knows nodes", "Set process.node.")
        self.process.check("process")

    def published_cost(self) -> Cost:
        assert self.process is not None
        ln_node, ln_rate = np.log(self.process.node * 1e9), np.log(self.rate)
        merit = np.minimum(213.78 - 2.8719 * ln_rate, 128.307 + 3.2205 * self.bits)
        sndr = 6.02 * self.bits + 1.76
        pico = np.exp(26.0496 - 1.4702 + 1.8800 * ln_node - 2.8291 * np.log(self.bits)) / (
            2 * 10 ** ((merit - sndr) / 10)
        )
        area = np.exp(1.3462 + 0.9933 * ln_node + 0.1807 * ln_rate + 0.2991 * np.log(pico)) * 1e-12
        energy = pico * 1e-12
        return Cost(energy=energy, power=energy * self.rate, area=area, latency=1 / self.rate)
