"""An array with resistive wires as one matrix: the current that a volt on each word line brings out of each bit line.

The array is cut into small blocks, and neighbours are joined, two or three at a time, until one block is left: nested
dissection, in the algebra of `ports`. An array of n × n cells takes some 80 n³ operations, nearly all of them in matrix
products, where a sparse factorization and n right-hand sides touch n³ log n numbers one by one.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from pimsim.circuits.wires.ports import (
    LEFT_TO_RIGHT,
    UPWARD,
    Block,
    driven_at_both_ends,
    join,
    leaves,
    open_at_right,
    part,
)
from pimsim.circuits.wires.spec import Wires
from pimsim.errors import SpecError
from pimsim.numerics import leaves_to_arrays
from pimsim.units import Conductances

LEAVES = (4, 3, 5, 6)
"""Rows or columns of a block that is built cell by cell, the quickest first."""
TOGETHER = 32
"""Arrays that an accelerator works on side by side; a CPU takes them one by one, which suits its caches."""


def effective_conductance(
    wires: Wires, cells: Conductances[Array | np.ndarray, "*array row col"]
) -> Conductances[Array, "*array row col"]:
    """The matrix M, for each of many programmed arrays, with I[col] = Σ_row V[row] M[row, col] at the sense amplifiers.

    Exact, to rounding, for linear cells; without resistance it is the cells themselves, to the bit. In float64.
    Memory is that of one array at a time (on an accelerator, of a few), about 30 times its cells, and the result.
    Raises SpecError: conductances negative or not finite, rows of an interleaved array that are not pairs, or supply
    lines of their own, with which currents are not linear in the inputs.
    """
    check_cells(wires, cells)
    if wires.feed != "input":
        fact = "an array with supply lines has no effective conductance: its currents are not linear in the inputs"
        raise SpecError("feed", fact, "Solve it for each input: solve_nodes.")
    return with_wires(leaves_to_arrays(wires), jnp.asarray(cells, float))


@eqx.filter_jit
def with_wires(wires: Wires, cells: Conductances[Array, "*array row col"]) -> Conductances[Array, "*array row col"]:
    """`effective_conductance` of conductances that are known to be sound."""
    rows, cols = cells.shape[-2:]
    word, bit = wires.feed_pieces(cols), wires.bit_pieces(rows)
    end = wires.far_end()
    together = None if jax.default_backend() == "cpu" else TOGETHER
    flat = cells.astype(float).reshape(-1, rows, cols)
    found = lax.map(lambda g: _dissected(g, word, bit, end), flat, batch_size=together)
    return found.reshape(cells.shape)


def check_cells(wires: Wires, cells: Array | np.ndarray) -> None:
    """Raise SpecError unless the cells are arrays that the wires can hold."""
    if cells.ndim < 2 or 0 in cells.shape:
        raise SpecError("cells", f"expected arrays [row, col], got shape {cells.shape}")
    if not (jnp.isfinite(cells) & (jnp.asarray(cells) >= 0)).all():
        raise SpecError("cells", "conductances must be at least 0 and finite")
    if wires.interleaved and cells.shape[-2] % 2:
        raise SpecError("cells", f"rows of an interleaved array are pairs, got {cells.shape[-2]}")


def _dissected(g: Array, word: Array, bit: Array, end: Array | None) -> Float[Array, "row col"]:
    """Pad an array with cells that do not conduct on wires without resistance, cut it into blocks, and join them.

    Rows are counted from the sense amplifiers up, as blocks are.
    """
    rows, cols = g.shape
    (height, up), (width, right) = _plan(rows), _plan(cols)
    high, wide = math.prod(up), math.prod(right)
    g = jnp.pad(g[::-1], ((0, high * height - rows), (0, wide * width - cols)))
    bit = jnp.pad(bit[::-1], (0, high * height - rows)).reshape(high, height)
    word = jnp.pad(word, (0, wide * width - cols)).reshape(wide, width)
    block = leaves(g.reshape(high, height, wide, width), word, bit)

    def closed(block: Block) -> Block:
        return open_at_right(block) if end is None else driven_at_both_ends(block, end)

    block = block if right else closed(block)
    while up or right:
        if right and (wide >= high or len(up) <= 1):
            by = right.pop()
            block, wide = _joined(block, 1, by, LEFT_TO_RIGHT), wide // by
            block = block if right else closed(block)
        else:
            by = up.pop()
            block, high = _joined(block, 0, by, UPWARD), high // by
    return -part(block, "L", "B")[0, 0][:rows, :cols][::-1]


def _joined(block: Block, axis: int, by: int, meeting: str) -> Block:
    """Join every `by` neighbours along one axis of the grid."""
    index = (slice(None),) * axis
    parts = [{pair: h[*index, k::by] for pair, h in block.items()} for k in range(by)]
    total = parts[0]
    for other in parts[1:]:
        total = join(total, other, meeting)
    return total


def _plan(cells: int) -> tuple[int, list[int]]:
    """How many cells a leaf takes along a line, and by how many blocks are joined, last step first: least padding."""
    if cells <= max(LEAVES):
        return cells, []
    plans = []
    for preference, leaf in enumerate(LEAVES):
        for threes in range(4):
            twos = max(0, math.ceil(math.log2(cells / (leaf * 3**threes))))
            plans.append((leaf * 3**threes * 2**twos, threes, preference, leaf, [2] * twos + [3] * threes))
    *_, leaf, steps = min(plans)
    return leaf, steps
