"""Analog to digital."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from equinox import AbstractVar
from jaxtyping import Array, Float, PRNGKeyArray

from pimsim.circuits.base import AbstractCircuit, Cost
from pimsim.errors import require, require_positive
from pimsim.units import Area, Energy, Frequency, Power, Time, Varying


class AdcErrors(eqx.Module):
    """How converters miss, one value per instance; all in steps of a code but `gain`."""

    gain: Float[Array, "*adc"]
    """Relative error of the slope."""
    offset: Float[Array, "*adc"]
    bow: Float[Array, "*adc"]
    """Integral non-linearity: the largest deviation of a parabola that vanishes at both ends."""
    steps: Float[Array, "*adc code"]
    """Differential non-linearity: the displacement of each code."""


class AbstractAdc(AbstractCircuit):
    """A converter from column current to code.

    code = rint((I - lo)(n-1)/(hi-lo)), half to even, clipped to 0 … n-1;      value = lo + code (hi-lo)/(n-1)
    """

    event: str = eqx.field(default="conversion", kw_only=True, static=True)
    bits: AbstractVar[int]
    sign_magnitude: AbstractVar[bool]
    """Whether one code is given up so that the rest lie symmetrically about zero: n = 2^bits - 1 instead of 2^bits."""

    @property
    def codes(self) -> int:
        """n."""
        return code_count(self.bits, self.sign_magnitude)

    @property
    def quantizes(self) -> bool:
        """Whether there are codes at all."""
        return True

    def conversion_time(self) -> Varying[Time, " variant"]:
        """Time of one conversion."""
        return self.cost().latency

    @property
    def thermal_noise(self) -> float | Float[Array, ""]:
        """Standard deviation at the input of each conversion, in steps of a code."""
        return 0.0

    @property
    def thermal_noise_drawn(self) -> bool:
        """Whether there is any such noise to draw."""
        return False

    @property
    def is_exact(self) -> bool:
        """Whether instances convert as the contract says, without errors or noise."""
        return True

    def errors(self, shape: tuple[int, ...], *, key: PRNGKeyArray) -> AdcErrors | None:
        """The errors of that many instances; None if they have none."""
        return None

    def convert(
        self, steps: Float[Array, "*n"], errors: AdcErrors | None, codes: Float[Array, "*m"] | int
    ) -> Float[Array, "*n"]:
        """The code, a whole number kept as a float, of a current in steps of one code above the first."""
        if errors is None:
            return jnp.clip(jnp.rint(steps), 0, codes - 1)
        share = steps / (codes - 1)
        bent = steps * (1 + errors.gain) + errors.offset + 4 * errors.bow * share * (1 - share)
        nearest = jnp.clip(jnp.rint(bent), 0, codes - 1).astype(jnp.int32)
        displaced = jnp.take_along_axis(errors.steps[None], nearest[..., None], axis=-1)[..., 0]
        return jnp.clip(jnp.rint(bent + displaced), 0, codes - 1)


def code_count(bits: int, sign_magnitude: bool) -> int:
    return 2**bits - int(sign_magnitude)


class SarAdc(AbstractAdc):
    """Successive approximation: part of its cost is linear in the bits, part doubles with each.

        P(n) = P₀ [(1 - p) n/n₀ + p 2^(n - n₀)]       and the same for the area, with its own share

    The part that doubles is the capacitor array. The split is Saberi et al., IEEE TCAS-I 58, 1736 (2011), applied to
    Kull et al., JSSC 48, 3049 (2013), as ISAAC does.
    """

    bits: int
    rate: Frequency
    """Conversions per second."""
    power: Power
    """P₀, at `reference_bits`."""
    area: Area
    reference_bits: int = 8
    """n₀, the resolution at which power and area were published."""
    capacitor_power: float = 0.0645
    """Share of the power in the capacitor array, at n₀."""
    capacitor_area: float = 0.4552
    """Share of the area in the capacitor array, at n₀."""
    leakage: Power = 0.0
    sign_magnitude: bool = False

    def __check_init__(self):
        require("bits", self.bits, 1, 16)
        require("reference_bits", self.reference_bits, 1, 16)
        require("capacitor_power", self.capacitor_power, 0, 1)
        require("capacitor_area", self.capacitor_area, 0, 1)
        require_positive("rate", self.rate, "Hz")

    def published_cost(self) -> Cost:
        power = self.power * self._growth(self.capacitor_power)
        area = self.area * self._growth(self.capacitor_area)
        return Cost(energy=power / self.rate, power=power, area=area, leakage=self.leakage, latency=1 / self.rate)

    def _growth(self, share: Any) -> Any:
        return (1 - share) * self.bits / self.reference_bits + share * 2.0 ** (self.bits - self.reference_bits)


class FlashAdc(AbstractAdc):
    """A comparator for every boundary between codes, all at once: cost grows with 2^bits - 1, time does not."""

    bits: int
    rate: Frequency
    """Conversions per second."""
    comparator_energy: Energy
    """Of one comparison."""
    comparator_area: Area
    leakage: Power = 0.0
    sign_magnitude: bool = False

    def __check_init__(self):
        require("bits", self.bits, 1, 10)
        require_positive("rate", self.rate, "Hz")

    def published_cost(self) -> Cost:
        comparators = 2**self.bits - 1
        energy = comparators * self.comparator_energy
        area = comparators * self.comparator_area
        power = energy * self.rate
        return Cost(energy=energy, power=power, area=area, leakage=self.leakage, latency=1 / self.rate)


class RampAdc(AbstractAdc):
    """A ramp that every column compares with, one code a step: time grows with 2^bits, a column adds a comparator."""

    bits: int
    step_time: Time
    step_energy: Energy
    """Of one comparator for one step."""
    area: Area
    leakage: Power = 0.0
    sign_magnitude: bool = False

    def __check_init__(self):
        require("bits", self.bits, 1, 12)
        require_positive("step_time", self.step_time, "s")

    def published_cost(self) -> Cost:
        energy = 2**self.bits * self.step_energy
        power, time = self.step_energy / self.step_time, 2**self.bits * self.step_time
        return Cost(energy=energy, power=power, area=self.area, leakage=self.leakage, latency=time)


class IntegrateFireAdc(AbstractAdc):
    """A capacitor that the column's current charges, and a counter of the times it fires (PipeLayer).

    The longest conversion takes 2^bits - 1 spikes, and is what energy is charged for.
    """

    bits: int
    spike_time: Time
    spike_energy: Energy
    area: Area
    leakage: Power = 0.0
    sign_magnitude: bool = False

    def __check_init__(self):
        require("bits", self.bits, 1, 16)
        require_positive("spike_time", self.spike_time, "s")

    def published_cost(self) -> Cost:
        energy = (2**self.bits - 1) * self.spike_energy
        power, time = self.spike_energy / self.spike_time, (2**self.bits - 1) * self.spike_time
        return Cost(energy=energy, power=power, area=self.area, leakage=self.leakage, latency=time)


class IdealAdc(AbstractAdc):
    """A converter without codes, range or cost: it returns the current. For studies of what the cells alone do."""

    bits: int = 16
    sign_magnitude: bool = False

    @property
    def quantizes(self) -> bool:
        return False

    def published_cost(self) -> Cost:
        return Cost()


class ImperfectAdc(AbstractAdc):
    """A converter whose instances miss, each by its own normally distributed errors, and whose input is noisy."""

    adc: AbstractAdc
    gain_sigma: float = 0.0
    """Relative."""
    offset_sigma: float = 0.0
    """In steps of a code, as are the others."""
    inl_sigma: float = 0.0
    dnl_sigma: float = 0.0
    noise: float = 0.0
    """Standard deviation of the thermal noise at the input of each conversion."""

    def __check_init__(self):
        for field in ("gain_sigma", "offset_sigma", "inl_sigma", "dnl_sigma", "noise"):
            require(field, getattr(self, field), 0)

    @property
    def bits(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.adc.bits

    @property
    def sign_magnitude(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.adc.sign_magnitude

    @property
    def quantizes(self) -> bool:
        return self.adc.quantizes

    @property
    def thermal_noise(self) -> float | Float[Array, ""]:
        return self.noise

    @property
    def thermal_noise_drawn(self) -> bool:
        return True

    @property
    def is_exact(self) -> bool:
        return False

    def errors(self, shape: tuple[int, ...], *, key: PRNGKeyArray) -> AdcErrors | None:
        gain, offset, bow, steps = jr.split(key, 4)
        return AdcErrors(
            gain=self.gain_sigma * jr.normal(gain, shape, jnp.float32),
            offset=self.offset_sigma * jr.normal(offset, shape, jnp.float32),
            bow=self.inl_sigma * jr.normal(bow, shape, jnp.float32),
            steps=self.dnl_sigma * jr.normal(steps, (*shape, self.codes), jnp.float32),
        )

    def published_cost(self) -> Cost:
        return self.adc.cost()
