"""Which block of which matrix sits in which array: the one table that inference, schedule and cost all read."""

import functools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Shaped

from pimsim.chip import CrossbarCore, Cuts
from pimsim.mapping.groups import Groups


@dataclass(frozen=True)
class Placement:
    """Blocks of matrices in arrays, one row of the table a block; arrays count on through tiles and chips."""

    matrix: Shaped[np.ndarray, " matrix"]
    """The names of the layers that have a matrix."""
    kind: Shaped[np.ndarray, " matrix"]
    """Of the tiles that hold each, "standard" where they are all alike."""
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
    """By which arrays are counted on from tile to tile: those of the kind with most."""
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
    block_line: Int[np.ndarray, " block"]
    """Its first word line there."""
    block_round: Int[np.ndarray, " block"]
    """When: arrays are written with one round after the other where not all fit at once, and with round 0 otherwise."""
    arrays_per_block: int
    """That hold a block together, from `block_array` on."""
    pool: Shaped[np.ndarray, " pool"]
    """The names of the pools that have a tile of their own."""
    pool_tile: Int[np.ndarray, " pool"]

    @functools.cached_property
    def arrays_used(self) -> int:
        return len(distinct(self.block_array)) * self.arrays_per_block

    @functools.cached_property
    def array_tile(self) -> Int[np.ndarray, " array"]:
        """The tile of each array of each block."""
        if self.arrays_per_block == 1:
            return self.block_array // self.arrays_per_tile
        return (self.block_array[:, None] + np.arange(self.arrays_per_block)).ravel() // self.arrays_per_tile

    @property
    def shares(self) -> bool:
        """Whether blocks take turns in an array that holds them all at once."""
        return self.rounds == 1 and len(distinct(self.block_array)) < len(self.block_array)

    @functools.cached_property
    def rounds(self) -> int:
        """How often the arrays are written in one inference, where more than once."""
        return 1 + int(self.block_round.max())

    def sharing(self, layer: str) -> int:
        """Blocks that take turns in the array of the layer that holds most."""
        return int(self._sharing[self._index(layer)])

    @functools.cached_property
    def _sharing(self) -> Int[np.ndarray, " matrix"]:
        if not self.shares:
            return np.ones(len(self.matrix), int)
        together = np.bincount(self.block_array)[self.block_array]
        return np.maximum.reduceat(together, np.searchsorted(self.block_matrix, np.arange(len(self.matrix))))

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

    def kind_of(self, layer: str) -> str:
        """The kind of the tiles that hold a layer."""
        return str(self.kind[self._index(layer)])

    def input_bits_of(self, layer: str, usual: int) -> int:
        """Bits of the values that a layer reads, with a matrix or, as usual, without."""
        return self.precision(layer)[1] if layer in self._indices else usual

    def blocks(self, layer: str) -> list[tuple[int, int, int, int]]:
        """(first row, rows, first col, cols) of the blocks of one replica."""
        lone = self._one_replica(layer)
        columns = (self.block_row, self.block_rows, self.block_col, self.block_cols)
        return list(zip(*(column[lone].tolist() for column in columns), strict=True))  # type: ignore[arg-type]

    def cuts(self, layer: str, rows: int, cols: int) -> Cuts:
        """How the layer's [rows, cols] matrix is cut."""
        own = self._blocks(layer)
        tall, wide = int(self.block_rows[own].max()), int(self.block_cols[own].max())
        return Cuts(-(-rows // tall), tall, -(-cols // wide), wide)

    def block_shapes(self, layer: str) -> dict[tuple[int, int], int]:
        """How many blocks of each (rows, cols) one replica has."""
        if layer not in self._shapes:
            lone = self._one_replica(layer)
            wide = int(self.block_cols[lone].max()) + 1
            shape, count = np.unique(self.block_rows[lone] * wide + self.block_cols[lone], return_counts=True)
            pairs = zip(shape.tolist(), count.tolist(), strict=True)
            self._shapes[layer] = {divmod(each, wide): number for each, number in pairs}
        return self._shapes[layer]

    def cells(self, layer: str, core: CrossbarCore) -> int:
        """Cells that one replica uses."""
        own = core.at(self.precision(layer))
        return sum(count * own.cells(*shape) for shape, count in self.block_shapes(layer).items())

    @functools.cached_property
    def groups(self) -> Groups:
        """The matrix-vector operations that tiles start."""
        columns = self.block_matrix, self.block_replica, self.block_row, self.block_rows, self.block_cols
        matrix, *others = (np.repeat(column, self.arrays_per_block) for column in columns)
        return Groups.of(matrix, self.array_tile, *others)

    def tiles(self, layer: str) -> Int[np.ndarray, " tile"]:
        """The tiles, counted on through the chips, that hold any of a layer."""
        index = self._index(layer)
        return distinct(self.groups.tile[slice(*np.searchsorted(self.groups.matrix, [index, index + 1]))])

    def tiles_at_work(self) -> Int[np.ndarray, " tile"]:
        """Tiles that hold anything, or pool."""
        return np.concatenate([distinct(self.groups.tile), self.pool_tile])

    def tiles_on(self) -> int:
        """How many these are."""
        return len(self.tiles_at_work())

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
