"""Every node of an array with resistive wires: voltages and currents, for cells that obey Ohm's law or a sinh.

The wires are a resistance matrix Z from cell currents i to the voltages that cells lose, the cells a law i = I(u):

    u = V - Z i,    (Z i)[r,c] = Σ_c' i[r,c'] word[c',c] + Σ_r' (supply + bit)[r,r'] i[r',c].

Newton's step solves (1 + √g Z √g) y = √g (V - Z I(u) - u), g = dI/du, by conjugate gradients; then i = I(u) + √g y. The
matrix is symmetric, its eigenvalues are ≥ 1, and neither the resistance of a wire nor that of a cell is divided by, so
both may vanish. For cells that obey Ohm's law one step is exact, and more of them refine it to the last digits.
"""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from pimsim.circuits.wires.effective import check_cells
from pimsim.circuits.wires.spec import Wires
from pimsim.errors import SpecError, require
from pimsim.numerics import leaves_to_arrays
from pimsim.units import Conductances, Currents, Ratios, Voltage, Voltages

CONVERGED = 1e-12
AIM = 1e-13
"""Mismatch at which to stop, and STEPS after which to give up."""
STEPS = 60
INNER_ERROR = 1e-8
"""Of the residual of a Newton step, relative."""
INNER_STEPS = 3000


class Nodes(eqx.Module):
    """The state of an array for each of several inputs."""

    cell: Currents[Array, "*array vector row col"]
    """Through each cell, towards the bit line."""
    feed: Voltages[Array, "*array vector row col"]
    """Of the cell's node on its word or supply line."""
    bit: Voltages[Array, "*array vector row col"]
    """Of the cell's node on its bit line."""
    mismatch: Ratios[Array, "*array"]
    """The largest difference between the current in the wires and the current that a cell's law wants, relative to the
    largest current of a cell. In wires and nodes themselves Kirchhoff's laws hold by construction."""

    @property
    def current(self) -> Currents[Array, "*array vector col"]:
        """Into the sense amplifiers."""
        return self.cell.sum(axis=-2)


class _Lines(NamedTuple):
    """Z in its parts: voltage lost along a line, per ampere through each cell."""

    word: Float[Array, "col col"]
    supply: Float[Array, "row row"]
    bit: Float[Array, "row row"]

    def lost(self, i: Float[Array, "*vector row col"]) -> Float[Array, "*vector row col"]:
        return self.lost_in_feed(i) + self.bit @ i

    def lost_in_feed(self, i: Float[Array, "*vector row col"]) -> Float[Array, "*vector row col"]:
        return i @ self.word + self.supply @ i


Law = Callable[[Array, Array], tuple[Array, Array]]
"""Current and its slope, of a cell of given conductance at given voltages."""


def solve_nodes(
    wires: Wires,
    cells: Conductances[Array | np.ndarray, "*array row col"],
    drive: Voltages[Array | np.ndarray, "vector input"],
    sinh_voltage: Voltage | None = None,
) -> Nodes:
    """Voltages and currents of programmed arrays, each driven by the same vectors, to a mismatch of 1e-12.

    `drive` is the voltage of each word line; rows 2k and 2k + 1 of an interleaved array are usually driven by opposite
    ones. With supply lines of their own it says, being 0 or not, whether a row's cells conduct. With `sinh_voltage` V₀
    cells follow I = G V₀ sinh(V/V₀), G being the conductance at small voltages. In float64, one array at a time.
    Raises SpecError: conductances or voltages that are none, or currents that do not settle.
    """
    check_cells(wires, cells)
    drive = jnp.asarray(drive, float)
    if drive.ndim != 2 or drive.shape[1] != cells.shape[-2]:
        raise SpecError("drive", f"expected vectors [vector, row] of {cells.shape[-2]} values, got {drive.shape}")
    if not jnp.isfinite(drive).all():
        raise SpecError("drive", "voltages must be finite")
    if sinh_voltage is not None:
        require("sinh_voltage", sinh_voltage, 1e-24)
    v0 = None if sinh_voltage is None else jnp.asarray(sinh_voltage, float)
    nodes = _solved(leaves_to_arrays(wires), jnp.asarray(cells, float), drive, v0)
    if not ((nodes.mismatch <= CONVERGED).all() and jnp.isfinite(nodes.cell).all()):
        fact = f"currents do not settle to {CONVERGED:g} of the largest"
        raise SpecError("wires", fact, "Resistances, or voltages in units of sinh_voltage, are far too large.")
    return nodes


@eqx.filter_jit
def _solved(wires: Wires, cells: Array, drive: Array, v0: Array | None) -> Nodes:
    rows, cols = cells.shape[-2:]
    law = _ohm if v0 is None else lambda g, u: _sinh(g, u, v0)
    conducts = jnp.ones(drive.shape)
    if wires.feed == "separate":
        conducts = (drive != 0).astype(float)
        sign = jnp.where(wires.interleaved & (jnp.arange(rows) % 2 == 1), -1.0, 1.0)
        drive = jnp.broadcast_to(wires.supply * sign, drive.shape)
    lines, drive = _lines(wires, rows, cols), drive[..., None]

    def one(g: Array) -> Nodes:
        i, mismatch = _newton(law, g * conducts[..., None], lines, drive)
        return Nodes(cell=i, feed=drive - lines.lost_in_feed(i), bit=lines.bit @ i, mismatch=mismatch)

    nodes = lax.map(one, cells.reshape(-1, rows, cols))
    return jax.tree.map(lambda leaf: leaf.reshape(*cells.shape[:-2], *leaf.shape[1:]), nodes)


def _lines(wires: Wires, rows: int, cols: int) -> _Lines:
    """The resistance that currents to two cells share: from the source, or from both, or to the sense amplifier."""
    end = wires.far_end()
    word, supply = jnp.zeros((cols, cols)), jnp.zeros((rows, rows))
    if wires.feed == "input":
        word = _shared(wires.feed_pieces(cols), end)
    else:
        polarities = 2 if wires.interleaved else 1
        supply = jnp.kron(_shared(wires.feed_pieces(rows // polarities), end), jnp.eye(polarities))
    return _Lines(word, supply, _shared(wires.bit_pieces(rows)[::-1], None)[::-1, ::-1])


def _shared(pieces: Array, end: Array | None) -> Float[Array, "cell cell"]:
    """Z of one line: a if fed at its start alone, a (1 - b/(a_n + end)) if at both, a ≤ b being counted from there."""
    along = jnp.cumsum(pieces)
    shared = jnp.minimum(along[:, None], along)
    if end is None:
        return shared
    whole = along[-1] + end
    return shared * (1 - jnp.maximum(along[:, None], along) / jnp.where(whole == 0, 1.0, whole))


def _newton(law: Law, g: Array, lines: _Lines, drive: Array) -> tuple[Array, Array]:
    """Cell currents [vector row col], and their mismatch."""

    def step(state: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        _, u, _, count = state
        i, slope = law(g, u)
        root = jnp.sqrt(slope)
        y = _conjugate_gradients(lambda v: v + root * lines.lost(root * v), root * (drive - lines.lost(i) - u))
        i = i + root * y
        u = drive - lines.lost(i)
        return i, u, _mismatch(i, law(g, u)[0]), count + 1

    def unsettled(state: tuple[Array, Array, Array, Array]) -> Array:
        return (state[2] > AIM) & (state[3] < STEPS)

    u = jnp.broadcast_to(drive, g.shape)
    i, _, mismatch, _ = lax.while_loop(unsettled, step, (jnp.zeros_like(g), u, jnp.array(jnp.inf), jnp.array(0)))
    return i, mismatch


def _mismatch(i: Array, wanted: Array) -> Float[Array, ""]:
    largest = jnp.abs(i).max()
    return jnp.abs(i - wanted).max() / jnp.where(largest == 0, 1.0, largest)


def _conjugate_gradients(apply: Callable[[Array], Array], b: Array) -> Float[Array, "vector row col"]:
    """y with apply(y) = b for each vector, side by side, until the last of them is done."""

    def dot(v: Array, w: Array) -> Array:
        return (v * w).sum(axis=(-2, -1), keepdims=True)

    wanted = INNER_ERROR**2 * dot(b, b)

    def unfinished(state: tuple[Array, Array, Array, Array, Array]) -> Array:
        return (state[3] > wanted).any() & (state[4] < INNER_STEPS)

    def step(state: tuple[Array, Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array, Array]:
        y, rest, along, size, count = state
        image = apply(along)
        going = size > wanted  # a vector that is done keeps its answer
        stride = jnp.where(going, size / jnp.where(going, dot(along, image), 1.0), 0.0)
        y, rest = y + stride * along, rest - stride * image
        after = dot(rest, rest)
        along = rest + jnp.where(going, after / jnp.where(going, size, 1.0), 0.0) * along
        return y, rest, along, after, count + 1

    start = (jnp.zeros_like(b), b, b, dot(b, b), jnp.array(0))
    return lax.while_loop(unfinished, step, start)[0]


def _ohm(g: Array, u: Array) -> tuple[Array, Array]:
    return g * u, g


def _sinh(g: Array, u: Array, v0: Array) -> tuple[Array, Array]:
    return g * v0 * jnp.sinh(u / v0), g * jnp.cosh(u / v0)
