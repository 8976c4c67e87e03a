"""Several small blocks in one array, which is read for one of them after the other.

A row that is not driven carries no current, whatever its cells hold: with rows of their own, blocks may share bit lines
and converters, and each read is that of its block alone, to the bit. What it costs is time: k blocks in an array take
turns, read by read, so that each takes k times as long. Blocks in the same rows would load each other's drivers, and
blocks read at the same time would need columns of their own as well, each of which carried the pedestal and the errors
of all foreign rows: neither is done.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Int

from pimsim.chip import Cuts
from pimsim.mapping.blocks import replicated
from pimsim.network.ops import MatrixOp

Packing = Literal["single", "dense"]
"""`single`: an array holds one block. `dense`: small blocks share arrays, as far as their layers have time to spare
while the busiest one works; and grouped layers are cut along their groups where that saves arrays."""


def cuts_along_groups(op: MatrixOp, cuts: Cuts, tall: int, wide: int, evenly: int) -> Cuts:
    """How a block-diagonal matrix is cut into arrays of tall × wide weights: by whole groups, where that takes fewer
    than the `evenly` many of even cuts."""
    rows, cols = op.rows // op.groups, op.cols // op.groups
    together = min(tall // rows, wide // cols, op.groups)
    if op.groups == 1 or not together or -(-op.groups // together) >= evenly:
        return cuts
    number = -(-op.groups // together)
    together = -(-op.groups // number)
    return Cuts(number, together * rows, number, together * cols)


def turns_of(ops: Sequence[MatrixOp], copies: Int[np.ndarray, " matrix"]) -> Int[np.ndarray, " matrix"]:
    """How many blocks may take turns in an array of each layer, so that none is busy for longer than the busiest was.

    A recurrent layer, whose vectors wait for each other, has no time to spare.
    """
    waves = -(-np.array([op.vectors // op.matrices for op in ops]) // copies)
    return np.where([op.recurrent > 0 for op in ops], 1, waves.max() // waves)


class Packed(NamedTuple):
    """Where blocks are."""

    array: Int[np.ndarray, " block"]
    line: Int[np.ndarray, " block"]
    """The first word line of each."""


def pack(rows: Int[np.ndarray, " block"], turns: Int[np.ndarray, " block"], height: int) -> Packed:
    """Blocks in as few arrays of `height` rows as best-fit decreasing finds, of which each has no more than its turns.

    Blocks of equal rows and turns are placed together: as many as there are arrays of the best fit take one more each.
    """
    array, line = np.arange(len(rows)), np.zeros(len(rows), int)
    small = np.flatnonzero((turns > 1) & (rows + rows.min() <= height))
    kinds = sorted({(-int(r), -int(t)) for r, t in zip(rows[small], turns[small], strict=True)})
    open_arrays: dict[_Kind, list[int]] = {}
    for tall, most in ((-r, -t) for r, t in kinds):
        left = small[(rows[small] == tall) & (turns[small] == most)].tolist()
        while left:
            fits = [kind for kind in open_arrays if kind.room >= tall and kind.blocks < min(kind.most, most)]
            if fits:
                kind = min(fits)
                there = open_arrays.pop(kind)
            else:
                kind, there = _Kind(height, 0, most), left[: -(-len(left) // min(height // tall, most))]
            number = min(len(left), len(there))
            array[left[:number]], line[left[:number]] = there[:number], height - kind.room
            grown = _Kind(kind.room - tall, kind.blocks + 1, min(kind.most, most))
            open_arrays.setdefault(grown, []).extend(there[:number])
            if there[number:] and fits:
                open_arrays.setdefault(kind, []).extend(there[number:])
            left = left[number:]
    return Packed(in_order(array), line)


class _Kind(NamedTuple):
    """Arrays alike, from the fullest on."""

    room: int
    blocks: int
    most: int


def in_order(array: Int[np.ndarray, " block"]) -> Int[np.ndarray, " block"]:
    """Arrays counted in the order of their first blocks."""
    _, first, index = np.unique(array, return_index=True, return_inverse=True)
    rank = np.empty(len(first), int)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[index]


def arrays_for(
    ops: Sequence[MatrixOp], tables: Sequence[Int[np.ndarray, "_ 4"]], height: int, copies: Int[np.ndarray, " matrix"]
) -> int:
    """The arrays that so many copies of each matrix share."""
    matrix, _, _, rows, *_ = replicated(tables, copies * [op.matrices for op in ops])
    return 1 + int(pack(rows, turns_of(ops, copies)[matrix], height).array.max())
