"""Metal-oxide resistive memory whose conductances relax after programming, as measured."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from pimsim.devices import flicker
from pimsim.devices.base import AbstractDevice
from pimsim.errors import SpecError, require
from pimsim.units import Conductance, Conductances, Time


class RelaxingReram(AbstractDevice):
    """ReRAM whose spread is measured at a few times after programming, as polynomials in the target.

        G(t) = max(0, G* + σ(x, t) z)      x = G*/g_max, σ(x, t_i)/g_max = Σ_k spread[i][k] x^k

    Between two of the times σ is interpolated in ln t; before the first and after the last it is refused. A cell keeps
    its z: the same key at another age is the same cell. No conductance is negative, which raises the mean of a level at
    zero by 0.4 σ.

    Source: Wan et al., Nature 608, 504 (2022), relaxation of the 1T1R cells of NeuRRAM; 0 to 40 uS, 1 s to 2 days.
    """

    g_min: Conductance
    g_max: Conductance
    age: Time
    """Time from programming to the run of the network."""
    times: tuple[Time, ...]
    """When the spread was measured, counted from programming, rising."""
    spread: tuple[tuple[float, ...], ...]
    """For each time the coefficients, constant first, of σ/g_max in x; dimensionless."""
    name: str = "relaxing-reram"

    def __check_init__(self):
        if not self.times or self.times[0] <= 0 or list(self.times) != sorted(set(self.times)):
            raise SpecError("times", f"must be positive and rise, got {list(self.times)}")
        if len(self.spread) != len(self.times) or not all(self.spread):
            fact = f"expected a row of coefficients for each of {len(self.times)} times, got {len(self.spread)}"
            raise SpecError("spread", fact)
        require("age", self.age, self.times[0], self.times[-1])

    @property
    def is_exact(self) -> bool:
        return not any(map(any, self.spread))

    @property
    def fresh(self) -> "RelaxingReram":
        return eqx.tree_at(lambda cell: cell.age, self, self.times[0])

    def sigma(self, target: Conductances[Array, "*cells"]) -> Conductances[Array, "*cells"]:
        """Standard deviation of cells of this target, at the cell's age."""
        x = target / self.g_max
        measured = jnp.stack([self.g_max * sum(c * x**k for k, c in enumerate(row)) for row in self.spread])
        return jnp.tensordot(hats(self.age, jnp.stack(list(map(jnp.asarray, self.times)))), measured, 1)

    def program(self, target: Conductances[Array, "*cells"], *, key: PRNGKeyArray) -> Conductances[Array, "*cells"]:
        error = self.sigma(target) * jr.normal(key, target.shape, target.dtype)
        return jnp.maximum(target + error, 0).astype(target.dtype)


class CmoReram(AbstractDevice):
    """Conductive-metal-oxide/HfOx ReRAM: write-verified, then relaxing in the logarithm of time, with 1/f noise.

        G(0) = G* + (σ + ρ G*) z₁
        G(t) = G(0) - m ln(t/1 s) + (s₀ + s₁ ln(t/1 s)) z₂        the same for every conductance
        read: σ_G = r log₁₀(G/1 uS) √ln((t + t_r)/(2 t_r))        1/f noise, frozen where it is slower than the run

    Nothing is cut off at the ends of the range.

    Source: Falcone et al., arXiv:2502.04524 (2025); 9 to 88.2 uS, from 1 s after programming.
    """

    g_min: Conductance
    g_max: Conductance
    age: Time
    """Time from programming to the run of the network; at least 1 s."""
    programming_noise: Conductance
    """σ, set by the acceptance window of the write-verify loop."""
    proportional_noise: float
    """ρ, dimensionless."""
    shift: Conductance
    """m: what a cell loses for each factor e of time."""
    relaxation: Conductance
    """s₀: spread of the relaxation by 1 s …"""
    relaxation_growth: Conductance
    """… and s₁, what each factor e of time adds to it."""
    read_noise: Conductance
    """r: 1/f noise of a cell of 10 uS."""
    read_time: Time
    """Duration of one read, t_r."""
    run_time: Time = 0.0
    """How long the network is read; 0 is one read, in which all 1/f noise is frozen."""
    name: str = "cmo-reram"

    def __check_init__(self):
        require("g_min", self.g_min, 1e-6)  # where log₁₀(G/1 uS) turns negative
        require("age", self.age, 1.0)
        flicker.require_times(self.age, self.run_time, self.read_time)
        spreads = ("programming_noise", "proportional_noise", "relaxation", "relaxation_growth", "read_noise")
        for field in spreads:
            require(field, getattr(self, field), 0)

    @property
    def is_exact(self) -> bool:
        programmed = self.programming_noise == self.proportional_noise == self.read_noise == self.relaxation == 0
        return programmed and (self.age == 1 or self.shift == self.relaxation_growth == 0)

    @property
    def has_read_noise(self) -> bool:
        return self.read_noise > 0 and self.run_time > self.read_time

    @property
    def fresh(self) -> "CmoReram":
        return eqx.tree_at(lambda cell: cell.age, self, 1.0)

    def read_spread(self, g: Conductances[Array, "*cells"]) -> Conductances[Array, "*cells"]:
        return (self._flicker(g) * flicker.fast(self.run_time, self.read_time)).astype(g.dtype)

    def program(self, target: Conductances[Array, "*cells"], *, key: PRNGKeyArray) -> Conductances[Array, "*cells"]:
        programming, relaxing, reading = (jr.normal(k, target.shape, target.dtype) for k in jr.split(key, 3))
        elapsed = jnp.log(jnp.asarray(self.age, target.dtype))
        programmed = target + (self.programming_noise + self.proportional_noise * target) * programming
        relaxed = programmed - self.shift * elapsed + (self.relaxation + self.relaxation_growth * elapsed) * relaxing
        noise = self._flicker(relaxed) * flicker.slow(self.age, self.run_time, self.read_time)
        return (relaxed + noise * reading).astype(target.dtype)

    def _flicker(self, g: Conductances[Array, "*cells"]) -> Conductances[Array, "*cells"]:
        return self.read_noise * jnp.log10(jnp.maximum(g / 1e-6, 1.0))


def hats(age: Time | Float[Array, ""], times: Float[Array, " time"]) -> Float[Array, " time"]:
    """Weights with which measurements at rising times enter at `age`: linear in ln t, 1 at their own time."""
    place = jnp.interp(jnp.log(jnp.asarray(age)), jnp.log(times), jnp.arange(len(times), dtype=float))
    return jnp.maximum(1 - jnp.abs(place - jnp.arange(len(times))), 0).astype("float32")
