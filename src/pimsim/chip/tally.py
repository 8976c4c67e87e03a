"""What writing a matrix took and what its wires lose, taken from the very cells that are read afterwards."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from pimsim.devices import Verified
from pimsim.units import Conductances


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

    @classmethod
    def of_writing(cls, done: Verified | None, used: Bool[Array, "block array row column"]) -> "Tally":
        """The pulses; nothing where every cell gets one that nobody verifies."""
        if done is None:
            return cls()
        missed = used & ~done.converged
        return cls(pulses=jnp.where(used, done.pulses, 0).sum(dtype=float), unconverged=missed.sum(dtype=float))

    def with_losses(
        self,
        stored: Conductances[Array, "block array row column"],
        seen: Conductances[Array, "block array row column"],
        used: Bool[Array, "block array row column"],
    ) -> "Tally":
        """The losses of columns that conduct: their stored conductance, and what the sense amplifier sees of it."""
        without, with_wires = stored.sum(axis=2, dtype=float), seen.sum(axis=2, dtype=float)
        counts = used.any(axis=2) & (without > 0)
        loss = jnp.where(counts, 1 - with_wires / jnp.where(counts, without, 1.0), 0.0)
        return Tally(self.pulses, self.unconverged, loss.sum() / jnp.maximum(counts.sum(), 1), loss.max())


def of_copies(tallies: Tally) -> Tally:
    """The tally of a mean copy, with the worst loss of all, from a tally whose every entry has an axis of copies."""
    mean = jax.tree.map(lambda entry: entry.mean(axis=0), tallies)
    worst = None if tallies.worst_loss is None else tallies.worst_loss.max()
    return Tally(mean.pulses, mean.unconverged, mean.mean_loss, worst)
