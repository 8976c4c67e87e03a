"""Copies of matrices, and the arrays that they lie in, on a chip whose tiles are all alike."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from pimsim.chip import Chip
from pimsim.mapping.blocks import replicated
from pimsim.mapping.budget import Budget, Overflow, capacity, require_capacity
from pimsim.mapping.fill import Fill, level
from pimsim.mapping.packing import Packing, arrays_for, pack, turns_of
from pimsim.mapping.replication import Replicate
from pimsim.mapping.rounds import copies_and_groups, take_turns
from pimsim.mapping.tiles import Tiles, is_pool, own_tiles
from pimsim.network.ops import MatrixOp, Op


class Plan(NamedTuple):
    """What is asked for."""

    replicate: Replicate
    budget: Budget | None
    overflow: Overflow
    tiles: Tiles
    packing: Packing
    fill: Fill


class Laid(NamedTuple):
    """Where blocks lie."""

    replicas: Int[np.ndarray, " matrix"]
    blocks: list[Int[np.ndarray, " block"]]
    """As `replicated` has them."""
    array: Int[np.ndarray, " block"]
    line: Int[np.ndarray, " block"]
    turn: Int[np.ndarray, " block"]
    pools: dict[str, int]
    """The tile of each pool that has one."""
    chips: int


def lay(
    ops: Sequence[Op],
    matrices: Sequence[MatrixOp],
    tables: Sequence[Int[np.ndarray, "_ 4"]],
    chip: Chip,
    plan: Plan,
) -> Laid:
    """The arrays of all copies, given the blocks of one. Raises CapacityError where arrays are lacking."""
    replicate, budget, overflow, tiles, packing, fill = plan
    each, whole = chip.core.arrays_per_block, chip.arrays_per_tile if tiles == "own" else 1
    pools = whole * sum(map(is_pool, ops)) if tiles == "own" else 0
    sizes = (op.matrices * len(table) * each for op, table in zip(matrices, tables, strict=True))
    arrays = {op.layer: -(-size // whole) * whole for op, size in zip(matrices, sizes, strict=True)}
    used = functools.partial(arrays_for, matrices, tables, chip.core.rows) if packing == "dense" else None
    needed = used(np.ones(len(matrices), int)) if used else sum(arrays.values()) + pools
    limit = capacity(needed, chip, budget, overflow) - pools
    copies, groups = copies_and_groups(matrices, replicate, arrays, limit, overflow, used)
    replicas = np.array([copies[op.layer] for op in matrices])
    blocks = replicated(tables, replicas)
    matrix, replica, row, height, *_ = blocks
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
    return Laid(replicas, blocks, array, line, turn, own, chips)


def apart(
    ops: Sequence[Op], layers: Sequence[str], matrix: Int[np.ndarray, " block"], each: int, per_tile: int
) -> tuple[Int[np.ndarray, " block"], dict[str, int]]:
    """The first array of each block where layers have tiles of their own, and the tiles of pools."""
    size = np.bincount(matrix) * each
    start, pools = own_tiles(ops, dict(zip(layers, size.tolist(), strict=True)), per_tile)
    return np.arange(len(matrix)) * each + (np.array(start) - np.cumsum(size) + size)[matrix], pools
