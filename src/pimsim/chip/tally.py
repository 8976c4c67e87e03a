"""What writing a matrix took, what its cells conduct and its wires lose, from the very cells that are then read."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from pimsim.devices import Verified
from pimsim.units import Conductances


class Stored(eqx.Module):
    """What the cells in use conduct, as they were written: sums along each row of the matrix, by plane.

    The columns that measure Σx come last, as a plane of their own.
    """

    weights: Float[np.ndarray | Array, "*copy row plane"]
    units: Float[np.ndarray | Array, "*copy row unit"]
    weight_squares: Float[np.ndarray | Array, "*copy plane"]
    """Sums of squares, over all rows."""
    unit_squares: Float[np.ndarray | Array, "*copy unit"]

    @classmethod
    def of_cells(
        cls,
        g: Conductances[np.ndarray | Array, "block array row column"],
        used: Bool[np.ndarray | Array, "block array row column"],
        cols: int,
        planes: int,
    ) -> "Stored":
        """Of physical arrays, in which the planes of a column of weights are neighbours, and units follow the last."""
        g, rows = (g * used).astype(float), g.shape[0] * g.shape[2]
        weights = g[..., : cols * planes].reshape(*g.shape[:3], cols, planes)
        units = g[..., cols * planes :]
        return cls(
            weights=weights.sum(axis=(1, 3)).reshape(rows, planes),
            units=units.sum(axis=1).reshape(rows, units.shape[-1]),
            weight_squares=(weights**2).sum(axis=(0, 1, 2, 3)),
            unit_squares=(units**2).sum(axis=(0, 1, 2)),
        )

    def by_copy(self) -> tuple[Conductances[np.ndarray, "copy row plane"], Float[np.ndarray, "copy plane"]]:
        """Sums along rows, and sums of squares, of each copy that was written; one without an axis of copies is one."""
        sums = np.concatenate([self.weights, self.units], axis=-1)
        squares = np.concatenate([self.weight_squares, self.unit_squares], axis=-1)
        return sums.reshape(-1, *sums.shape[-2:]), squares.reshape(-1, squares.shape[-1])


class Tally(eqx.Module):
    """Sums over the cells and columns in use of one copy of a matrix; None for what is known without a look."""

    pulses: Float[Array, ""] | None = None
    """Of all cells, where write and verify decides."""
    unconverged: Float[Array, ""] | None = None
    """Cells that ended outside the tolerance."""
    mean_loss: Float[Array, ""] | None = None
    """Share of a column's current that the wires take while all rows are driven, on average …"""
    worst_loss: Float[Array, ""] | None = None
    """… and in the worst column."""
    stored: Stored | None = None
    """What the cells conduct; of several copies each has its own."""
    codes: Int[Array, "*copy conversion code"] | None = None
    """How often each code came out, of all copies, where that was asked for."""

    @classmethod
    def of_writing(cls, done: Verified | None, used: Bool[np.ndarray | Array, "block array row column"]) -> "Tally":
        """The pulses; nothing where every cell gets one that nobody verifies."""
        if done is None:
            return cls()
        missed = used & ~done.converged
        return cls(pulses=jnp.where(used, done.pulses, 0).sum(dtype=float), unconverged=missed.sum(dtype=float))

    def with_losses(
        self,
        stored: Conductances[Array, "block array row column"],
        seen: Conductances[Array, "block array row column"],
        used: Bool[np.ndarray | Array, "block array row column"],
    ) -> "Tally":
        """The losses of columns that conduct: their stored conductance, and what the sense amplifier sees of it."""
        without, with_wires = stored.sum(axis=2, dtype=float), seen.sum(axis=2, dtype=float)
        counts = used.any(axis=2) & (without > 0)
        loss = jnp.where(counts, 1 - with_wires / jnp.where(counts, without, 1.0), 0.0)
        return replace(self, mean_loss=loss.sum() / jnp.maximum(counts.sum(), 1), worst_loss=loss.max())


def of_copies(tallies: Tally) -> Tally:
    """The tally of a mean copy, with the worst loss of all, from a tally whose every entry has an axis of copies."""
    mean = jax.tree.map(lambda entry: entry.mean(axis=0), tallies)
    worst = None if tallies.worst_loss is None else tallies.worst_loss.max()
    codes = None if tallies.codes is None else tallies.codes.sum(axis=0)
    return replace(mean, worst_loss=worst, stored=tallies.stored, codes=codes)
