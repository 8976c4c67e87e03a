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

    @classmethod
    def of(
        cls,
        matrix: Int[np.ndarray, " block"],
        tile: Int[np.ndarray, " block"],
        replica: Int[np.ndarray, " block"],
        row: Int[np.ndarray, " block"],
        rows: Int[np.ndarray, " block"],
    ) -> "Groups":
        """The groups of blocks that stand in the order of their matrices."""
        columns = (matrix, tile, replica, row, rows)
        where = matrix * (1 + int(tile.max())) + tile
        if (where[1:] < where[:-1]).any():
            order = np.lexsort((row, replica, where))
            columns, where = tuple(column[order] for column in columns), where[order]
        first = np.ones(len(where), bool)
        first[1:] = where[1:] != where[:-1]
        for column in columns[2:4]:
            first[1:] |= column[1:] != column[:-1]
        return cls(*(column[first] for column in columns))
