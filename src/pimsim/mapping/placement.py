"""Which block of which matrix sits in which array: the one table that inference, schedule and cost all read."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int, Shaped

from pimsim.chip import Chip, Cuts
from pimsim.errors import NetworkError, SpecError
from pimsim.mapping.budget import Budget, Overflow, capacity, require_capacity
from pimsim.mapping.replication import Replicate
from pimsim.mapping.rounds import copies_and_groups
from pimsim.mapping.tiles import Tiles, is_pool, own_tiles
from pimsim.network.ops import MatrixOp, Op, ProductOp


@dataclass(frozen=True)
class Placement:
    """Blocks of matrices in arrays, one row of the table a block; arrays count on through tiles and chips."""

    matrix: Shaped[np.ndarray, " matrix"]
    """The names of the layers that have a matrix."""
    weight_bits: Int[np.ndarray, " matrix"]
    """The precision of each, the core's or its own …"""
    input_bits: Int[np.ndarray, " matrix"]
    """… and of the vectors that pass through it."""
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
    arrays_per_block: int
    """That hold a block together, from `block_array` on."""
    pool: Shaped[np.ndarray, " pool"]
    """The names of the pools that have a tile of their own."""
    pool_tile: Int[np.ndarray, " pool"]

    @property
    def arrays_used(self) -> int:
        return len(distinct(self.block_array)) * self.arrays_per_block

    @functools.cached_property
    def array_tile(self) -> Int[np.ndarray, " array"]:
        """The tile of each array of each block."""
        if self.arrays_per_block == 1:
            return self.block_array // self.arrays_per_tile
        return (self.block_array[:, None] + np.arange(self.arrays_per_block)).ravel() // self.arrays_per_tile

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

    def precision(self, layer: str) -> tuple[int, int]:
        """Bits of a layer's weights and inputs."""
        index = self._index(layer)
        return int(self.weight_bits[index]), int(self.input_bits[index])

    def input_bits_of(self, layer: str, usual: int) -> int:
        """Bits of the values that a layer reads, with a matrix or, as usual, without."""
        return self.precision(layer)[1] if layer in self._indices else usual

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
        own, each = self._blocks(layer), self.arrays_per_block
        return distinct(self.array_tile[own.start * each : own.stop * each])

    def tiles_on(self) -> int:
        """Tiles that hold anything, or pool."""
        return len(distinct(self.array_tile)) + len(self.pool)

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


def place(
    ops: Sequence[Op],
    chip: Chip,
    replicate: Replicate = "balance",
    *,
    budget: Budget | None = None,
    overflow: Overflow = "spread",
    tiles: Tiles = "shared",
) -> Placement:
    """Cut every matrix into the fewest arrays and fill tiles in the network's order, one replica after the other.

    A network that needs more arrays than a chip has takes as many chips as one copy of it needs, unless `overflow` has
    its layers take turns, or refuses; `balance` then replicates within those chips, or within a budget, while counts
    given by layer may add chips. A layer of several matrices has a replica for each, and as many again for each further
    copy: vector v passes replica v mod their number. Layers share tiles, or have tiles of their own, pools among them.
    Raises CapacityError where arrays are lacking, SpecError for tiles of their own that layers would take turns in.
    """
    matrices = [op for op in ops if isinstance(op, MatrixOp)]
    if not matrices:
        raise NetworkError("", "has no layer with a matrix, so there is nothing to map")
    check_products(ops, chip)
    if tiles == "own" and overflow == "reload":
        raise SpecError("mapping.tiles", "layers that take turns in the arrays have no tiles of their own")
    cores = {bits: chip.core.at(bits) for bits in {op.precision for op in matrices}}
    cuts = functools.cache(lambda bits, *size: cores[bits].cuts(*size))
    tables = [block_table(op, cuts(op.precision, op.rows, op.cols, op.taps)) for op in matrices]
    each, whole = chip.core.arrays_per_block, chip.arrays_per_tile if tiles == "own" else 1
    pools = whole * sum(map(is_pool, ops)) if tiles == "own" else 0
    sizes = (op.matrices * len(table) * each for op, table in zip(matrices, tables, strict=True))
    arrays = {op.layer: -(-size // whole) * whole for op, size in zip(matrices, sizes, strict=True)}
    limit = capacity(sum(arrays.values()) + pools, chip, budget, overflow) - pools
    copies, groups = copies_and_groups(matrices, replicate, arrays, limit, overflow)
    replicas = np.array([copies[op.layer] for op in matrices])
    matrix, replica, row, height, col, width = replicated(tables, replicas)
    array, turn, own = each * np.arange(len(matrix)), np.zeros(len(matrix), int), {}
    if overflow == "reload":
        require_capacity("mapping.overflow", each, limit)
        first, turn = take_turns(matrix, [len(group) for group in groups], limit // each)
        array = each * first
    elif tiles == "own":
        array, own = apart(ops, list(arrays), matrix, each, whole)
    used = max(int(array.max()) + each, whole * (1 + max(own.values(), default=-1)))
    if overflow == "refuse" or (budget is not None and overflow == "spread"):
        require_capacity("mapping.replicate", used - pools, limit)
    chips = -(-used // chip.arrays)
    return Placement(
        matrix=np.array([op.layer for op in matrices]),
        weight_bits=np.array([cores[op.precision].weight_bits for op in matrices]),
        input_bits=np.array([cores[op.precision].input_bits for op in matrices]),
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
        arrays_per_block=each,
        pool=np.array(list(own), dtype=str),
        pool_tile=np.array(list(own.values()), int),
    )


def apart(
    ops: Sequence[Op], layers: Sequence[str], matrix: Int[np.ndarray, " block"], each: int, per_tile: int
) -> tuple[Int[np.ndarray, " block"], dict[str, int]]:
    """The first array of each block where layers have tiles of their own, and the tiles of pools."""
    size = np.bincount(matrix) * each
    start, pools = own_tiles(ops, dict(zip(layers, size.tolist(), strict=True)), per_tile)
    return np.arange(len(matrix)) * each + (np.array(start) - np.cumsum(size) + size)[matrix], pools


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
