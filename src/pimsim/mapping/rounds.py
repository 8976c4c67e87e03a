"""Weights that do not fit: which layers are in the arrays at the same time."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Int

from pimsim.errors import CapacityError
from pimsim.mapping.budget import Overflow
from pimsim.mapping.replication import Replicate, Used, replication
from pimsim.network.ops import MatrixOp


def groups_of(arrays: Mapping[str, int], limit: int) -> list[list[str]]:
    """Neighbours that fit together, as many as there is room for; a layer larger than the limit is alone."""
    groups, room = [], 0
    for layer, size in arrays.items():
        if size > room:
            groups.append([])
            room = limit
        groups[-1].append(layer)
        room -= size
    return groups


def copies_and_groups(
    ops: Sequence[MatrixOp],
    replicate: Replicate,
    arrays: Mapping[str, int],
    limit: int,
    overflow: Overflow,
    used: Used | None = None,
) -> tuple[dict[str, int], list[list[str]]]:
    """Replicas of each layer, and the layers that share the arrays at a time; a group is balanced by itself.

    Raises CapacityError for a recurrent layer that would have to be rewritten at every step.
    """
    layers = list(arrays)
    if overflow != "reload":
        return replication(ops, replicate, arrays, limit, used), [layers]
    if replicate != "balance":
        copies = replication(ops, replicate, arrays, limit)
        sizes = {op.layer: copies[op.layer] * arrays[op.layer] // op.matrices for op in ops}
        groups = groups_of(sizes, limit)
    else:
        copies, sizes, groups = {}, arrays, groups_of(arrays, limit)
        for group in groups:
            alone = sum(arrays[layer] for layer in group) > limit
            members = [op for op in ops if op.layer in group]
            copies |= replication(members, "none" if alone else "balance", arrays, limit)
    for op in ops:
        if op.recurrent and sizes[op.layer] > limit:
            fact = (
                f"takes {sizes[op.layer]:,} arrays of {limit:,}, so each of its {op.vectors} steps would rewrite them"
            )
            raise CapacityError(op.layer, fact, "Choose `mapping.overflow: spread`.")
    return copies, groups


def take_turns(
    matrix: Int[np.ndarray, " block"], layers: Sequence[int], limit: int
) -> tuple[Int[np.ndarray, " block"], Int[np.ndarray, " block"]]:
    """The array and the round of blocks whose groups, of so many layers each, have `limit` arrays to themselves."""
    group = np.repeat(np.arange(len(layers)), layers)[matrix]
    blocks = np.bincount(group)
    within = np.arange(len(matrix)) - np.repeat(np.cumsum(blocks) - blocks, blocks)
    turns = -(-blocks // limit)
    return within % limit, (np.cumsum(turns) - turns)[group] + within // limit
