"""How matrices are cut into blocks, each of which fits an array."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int

from pimsim.chip import Cuts
from pimsim.network.ops import MatrixOp


def block_table(op: MatrixOp, cuts: Cuts) -> Int[np.ndarray, "block 4"]:
    """(first row, rows, first col, cols) of each block of one copy that holds anything."""
    block, array = np.nonzero(occupied(op, cuts))
    row, col = block * cuts.rows, array * cuts.cols
    return np.stack([row, np.minimum(cuts.rows, op.rows - row), col, np.minimum(cuts.cols, op.cols - col)], axis=1)


def occupied(op: MatrixOp, cuts: Cuts) -> Bool[np.ndarray, "block array"]:
    """Which arrays hold anything of a block-diagonal matrix: those whose rows and columns share a group."""
    first_row, first_col = np.arange(cuts.blocks) * cuts.rows, np.arange(cuts.arrays) * cuts.cols
    last_row = np.minimum(first_row + cuts.rows, op.rows) - 1
    last_col = np.minimum(first_col + cuts.cols, op.cols) - 1
    rows, cols = op.rows // op.groups, op.cols // op.groups
    starts_before_end = (first_row // rows)[:, None] <= last_col // cols
    ends_after_start = (last_row // rows)[:, None] >= first_col // cols
    return starts_before_end & ends_after_start


def replicated(
    tables: Sequence[Int[np.ndarray, "_ 4"]], replicas: Int[np.ndarray, " matrix"]
) -> list[Int[np.ndarray, " block"]]:
    """Index of the matrix, replica, first row, rows, first col and cols of each block of all replicas."""
    sizes = np.array([len(table) for table in tables])
    matrix = np.repeat(np.arange(len(tables)), replicas * sizes)
    replica = np.concatenate([np.repeat(np.arange(r), size) for r, size in zip(replicas, sizes, strict=True)])
    of_blocks = (
        np.concatenate([np.tile(column, r) for column, r in zip(columns, replicas, strict=True)])
        for columns in zip(*(table.T for table in tables), strict=True)
    )
    return [matrix, replica, *of_blocks]
