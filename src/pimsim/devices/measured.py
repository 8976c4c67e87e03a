"""A cell as somebody measured it: a table of targets, what programming ends at, and its spread."""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from pimsim.devices.base import AbstractDevice
from pimsim.devices.relaxation import hats
from pimsim.errors import SpecError, require
from pimsim.spec import AbstractSpec
from pimsim.units import Conductance, Conductances, Time


class CellData(AbstractSpec):
    """Measured moments, one row a target and time; in a card, `data: my-cells.csv` (pimsim.datafile)."""

    target: tuple[Conductance, ...] = eqx.field(static=True)
    """What was asked for, rising within a time."""
    mean: tuple[Conductance, ...] = eqx.field(static=True)
    """What programming ended at, on average …"""
    sigma: tuple[Conductance, ...] = eqx.field(static=True)
    """… and its standard deviation."""
    time: tuple[Time, ...] = eqx.field(static=True, default=())
    """When it was read, counted from programming, rising; empty where nobody noted it."""

    def __check_init__(self):
        for field in ("mean", "sigma", "time"):
            values = getattr(self, field)
            if len(values) != len(self.target) and (values or field != "time"):
                raise SpecError(field, f"must have {len(self.target)} values, one a target, got {len(values)}")
        if list(self.time) != sorted(self.time):
            raise SpecError("time", "must rise")
        if self.time and self.time[0] <= 0:
            raise SpecError("time", "must be more than 0 s, since cells change with its logarithm")
        for moment in self.moments():
            if len(moment.target) < 2 or list(moment.target) != sorted(set(moment.target)):
                raise SpecError("target", "must hold at least two targets, rising, for every time")

    def moments(self) -> Iterator["Moments"]:
        """The rows of each time."""
        rows = zip(self.time or [0.0] * len(self.target), self.target, self.mean, self.sigma, strict=True)
        for time, group in itertools.groupby(rows, key=lambda row: row[0]):
            _, target, mean, sigma = zip(*group, strict=True)
            yield Moments(time, target, mean, sigma)


class Moments(NamedTuple):
    """What was measured at one time."""

    time: Time
    target: tuple[Conductance, ...]
    mean: tuple[Conductance, ...]
    sigma: tuple[Conductance, ...]


class Measured(AbstractDevice):
    """A cell with measured mean and spread, linear between the measured targets, and in ln t between the times.

        G = max(0, m(G*, age) + σ(G*, age) z)      z ~ N(0, 1)

    Targets and ages outside the measurements are refused. Of measured samples their mean and spread are kept, not the
    shape of their distribution. A cell keeps its z: the same key at another age is the same cell.
    """

    g_min: Conductance
    g_max: Conductance
    data: CellData
    age: Time = 0.0
    """Time from programming to the run of the network; only where the data have times."""
    name: str = "measured"

    def __check_init__(self):
        moments = list(self.data.moments())
        low, high = max(m.target[0] for m in moments), min(m.target[-1] for m in moments)
        for field in ("g_min", "g_max"):
            if not low * (1 - 1e-9) <= getattr(self, field) <= high * (1 + 1e-9):
                fact = f"must be within the measured targets, {low:g} to {high:g} S, got {getattr(self, field):g} S"
                raise SpecError(field, fact, "Nothing is known beyond them.")
        if self.data.time:
            require("age", self.age, self.data.time[0], self.data.time[-1])
        elif self.age:
            raise SpecError("age", "means nothing without measured times", "Add a column time_s to the data.")

    @property
    def is_exact(self) -> bool:
        return not any(self.data.sigma) and self.data.mean == self.data.target

    @property
    def fresh(self) -> "Measured":
        return eqx.tree_at(lambda cell: cell.age, self, self.data.time[0]) if self.data.time else self

    def fit(
        self, target: Conductances[Array, "*cells"]
    ) -> tuple[Conductances[Array, "*cells"], Conductances[Array, "*cells"]]:
        """Mean and spread of cells of these targets, at the cell's age."""
        moments = list(self.data.moments())
        weights = jnp.ones(1, jnp.float32)
        if self.data.time:
            weights = hats(self.age, jnp.array([m.time for m in moments]))

        def at_age(values: list[tuple[Conductance, ...]]) -> Conductances[Array, "*cells"]:
            pairs = zip(moments, values, strict=True)
            known = [jnp.interp(target, jnp.array(m.target), jnp.array(value)) for m, value in pairs]
            return jnp.tensordot(weights, jnp.stack(known), 1).astype(target.dtype)

        return at_age([m.mean for m in moments]), at_age([m.sigma for m in moments])

    def program(self, target: Conductances[Array, "*cells"], *, key: PRNGKeyArray) -> Conductances[Array, "*cells"]:
        mean, sigma = self.fit(target)
        return jnp.maximum(mean + sigma * jr.normal(key, target.shape, target.dtype), 0).astype(target.dtype)
