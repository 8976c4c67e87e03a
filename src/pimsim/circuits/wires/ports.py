"""The algebra of blocks of an array: what a block is seen from its edges, and what two neighbours make together.

A block meets its neighbours at four groups of ports: L and R, the left and right ends of its word lines, B and T, the
bottom and top ends of its bit lines. It is told the voltage at L and B and the current put in at R and T, and answers

    o = H u,    u = (v_L, v_B, j_R, j_T),    o = (i_L, i_B, -v_R, -v_T),    i, j into the block.

With this choice H is symmetric (reciprocity), its current-driven part is minus an impedance, its voltage-driven part
an admittance, and nothing is divided by the resistance of a wire or the conductance of a cell: both may be zero.
"""

import functools

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

Block = dict[tuple[str, str], Array]
"""The parts of H, one for each pair of groups in the order of `GROUPS`, each [... port port]; by symmetry half of it.
Groups that lead nowhere may be missing."""
GROUPS = "LBRT"
LEFT_TO_RIGHT, UPWARD = "RL", "TB"
"""The groups at which a block meets its next neighbour: its own, and the neighbour's."""


def leaves(
    cells: Float[Array, "gridrow row gridcol col"],
    word: Float[Array, "gridcol col"],
    bit: Float[Array, "gridrow row"],
) -> Block:
    """Small blocks of an array, side by side; its first row is the one next to the sense amplifiers.

    They grow cell by cell, along all of a grid's row at once: what a step touches stays in the cache.
    """
    rows, cols = cells.shape[1], cells.shape[3]
    h = lax.map(lambda each: _grown(each[0], word, each[1]), (cells, bit))
    h = jnp.moveaxis(h, -1, 1)
    start = dict(zip(GROUPS, (0, rows, rows + cols, 2 * rows + cols), strict=True))
    cut = {name: slice(start[name], start[name] + (rows if name in "LR" else cols)) for name in GROUPS}
    return {(a, b): h[..., cut[a], cut[b]] for a, b in _pairs(GROUPS)}


def _grown(
    cells: Float[Array, "row block col"], word: Float[Array, "block col"], bit: Float[Array, " row"]
) -> Float[Array, "port port block"]:
    """H of blocks: lines that lead straight through, and one cell after the other at their open ends.

    A cell g between a word line and a bit line adds its two pieces of wire to them, then

        H += g/(1 - g d) h hᵀ,    h = H[R,:] - H[T,:],    d = h_R - h_T ≤ 0.
    """
    rows, blocks, cols = cells.shape
    ports = jnp.arange(2 * (rows + cols))[:, None]
    lines = -jnp.roll(jnp.eye(len(ports)), rows + cols, axis=0)

    def add(h: Array, at: tuple[Array, Array, Array, Array]) -> tuple[Array, None]:
        g, before, after, place = at
        right, top = rows + cols + place % rows, 2 * rows + cols + place // rows
        on_right, on_top = ports == right, ports == top
        along = (_row(h, right) - _row(h, top)) - on_right * before + on_top * after
        grown = g / (1 - g * (_row(along, right) - _row(along, top))) * along
        h = h - (on_right[:, None] & on_right) * before - (on_top[:, None] & on_top) * after
        return h + grown[:, None] * along, None

    column_by_column = (
        cells.transpose(2, 0, 1).reshape(-1, blocks),
        jnp.repeat(word.T, rows, axis=0),
        jnp.broadcast_to(jnp.tile(bit, cols)[:, None], (rows * cols, blocks)),
        jnp.arange(rows * cols),
    )
    return lax.scan(add, jnp.broadcast_to(lines[..., None], (*lines.shape, blocks)), column_by_column)[0]


def part(block: Block, a: str, b: str) -> Float[Array, "*grid a b"]:
    """The part of H between two groups."""
    return block[a, b] if (a, b) in block else _transposed(block[b, a])


def join(first: Block, second: Block, meeting: str) -> Block:
    """Two neighbours as one block: `first` lies left of `second`, or below it.

    At the ports where they meet v = p - z j and j = q + y v, where p and q are what both bring there, z is the
    impedance of the first and y the admittance of the second. So, with S = (1 + y z)⁻¹,

        H₁₁ += Pᵀ S y P,    H₁₂ = Pᵀ S Q,    H₂₂ -= Qᵀ z S Q.

    All eigenvalues of y z are ≥ 0: S is never worse than the identity. Parts that nobody reads are not computed, once
    compiled.
    """
    own, other = meeting
    z, y = -first[own, own], second[other, other]
    of_first = {name: -part(first, own, name) for name in _names(first) if name != own}
    of_second = {name: part(second, other, name) for name in _names(second) if name != other}
    s = jnp.linalg.inv(jnp.eye(z.shape[-1]) + y @ z)
    sy, zs = s @ y, z @ s
    s_first = {name: sy @ p for name, p in of_first.items()}
    s_second = {name: s @ q for name, q in of_second.items()}
    z_second = {name: zs @ q for name, q in of_second.items()}

    def between(a: str, b: str) -> Array:
        rows = []
        if a in of_first:
            here = [part(first, a, b) + _transposed(of_first[a]) @ s_first[b]] if b in of_first else []
            there = [_transposed(of_first[a]) @ s_second[b]] if b in of_second else []
            rows.append(jnp.concatenate(here + there, axis=-1))
        if a in of_second:
            here = [_transposed(s_second[a]) @ of_first[b]] if b in of_first else []
            there = [part(second, a, b) - _transposed(of_second[a]) @ z_second[b]] if b in of_second else []
            rows.append(jnp.concatenate(here + there, axis=-1))
        return jnp.concatenate(rows, axis=-2)

    return {pair: between(*pair) for pair in _pairs([g for g in GROUPS if g in of_first or g in of_second])}


def driven_at_both_ends(block: Block, end: Float[Array, ""]) -> Block:
    """The block once its right ends, too, are driven by the voltage of L, each through a resistance.

    V = p + z j + end·j there, so j = (z + end)⁻¹ (v_L - p), which L's source brings as well. Where wires and drivers
    have no resistance at all it does not matter which end brings a current, and the left one does.
    """
    z = -block["R", "R"]
    shorted = jnp.where(end == 0, 1.0, end)
    w = jnp.linalg.inv(z + shorted * jnp.eye(z.shape[-1]))
    names = [name for name in _names(block) if name != "R"]
    miss = {name: part(block, "R", name) + (jnp.eye(z.shape[-1]) if name == "L" else 0.0) for name in names}
    return {(a, b): block[a, b] + _transposed(miss[a]) @ (w @ miss[b]) for a, b in _pairs(names)}


def open_at_right(block: Block) -> Block:
    """The block whose word lines end at its last column."""
    return {pair: h for pair, h in block.items() if "R" not in pair}


def _row(a: Array, at: Array) -> Array:
    """a[at], of which JAX knows that it lies within."""
    return lax.dynamic_index_in_dim(a, at, axis=0, keepdims=False)


def _names(block: Block) -> list[str]:
    return [name for name in GROUPS if (name, name) in block]


def _pairs(names: str | list[str]) -> list[tuple[str, str]]:
    return [(a, b) for i, a in enumerate(names) for b in names[i:]]


_transposed = functools.partial(jnp.swapaxes, axis1=-1, axis2=-2)
