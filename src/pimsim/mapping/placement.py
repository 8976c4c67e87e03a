"""Which block of which matrix sits in which array: the one table that inference, schedule and cost all read."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int, Shaped

from pimsim.chip import Chip, Cuts
from pimsim.errors import NetworkError
from pimsim.mapping.budget import Budget, Overflow, capacity, require_capacity
from pimsim.mapping.groups import Groups
from pimsim.mapping.replication import Replicate
from pimsim.mapping.rounds import copies_and_groups
from pimsim.network.ops import MatrixOp, Op, ProductOp


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
    block_round: Int[np.ndarray, " block"]
    """When: arrays are written with one round after the other where not all fit at once, and with round 0 otherwise."""

    @property
    def arrays_used(self) -> int:
        return len(distinct(self.block_array))

    @functools.cached_property
    def rounds(self) -> int:
        """How often the arrays are written in one inference, where more than once."""
        return 1 + int(self.block_round.max())

    def rounds_of(self, layer: str) -> list[int]:
        """The rounds in which the arrays hold any of a layer."""
        return [0] if self.rounds == 1 else distinct(self.block_round[self._blocks(layer)]).tolist()

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
        if layer not in self._shapes:
            lone = self._one_replica(layer)
            wide = int(self.block_cols[lone].max()) + 1
            shape, count = np.unique(self.block_rows[lone] * wide + self.block_cols[lone], return_counts=True)
            pairs = zip(shape.tolist(), count.tolist(), strict=True)
            self._shapes[layer] = {divmod(each, wide): number for each, number in pairs}
        return self._shapes[layer]

    @functools.cached_property
    def groups(self) -> Groups:
        """The matrix-vector operations that tiles start."""
        tile = self.block_array // self.arrays_per_tile
        return Groups.of(self.block_matrix, tile, self.block_replica, self.block_row, self.block_rows)

    def tiles(self, layer: str) -> Int[np.ndarray, " tile"]:
        """The tiles, counted on through the chips, that hold any of a layer."""
        index = self._index(layer)
        return distinct(self.groups.tile[slice(*np.searchsorted(self.groups.matrix, [index, index + 1]))])

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
    def _shapes(self) -> dict[str, dict[tuple[int, int], int]]:
        return {}

    @functools.cached_property
    def _indices(self) -> dict[str, int]:
        return {layer: index for index, layer in enumerate(self.matrix.tolist())}


def distinct(numbers: Int[np.ndarray, " n"]) -> Int[np.ndarray, " distinct"]:
    """The different ones of whole numbers that are not negative, in order: `np.unique` without sorting."""
    least = numbers.min()
    return least + np.flatnonzero(np.bincount(numbers - least))


def place(
    ops: Sequence[Op],
    chip: Chip,
    replicate: Replicate = "balance",
    *,
    budget: Budget | None = None,
    overflow: Overflow = "spread",
) -> Placement:
    """Cut every matrix into the fewest arrays and fill tiles in the network's order, one replica after the other.

    A network that needs more arrays than a chip has takes as many chips as one copy of it needs, unless `overflow` has
    its layers take turns, or refuses; `balance` then replicates within those chips, or within a budget, while counts
    given by layer may add chips. A layer of several matrices has a replica for each, and as many again for each further
    copy: vector v passes replica v mod their number. Raises CapacityError where arrays are lacking.
    """
    matrices = [op for op in ops if isinstance(op, MatrixOp)]
    if not matrices:
        raise NetworkError("", "has no layer with a matrix, so there is nothing to map")
    check_products(ops, chip)
    cuts = functools.cache(chip.core.cuts)
    tables = [block_table(op, cuts(op.rows, op.cols)) for op in matrices]
    arrays = {op.layer: op.matrices * len(table) for op, table in zip(matrices, tables, strict=True)}
    limit = capacity(sum(arrays.values()), chip, budget, overflow)
    copies, groups = copies_and_groups(matrices, replicate, arrays, limit, overflow)
    replicas = np.array([copies[op.layer] for op in matrices])
    matrix, replica, row, height, col, width = replicated(tables, replicas)
    if overflow == "refuse" or (budget is not None and overflow == "spread"):
        require_capacity("mapping.replicate", len(matrix), limit)
    array, turn = np.arange(len(matrix)), np.zeros(len(matrix), int)
    if overflow == "reload":
        array, turn = take_turns(matrix, [len(group) for group in groups], limit)
    chips = -(-(1 + int(array.max())) // chip.arrays)
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
        block_array=array,
        block_round=turn,
    )


def check_products(ops: Sequence[Op], chip: Chip) -> None:
    """Raise NetworkError for products of two results on a chip that has nothing to multiply them."""
    dynamic = [op.layer for op in ops if isinstance(op, ProductOp)]
    if dynamic and chip.tile.products is None:
        remedy = "Choose a chip with `tile.products`, such as isaac-ce-attention."
        raise NetworkError(dynamic[0], f"has dynamic products, which {chip.name} has no unit for", remedy)


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


def take_turns(
    matrix: Int[np.ndarray, " block"], layers: Sequence[int], limit: int
) -> tuple[Int[np.ndarray, " block"], Int[np.ndarray, " block"]]:
    """The array and the round of blocks whose groups, of so many layers each, have `limit` arrays to themselves."""
    group = np.repeat(np.arange(len(layers)), layers)[matrix]
    blocks = np.bincount(group)
    within = np.arange(len(matrix)) - np.repeat(np.cumsum(blocks) - blocks, blocks)
    turns = -(-blocks // limit)
    return within % limit, (np.cumsum(turns) - turns)[group] + within // limit


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
