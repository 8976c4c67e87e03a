"""Which tile has which block: one tile after the other in the network's order, or so that tiles work alike."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Int

Fill = Literal["order", "level"]
"""`order`: tiles fill up one after the other, so that neighbours in the network are neighbours on the chip. `level`:
each tile starts as many matrix-vector operations as the others, as far as may be."""


def level(
    blocks: Sequence[Int[np.ndarray, " block"]], vectors: Int[np.ndarray, " block"], tiles: int, size: int
) -> Int[np.ndarray, " block"]:
    """The array of each block, given what blocks that work together have in common (matrix, replica, first row), the
    vectors that pass each, the tiles there are and the arrays of one.

    Longest processing time first (Graham, SIAM J. Appl. Math. 17, 416, 1969): groups with most vectors first, each to
    the tile that has least to do of those with room; one that fits nowhere is cut, and all its parts take its vectors.
    """
    new = np.ones(len(vectors), bool)
    new[1:] = np.any([column[1:] != column[:-1] for column in blocks], axis=0)
    first = np.flatnonzero(new)
    lengths = np.diff(first, append=len(vectors))
    load, room, array = np.zeros(tiles, int), np.full(tiles, size), np.empty(len(vectors), int)
    for group in np.argsort(-vectors[first], kind="stable").tolist():
        at, left = int(first[group]), int(lengths[group])
        while left:
            part = min(left, int(room.max()))
            tile = int(np.where(room >= part, load, np.iinfo(int).max).argmin())
            array[at : at + part] = tile * size + size - room[tile] + np.arange(part)
            load[tile] += vectors[at]
            room[tile] -= part
            at, left = at + part, left - part
    return array
