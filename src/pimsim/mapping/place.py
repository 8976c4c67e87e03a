"""Matrices into arrays: cut, copied, and put one after the other."""

import functools
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Int

from pimsim.chip import Chip, CrossbarCore
from pimsim.errors import NetworkError, SpecError
from pimsim.mapping.blocks import block_table, replicated
from pimsim.mapping.budget import Budget, Overflow, capacity, require_capacity
from pimsim.mapping.fill import Fill, level
from pimsim.mapping.packing import Packing, arrays_for, cuts_along_groups, pack, turns_of
from pimsim.mapping.placement import Placement
from pimsim.mapping.replication import Replicate
from pimsim.mapping.rounds import copies_and_groups, take_turns
from pimsim.mapping.tiles import Tiles, is_pool, own_tiles
from pimsim.network.ops import MatrixOp, Op, Precision, ProductOp


def place(
    ops: Sequence[Op],
    chip: Chip,
    replicate: Replicate = "balance",
    *,
    budget: Budget | None = None,
    overflow: Overflow = "spread",
    tiles: Tiles = "shared",
    packing: Packing = "single",
    fill: Fill = "order",
) -> Placement:
    """Cut every matrix into the fewest arrays and fill tiles in the network's order, one replica after the other.

    A network that needs more arrays than a chip has takes as many chips as one copy of it needs, unless `overflow` has
    its layers take turns, or refuses; `balance` then replicates within those chips, or within a budget, while counts
    given by layer may add chips. A layer of several matrices has a replica for each, and as many again for each further
    copy: vector v passes replica v mod their number. Layers share tiles, or have tiles of their own, pools among them.
    Raises CapacityError where arrays are lacking, SpecError for tiles of their own that layers would take turns in, and
    for layers of different precision that would share arrays.
    """
    matrices = [op for op in ops if isinstance(op, MatrixOp)]
    if not matrices:
        raise NetworkError("", "has no layer with a matrix, so there is nothing to map")
    check_products(ops, chip)
    check_turns(matrices, overflow, tiles, packing)
    cores = {bits: chip.core.at(bits) for bits in {op.precision for op in matrices}}
    tables = cut_all(matrices, cores, packing)
    each, whole = chip.core.arrays_per_block, chip.arrays_per_tile if tiles == "own" else 1
    pools = whole * sum(map(is_pool, ops)) if tiles == "own" else 0
    sizes = (op.matrices * len(table) * each for op, table in zip(matrices, tables, strict=True))
    arrays = {op.layer: -(-size // whole) * whole for op, size in zip(matrices, sizes, strict=True)}
    used = functools.partial(arrays_for, matrices, tables, chip.core.rows) if packing == "dense" else None
    needed = used(np.ones(len(matrices), int)) if used else sum(arrays.values()) + pools
    limit = capacity(needed, chip, budget, overflow) - pools
    copies, groups = copies_and_groups(matrices, replicate, arrays, limit, overflow, used)
    replicas = np.array([copies[op.layer] for op in matrices])
    matrix, replica, row, height, col, width = replicated(tables, replicas)
    array, line, turn, own = each * np.arange(len(matrix)), np.zeros(len(matrix), int), np.zeros(len(matrix), int), {}
    if packing == "dense":
        array, line = pack(
            height, turns_of(matrices, replicas // [op.matrices for op in matrices])[matrix], chip.core.rows
        )
    elif overflow == "reload":
        require_capacity("mapping.overflow", each, limit)
        first, turn = take_turns(matrix, [len(group) for group in groups], limit // each)
        array = each * first
    elif tiles == "own":
        array, own = apart(ops, list(arrays), matrix, each, whole)
    end = max(int(array.max()) + each, whole * (1 + max(own.values(), default=-1)))
    if overflow == "refuse" or (budget is not None and overflow == "spread"):
        require_capacity("mapping.replicate", end - pools, limit)
    chips = -(-end // chip.arrays)
    if fill == "level":
        vectors = np.array([op.vectors for op in matrices])[matrix]
        passing = vectors // replicas[matrix] + (replica < vectors % replicas[matrix])
        array = level((matrix, replica, row), passing, chips * chip.tiles, chip.arrays_per_tile)
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
        block_line=line,
        block_round=turn,
        arrays_per_block=each,
        pool=np.array(list(own), dtype=str),
        pool_tile=np.array(list(own.values()), int),
    )


def cut_all(
    ops: Sequence[MatrixOp], cores: Mapping[Precision | None, CrossbarCore], packing: Packing
) -> list[Int[np.ndarray, "_ 4"]]:
    """The blocks of one copy of each matrix; dense packing cuts grouped ones along their groups where that pays."""
    cuts, tables = functools.cache(lambda bits, *size: cores[bits].cuts(*size)), []
    for op in ops:
        core, evenly = cores[op.precision], cuts(op.precision, op.rows, op.cols, op.taps)
        table = block_table(op, evenly)
        if packing == "dense" and op.groups > 1:
            table = block_table(op, cuts_along_groups(op, evenly, core.rows, core.weights_per_array, len(table)))
        tables.append(table)
    return tables


def apart(
    ops: Sequence[Op], layers: Sequence[str], matrix: Int[np.ndarray, " block"], each: int, per_tile: int
) -> tuple[Int[np.ndarray, " block"], dict[str, int]]:
    """The first array of each block where layers have tiles of their own, and the tiles of pools."""
    size = np.bincount(matrix) * each
    start, pools = own_tiles(ops, dict(zip(layers, size.tolist(), strict=True)), per_tile)
    return np.arange(len(matrix)) * each + (np.array(start) - np.cumsum(size) + size)[matrix], pools


def check_turns(ops: Sequence[MatrixOp], overflow: Overflow, tiles: Tiles, packing: Packing) -> None:
    """Raise SpecError where blocks would take turns that differ, or have no tile to take them in."""
    if tiles == "own" and overflow == "reload":
        raise SpecError("mapping.tiles", "layers that take turns in the arrays have no tiles of their own")
    if packing == "dense" and len({op.precision for op in ops}) > 1:
        fact = "layers of different precision read for different times, and blocks of one array read in equal turns"
        raise SpecError("mapping.packing", fact, "Choose single, or one precision for all layers.")


def check_products(ops: Sequence[Op], chip: Chip) -> None:
    """Raise NetworkError for products of two results on a chip that has nothing to multiply them."""
    dynamic = [op.layer for op in ops if isinstance(op, ProductOp)]
    if dynamic and chip.tile.products is None:
        remedy = "Choose a chip with `tile.products`, such as isaac-ce-attention."
        raise NetworkError(dynamic[0], f"has dynamic products, which {chip.name} has no unit for", remedy)
