"""Which block of which matrix sits in which array: the one table that inference, schedule and cost all read."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int, Shaped

from pimsim.chip import Chip, Cuts
from pimsim.errors import NetworkError
from pimsim.mapping.replication import Replicate, replication
from pimsim.network.ops import MatrixOp, Op, without_products


@dataclass(frozen=True)
class Placement:
    """Blocks of matrices in arrays, one row of the table a block; arrays count on through tiles and chips."""

    matrix: Shaped[np.ndarray, " matrix"]
    """The names of the layers that have a matrix."""
    replication: Int[np.ndarray, " matrix"]
    """Replicas of each: copies, times the matrices of a layer whose weights are not shared."""
    chips: int
    arrays_total: int
    """On all chips."""
    arrays_per_tile: int
    tiles_per_chip: int
    block_matrix: Int[np.ndarray, " block"]
    """Index of the layer; blocks stand in the order of the layers."""
    block_replica: Int[np.ndarray, " block"]
    block_row: Int[np.ndarray, " block"]
    """First row of the matrix in the block."""
    block_rows: Int[np.ndarray, " block"]
    block_col: Int[np.ndarray, " block"]
    """First column of weights in the block."""
    block_cols: Int[np.ndarray, " block"]
    block_array: Int[np.ndarray, " block"]
    """The array that holds it."""

    @property
    def arrays_used(self) -> int:
        return len(distinct(self.block_array))

    def copies(self, layer: str) -> int:
        """Replicas of a layer's matrix."""
        return int(self.replication[self._index(layer)])

    def blocks(self, layer: str) -> list[tuple[int, int, int, int]]:
        """(first row, rows, first col, cols) of the blocks of one replica."""
        lone = self._one_replica(layer)
        columns = (self.block_row, self.block_rows, self.block_col, self.block_cols)
        return list(zip(*(column[lone].tolist() for column in columns), strict=True))  # type: ignore[arg-type]

    def block_shapes(self, layer: str) -> dict[tuple[int, int], int]:
        """How many blocks of each (rows, cols) one replica has."""
        lone = self._one_replica(layer)
        wide = int(self.block_cols[lone].max()) + 1
        shape, count = np.unique(self.block_rows[lone] * wide + self.block_cols[lone], return_counts=True)
        return {divmod(each, wide): number for each, number in zip(shape.tolist(), count.tolist(), strict=True)}

    def tiles(self, layer: str) -> Int[np.ndarray, " tile"]:
        """The tiles, counted on through the chips, that hold any of a layer."""
        return distinct(self.block_array[self._blocks(layer)] // self.arrays_per_tile)

    def tiles_on(self) -> int:
        """Tiles that hold anything."""
        return len(distinct(self.block_array // self.arrays_per_tile))

    def _one_replica(self, layer: str) -> Int[np.ndarray, " block"]:
        own = self._blocks(layer)
        return own.start + np.flatnonzero(self.block_replica[own] == 0)

    def _blocks(self, layer: str) -> slice:
        index = self._index(layer)
        return slice(*np.searchsorted(self.block_matrix, [index, index + 1]).tolist())

    def _index(self, layer: str) -> int:
        return self._indices[layer]

    @functools.cached_property
    def _indices(self) -> dict[str, int]:
        return {layer: index for index, layer in enumerate(self.matrix.tolist())}


def distinct(numbers: Int[np.ndarray, " n"]) -> Int[np.ndarray, " distinct"]:
    """The different ones of whole numbers that are not negative, in order: `np.unique` without sorting."""
    least = numbers.min()
    return least + np.flatnonzero(np.bincount(numbers - least))


def place(ops: Sequence[Op], chip: Chip, replicate: Replicate = "balance") -> Placement:
    """Cut every matrix into the fewest arrays and fill tiles in the network's order, one replica after the other.

    A network that needs more arrays than a chip has takes as many chips as one copy of it needs; `balance` then
    replicates within those chips, while counts given by layer may add chips. A layer of several matrices has a replica
    for each, and as many again for each further copy: vector v passes replica v mod their number.
    """
    matrices = [op for op in without_products(ops) if isinstance(op, MatrixOp)]
    if not matrices:
        raise NetworkError("", "has no layer with a matrix, so there is nothing to map")
    cuts = functools.cache(chip.core.cuts)
    tables = [block_table(op, cuts(op.rows, op.cols)) for op in matrices]
    arrays = {op.layer: op.matrices * len(table) for op, table in zip(matrices, tables, strict=True)}
    budget = chip.arrays * -(-sum(arrays.values()) // chip.arrays)
    copies = replication(matrices, replicate, arrays, budget)
    replicas = np.array([copies[op.layer] for op in matrices])
    sizes = np.array([len(table) for table in tables])
    matrix = np.repeat(np.arange(len(matrices)), replicas * sizes)
    replica = np.concatenate([np.repeat(np.arange(r), size) for r, size in zip(replicas, sizes, strict=True)])
    row, height, col, width = (
        np.concatenate([np.tile(column, r) for column, r in zip(columns, replicas, strict=True)])
        for columns in zip(*(table.T for table in tables), strict=True)
    )
    chips = -(-len(matrix) // chip.arrays)
    return Placement(
        matrix=np.array([op.layer for op in matrices]),
        replication=replicas,
        chips=chips,
        arrays_total=chips * chip.arrays,
        arrays_per_tile=chip.arrays_per_tile,
        tiles_per_chip=chip.tiles,
        block_matrix=matrix,
        block_replica=replica,
        block_row=row,
        block_rows=height,
        block_col=col,
        block_cols=width,
        block_array=np.arange(len(matrix)),
    )


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
