"""Phase-change memory: conductances that drift down as the amorphous phase relaxes."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from pimsim.devices import flicker
from pimsim.devices.base import AbstractDevice
from pimsim.errors import SpecError, require
from pimsim.units import Conductance, Conductances, Time

LOWEST = 1e-7
"""Relative conductance below which logarithms and powers of it are those of this."""


class Pcm(AbstractDevice):
    """PCM cell: a programming error that depends on the state, drift with a spread of exponents, and 1/f noise.

        G(t0) = max(0, G* + σ(x) z₁)             x = G*/g_max, σ(x)/g_max = Σ_k programming_error[k] x^k
        ν     = |μ(x) + s(x) z₂|                 μ, s = a + b ln x between the stated limits
        G(t)  = G(t0) (t/t0)^-ν                  t ≥ t0, both counted from programming
        read: σ_G = G(t) Q √ln((t + t_r)/(2 t_r))     Q = min(q · (G(t0)/g_max)^-p, q_limit)

    z ~ N(0, 1). The 1/f noise is drawn once a cell where it is slower than the run of a network, and for each read
    where it is faster (pimsim.devices.flicker); no conductance is negative. `read_spread`, which sees only the drifted
    conductance, takes Q at what it was before the mean drift of that conductance.

    Source: Joshi et al., Nat. Commun. 11, 2473 (2020) and Nandakumar et al., ICECS 2019: a million doped-GST mushroom
    cells of 90 nm, 0 to 25 uS, read from 20 s to months after programming.
    """

    g_min: Conductance
    g_max: Conductance
    age: Time
    """Time from programming to the run of the network; at least `t0`."""
    t0: Time
    """Time of the first read after programming, at which the programming error is stated."""
    programming_error: tuple[float, ...]
    """Coefficients, constant first, of σ/g_max in x; dimensionless."""
    drift_mean: tuple[float, float]
    """a and b of μ = a + b ln x …"""
    drift_mean_limits: tuple[float, float]
    """… and the limits it is kept in."""
    drift_spread: tuple[float, float]
    """a and b of s = a + b ln x …"""
    drift_spread_limits: tuple[float, float]
    """… and the limits it is kept in."""
    read_time: Time
    """Duration of one read, t_r."""
    flicker: float
    """q: 1/f noise of a cell at g_max, relative; dimensionless."""
    flicker_power: float
    """p: how Q grows as the conductance falls."""
    flicker_limit: float
    """The largest Q."""
    run_time: Time = 0.0
    """How long the network is read; 0 is one read, in which all 1/f noise is frozen."""
    name: str = "pcm"

    def __check_init__(self):
        if self.age < self.t0:
            fact = f"must be at least {self.t0:g} s (t0), before which no read is defined, got {self.age:g} s"
            raise SpecError("age", fact, "It is counted from programming, so that t0 itself is the first read.")
        require("t0", self.t0, 1e-15)
        flicker.require_times(self.age, self.run_time, self.read_time)
        require("flicker", self.flicker, 0)
        require("flicker_limit", self.flicker_limit, 0)
        for field in ("drift_mean_limits", "drift_spread_limits"):
            low, high = getattr(self, field)
            if not 0 <= low <= high:
                raise SpecError(field, f"expected a lower and an upper limit of at least 0, got {low:g} and {high:g}")

    @property
    def is_exact(self) -> bool:
        """Whether nothing misses: no programming error, no 1/f noise, and no drift by now."""
        drifts = self.age > self.t0 and max(self.drift_mean_limits[1], self.drift_spread_limits[1]) > 0
        return not (any(self.programming_error) or self.flicker or drifts)

    @property
    def has_read_noise(self) -> bool:
        return self.flicker > 0 and self.run_time > self.read_time

    @property
    def fresh(self) -> "Pcm":
        return eqx.tree_at(lambda cell: cell.age, self, self.t0)

    def read_spread(self, g: Conductances[Array, "*cells"]) -> Conductances[Array, "*cells"]:
        x = g / self.g_max
        programmed = x * (self.age / self.t0) ** self._of_logarithm(x, self.drift_mean, self.drift_mean_limits)
        return (g * self._relative(programmed) * flicker.fast(self.run_time, self.read_time)).astype(g.dtype)

    def program(self, target: Conductances[Array, "*cells"], *, key: PRNGKeyArray) -> Conductances[Array, "*cells"]:
        programming, drift, reading = (jr.normal(k, target.shape, target.dtype) for k in jr.split(key, 3))
        x = target / self.g_max
        sigma = self.g_max * sum(c * x**k for k, c in enumerate(self.programming_error))
        programmed = jnp.maximum(target + sigma * programming, 0)
        mean = self._of_logarithm(x, self.drift_mean, self.drift_mean_limits)
        spread = self._of_logarithm(x, self.drift_spread, self.drift_spread_limits)
        g = programmed * (self.age / self.t0) ** -jnp.abs(mean + spread * drift)
        noise = self._relative(programmed / self.g_max) * flicker.slow(self.age, self.run_time, self.read_time)
        return jnp.maximum(g * (1 + noise * reading), 0).astype(target.dtype)

    def _relative(self, x: Float[Array, "*cells"]) -> Float[Array, "*cells"]:
        """Q of cells programmed to x."""
        return jnp.minimum(self.flicker * jnp.maximum(x, LOWEST) ** -self.flicker_power, self.flicker_limit)

    def _of_logarithm(
        self, x: Float[Array, "*cells"], line: tuple[float | Array, ...], limits: tuple[float | Array, ...]
    ) -> Float[Array, "*cells"]:
        return jnp.clip(line[0] + line[1] * jnp.log(jnp.maximum(x, LOWEST)), *limits)
