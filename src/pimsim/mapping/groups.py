"""Blocks that work together: one matrix-vector operation of a tile."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int


class Groups(NamedTuple):
    """Blocks of one replica on one tile that share their rows: in the order of matrices, and of the tiles of each."""

    matrix: Int[np.ndarray, " group"]
    tile: Int[np.ndarray, " group"]
    replica: Int[np.ndarray, " group"]
    row: Int[np.ndarray, " group"]
    rows: Int[np.ndarray, " group"]
    cols: Int[np.ndarray, " group"]
    """Of all its blocks together; one of several arrays counts once an array."""

    @classmethod
    def of(
        cls,
        matrix: Int[np.ndarray, " block"],
        tile: Int[np.ndarray, " block"],
        replica: Int[np.ndarray, " block"],
        row: Int[np.ndarray, " block"],
        rows: Int[np.ndarray, " block"],
        cols: Int[np.ndarray, " block"],
    ) -> "Groups":
        """The groups of blocks that stand in the order of their matrices."""
        where = matrix * (1 + int(tile.max())) + tile
        if (where[1:] < where[:-1]).any():
            order = np.lexsort((row, replica, where))
            matrix, tile, replica, row, rows, cols, where = (
                column[order] for column in (matrix, tile, replica, row, rows, cols, where)
            )
        first = np.ones(len(where), bool)
        first[1:] = (where[1:] != where[:-1]) | (replica[1:] != replica[:-1]) | (row[1:] != row[:-1])
        at = np.flatnonzero(first)
        return cls(matrix[at], tile[at], replica[at], row[at], rows[at], np.add.reduceat(cols, at))

    def passing(
        self, vectors: Int[np.ndarray, " matrix"], replicas: Int[np.ndarray, " matrix"]
    ) -> Int[np.ndarray, " group"]:
        """Vectors that pass each group, of those that pass each matrix: vector v takes replica v mod their number."""
        each, rest = np.divmod(vectors, replicas)
        return each[self.matrix] + (self.replica < rest[self.matrix])
