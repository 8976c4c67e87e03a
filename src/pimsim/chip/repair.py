"""Repair of one array: its faults are found, and matrix, lines and levels are fitted to them.

A line is a bit line in its physical place: the cells of the weights (column by column, planes side by side), then the
column that measures Σx if there is one, then the spares. A logical line is what the recipe of the encoding counts.
Levels of stuck cells are known to 1/128 of a level, on which sums of 16-bit weights are exact in float32.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Num, PRNGKeyArray

from pimsim.chip.crossbar import CrossbarCore
from pimsim.chip.encoding import Encoded

Triple = tuple[Array, Array, Array]
RESOLUTION = 128
TOGETHER = 32
"""Arrays that an accelerator repairs side by side."""


class Faults(NamedTuple):
    """Which cells are stuck, and at which level."""

    stuck: Bool[Array, "*cells"]
    level: Float[Array, "*cells"]


class Repair(NamedTuple):
    """How one array is programmed and read."""

    levels: Int[Array, "row line"]
    """To be written, in physical places."""
    row: Int[Array, " row"]
    """The word line on which each row of the matrix is found."""
    line: Int[Array, " logical"]
    """The bit line on which each logical line is found."""
    patch: Float[Array, "row col"]
    """The integers that the digital side subtracts from each weight."""

    def seen(self, g: Array) -> Array:
        """The programmed array [row, line] in the order of the matrix."""
        return g[self.row][:, self.line]


def repair_all(
    core: CrossbarCore, code: Encoded, units: Int[Array, "block array row one"], counts: Bool[Array, "block_row col"],
    keys: Array,
) -> Repair:  # fmt: skip
    """Every array of a matrix, each field with the axes [block array …]; a CPU repairs one array at a time."""
    blocks, arrays, _, rows, cols = code.levels.shape
    by_array = counts.reshape(blocks, rows, arrays, cols).swapaxes(1, 2)
    work = code, units, by_array, keys
    flat = jax.tree.map(lambda part: part.reshape(blocks * arrays, *part.shape[2:]), work)
    together = None if jax.default_backend() == "cpu" else TOGETHER
    done = lax.map(lambda one: repair(core, *one), flat, batch_size=together)
    return jax.tree.map(lambda part: part.reshape(blocks, arrays, *part.shape[1:]), done)


def repair(
    core: CrossbarCore, code: Encoded, unit: Int[Array, "row one"], counts: Bool[Array, "row col"], key: PRNGKeyArray
) -> Repair:
    """Fit one array's block of encoded weights to the faults of the array that `key` names.

    Cells that do not count, those of rows and columns beyond the matrix, may be anything.
    """
    planes, rows, cols = code.levels.shape
    spec = core.mitigation
    assert spec is not None
    wanted = jnp.concatenate([_side_by_side(code.levels), unit], axis=1)
    shape = rows, wanted.shape[1] + core.spare_lines
    faults = find_faults(core, shape, key)
    line, row = jnp.arange(wanted.shape[1]), jnp.arange(rows)
    if spec.spares:
        line = moved_to_spares(core, code, wanted, faults, counts)
    faults = Faults(*(part[:, line] for part in faults))
    cells = Faults(*(part[:, : cols * planes].reshape(rows, cols, planes).transpose(2, 0, 1) for part in faults))
    of_units = jnp.where(faults.stuck, faults.level - wanted, 0)[:, cols * planes :].sum(axis=1)
    surplus = of_units[:, None] * code.input_gain
    if spec.rows is not None:
        row = assigned(mismatch(core, code, cells, surplus, counts))
    own = Faults(*(part[:, row] for part in cells))
    levels, error = fitted(core, code.gain[:, None], code.levels, own, surplus[row])
    patch = jnp.zeros((rows, cols))
    if spec.correction is not None:
        patch = largest(jnp.rint(error) * counts, spec.correction.entries)
    written = jnp.concatenate([_side_by_side(levels).astype(unit.dtype), unit], axis=1)
    return Repair(jnp.zeros(shape, unit.dtype).at[row[:, None], line].set(written), row, line, patch)


def _side_by_side(levels: Num[Array, "plane row col"]) -> Num[Array, "row line"]:
    """The planes of each column of weights as neighbours."""
    return levels.transpose(1, 2, 0).reshape(levels.shape[1], -1)


def find_faults(core: CrossbarCore, shape: tuple[int, int], key: PRNGKeyArray) -> Faults:
    """Write all cells to either end of their range, read both, and call stuck what moved by less than half a level."""
    device, top = core.device.fresh, 2**core.cell_bits - 1
    step = device.step(top + 1)
    low, high = (device.program(device.target(jnp.full(shape, at), top + 1), key=key) for at in (0, top))
    level = ((low + high) / 2 - device.g_min) / step
    return Faults(jnp.abs(high - low) < step / 2, jnp.rint(level * RESOLUTION).astype(jnp.float32) / RESOLUTION)


def fitted(core: CrossbarCore, gain: Array, wanted: Array, faults: Faults, surplus: Array) -> tuple[Array, Array]:
    """The levels to write for wanted ones, where some cells are stuck, and by how much a weight is then too large.

    With `retarget`, planes are taken in the order of what a level counts. Each takes the level nearest to the wanted
    one that leaves a rest within reach of the planes after it; if there is none, the level that comes closest. Reach is
    an interval, so that the outcome may be less than optimal where inner slices are stuck too, but levels that do worse
    than those wanted are never taken. `surplus` is counted in addition, whatever the levels.
    """
    assert core.mitigation is not None
    most, planes = 2**core.cell_bits - 1, range(len(wanted))
    gain, want, surplus = (part.astype(jnp.float32) for part in (gain, wanted, surplus))
    own = sum((gain[p] * jnp.where(faults.stuck[p], faults.level[p] - want[p], 0) for p in planes), surplus)
    if not core.mitigation.retarget:
        return wanted, own
    low, high = (
        gain * jnp.where(faults.stuck, faults.level, jnp.where((gain > 0) == up, most, 0)) for up in (False, True)
    )

    def choose(state: Triple, plane: tuple[Array, ...]) -> tuple[Triple, Array]:
        rest, below, above = state
        gain, want, stuck, at, low, high = plane
        below, above = below - low, above - high
        ends = (rest - above) / gain, (rest - below) / gain
        first, last = jnp.ceil(jnp.minimum(*ends)), jnp.floor(jnp.maximum(*ends))
        near = jnp.minimum(jnp.maximum(want, first), last)
        level = jnp.clip(jnp.where(first <= last, near, jnp.rint((ends[0] + ends[1]) / 2)), 0, most)
        level = jnp.where(stuck, at, level)
        return (rest - gain * level, below, above), level

    order = np.array(sorted(planes, key=lambda p: -(p % len(core.widths))))
    start = sum((gain[p] * want[p] for p in planes), -surplus), low.sum(axis=0), high.sum(axis=0)
    by_plane = tuple(part[order] for part in (gain, want, *faults, low, high))
    (rest, _, _), chosen = lax.scan(choose, start, by_plane)
    better = jnp.abs(rest) < jnp.abs(own)
    levels = jnp.where(better & ~faults.stuck, chosen[np.argsort(order)], want)
    return levels, jnp.where(better, -rest, own)


def mismatch(
    core: CrossbarCore, code: Encoded, cells: Faults, surplus: Float[Array, "line col"], counts: Bool[Array, "row col"]
) -> Float[Array, "row line"]:
    """The squared weight errors of each row of the matrix on each word line, summed column by column of weights."""

    def of_column(total: Array, column: tuple[Array, Array, Faults, Array, Array]) -> tuple[Array, None]:
        wanted, gain, own, extra, counted = column  # wanted [plane row], faults [plane line]
        faults = Faults(own.stuck[:, None], own.level[:, None])
        _, error = fitted(core, gain[:, None, None], wanted[..., None], faults, extra)
        return total + jnp.square(error) * counted[:, None], None

    columns = code.levels, code.gain, cells, surplus, counts
    by_column = jax.tree.map(lambda part: jnp.moveaxis(part, -1, 0), columns)
    rows = len(counts)
    return lax.scan(of_column, jnp.zeros((rows, rows), jnp.float32), by_column)[0]


def moved_to_spares(
    core: CrossbarCore, code: Encoded, wanted: Array, faults: Faults, counts: Bool[Array, "row col"]
) -> Int[Array, " logical"]:
    """The bit line on which each logical line is found once spares have taken the place of the worst.

    The loss of a column is the sum of its cells' squared errors; with `retarget`, of what its own cells cannot make up
    for. Spare after spare takes the column that gains most by it, if any does.
    """
    planes, _, cols = code.levels.shape
    pair = core.planes // core.conversion_planes
    apart, first = planes // pair, wanted.shape[1]
    lines = jnp.arange(cols * planes).reshape(cols, pair, apart).swapaxes(1, 2).reshape(-1, pair)
    weight = jnp.square(code.gain[:apart].T.ravel())
    matters = jnp.repeat(counts, apart, axis=1)
    if first > cols * planes:  # the column of Σx
        lines = jnp.concatenate([lines, jnp.array([[cols * planes]])])
        weight = jnp.append(weight, jnp.sum(jnp.square(code.input_gain) * counts.any(axis=0)))
        matters = jnp.concatenate([matters, counts.any(axis=1, keepdims=True)], axis=1)
    sign = jnp.array([1.0, -1.0])[:pair, None, None]

    def loss(at: Array) -> Float[Array, " conversion"]:
        """Of every column on the lines `at` [conversion pair]."""
        found = Faults(*(jnp.moveaxis(part[:, at], -1, 0) for part in faults))
        _, error = fitted(core, sign, jnp.moveaxis(wanted[:, lines], -1, 0), found, jnp.zeros(()))
        return weight * jnp.sum(jnp.square(error) * matters, axis=0, dtype=jnp.float64)

    def take(state: tuple[Array, Array], spare: Array) -> tuple[tuple[Array, Array], None]:
        line, lost = state
        at = first + spare * pair + jnp.arange(pair)
        saved = lost - loss(at[None])
        worst = jnp.argmax(saved)
        moved = saved[worst] > 0
        line = jnp.where(moved, line.at[lines[worst]].set(at), line)
        return (line, lost.at[worst].add(jnp.where(moved, -saved[worst], 0.0))), None

    assert core.mitigation is not None
    start = jnp.arange(first), loss(lines)
    return lax.scan(take, start, jnp.arange(core.mitigation.spares))[0][0]


def assigned(cost: Float[Array, "row line"]) -> Int[Array, " row"]:
    """The word line for each row of the matrix: from its own, rows change places while two of them gain by it.

    Pairs whose members are each other's best change at once. The outcome is no optimum of the assignment problem, but
    never worse than no assignment, and rows that have nothing to gain stay.
    """
    least = 1e-9 * cost.max()

    def exchange(state: tuple[Array, Array]) -> tuple[Array, Array]:
        row, _ = state
        swapped = cost[:, row]
        own = jnp.diagonal(swapped)
        gain = (own[:, None] + own) - (swapped + swapped.T)
        best = jnp.argmax(gain, axis=1)
        mutual = (best[best] == jnp.arange(len(row))) & (jnp.max(gain, axis=1) > least)
        return jnp.where(mutual, row[best], row), mutual.any()

    start = jnp.arange(len(cost)), jnp.array(True)
    return lax.while_loop(lambda state: state[1], exchange, start)[0]


def largest(error: Float[Array, "row col"], entries: int) -> Float[Array, "row col"]:
    """The largest entries; zero elsewhere."""
    _, kept = lax.top_k(jnp.abs(error).ravel(), min(entries, error.size))
    return jnp.zeros(error.size).at[kept].set(error.ravel()[kept]).reshape(error.shape)
