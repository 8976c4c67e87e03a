"""Matrices into arrays: cut, copied, and put one after the other."""

import functools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from pimsim.chip import Chip, CrossbarCore
from pimsim.errors import NetworkError
from pimsim.mapping.blocks import block_table, replicated
from pimsim.mapping.budget import Budget, Overflow, capacity, require_capacity
from pimsim.mapping.fill import Fill, level
from pimsim.mapping.packing import Packing, arrays_for, cuts_along_groups, pack, turns_of
from pimsim.mapping.placement import Placement
from pimsim.mapping.replication import Replicate
from pimsim.mapping.rounds import copies_and_groups, take_turns
from pimsim.network.ops import MatrixOp, Op, ProductOp


def place(
    ops: Sequence[Op],
    chip: Chip,
    replicate: Replicate = "balance",
    *,
    budget: Budget | None = None,
    overflow: Overflow = "spread",
    packing: Packing = "single",
    fill: Fill = "order",
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
    tables = cut_all(matrices, chip.core, packing)
    arrays = {op.layer: op.matrices * len(table) for op, table in zip(matrices, tables, strict=True)}
    used = functools.partial(arrays_for, matrices, tables, chip.core.rows) if packing == "dense" else None
    needed = used(np.ones(len(matrices), int)) if used else sum(arrays.values())
    limit = capacity(needed, chip, budget, overflow)
    copies, groups = copies_and_groups(matrices, replicate, arrays, limit, overflow, used)
    replicas = np.array([copies[op.layer] for op in matrices])
    matrix, replica, row, height, col, width = replicated(tables, replicas)
    array, line, turn = np.arange(len(matrix)), np.zeros(len(matrix), int), np.zeros(len(matrix), int)
    if packing == "dense":
        own = replicas // [op.matrices for op in matrices]
        array, line = pack(height, turns_of(matrices, own)[matrix], chip.core.rows)
    elif overflow == "reload":
        array, turn = take_turns(matrix, [len(group) for group in groups], limit)
    if overflow == "refuse" or (budget is not None and overflow == "spread"):
        require_capacity("mapping.replicate", 1 + int(array.max()), limit)
    chips = -(-(1 + int(array.max())) // chip.arrays)
    if fill == "level":
        vectors = np.array([op.vectors for op in matrices])[matrix]
        passing = vectors // replicas[matrix] + (replica < vectors % replicas[matrix])
        array = level((matrix, replica, row), passing, chips * chip.tiles, chip.arrays_per_tile)
    names, total = np.array([op.layer for op in matrices]), chips * chip.arrays
    blocks = (matrix, replica, row, height, col, width, array, line, turn)
    return Placement(names, replicas, chips, total, chip.arrays_per_tile, chip.tiles, *blocks)


def cut_all(ops: Sequence[MatrixOp], core: CrossbarCore, packing: Packing) -> list[Int[np.ndarray, "_ 4"]]:
    """The blocks of one copy of each matrix; dense packing cuts grouped ones along their groups where that pays."""
    cuts, wide, tables = functools.cache(core.cuts), core.weights_per_array, []
    for op in ops:
        evenly = cuts(op.rows, op.cols)
        table = block_table(op, evenly)
        if packing == "dense" and op.groups > 1:
            table = block_table(op, cuts_along_groups(op, evenly, core.rows, wide, len(table)))
        tables.append(table)
    return tables


def check_products(ops: Sequence[Op], chip: Chip) -> None:
    """Raise NetworkError for products of two results on a chip that has nothing to multiply them."""
    dynamic = [op.layer for op in ops if isinstance(op, ProductOp)]
    if dynamic and chip.tile.products is None:
        remedy = "Choose a chip with `tile.products`, such as isaac-ce-attention."
        raise NetworkError(dynamic[0], f"has dynamic products, which {chip.name} has no unit for", remedy)
