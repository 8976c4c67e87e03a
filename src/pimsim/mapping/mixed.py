"""Copies of matrices, and the arrays that they lie in, on a chip with tiles of several kinds."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from pimsim.chip import Chip
from pimsim.mapping.blocks import replicated
from pimsim.mapping.budget import require_capacity, stated_chips
from pimsim.mapping.lay import Laid, Plan
from pimsim.mapping.replication import replication
from pimsim.network.ops import MatrixOp


def lay_by_kind(
    ops: Sequence[MatrixOp],
    tables: Sequence[Int[np.ndarray, "_ 4"]],
    chip: Chip,
    kinds: Sequence[str],
    plan: Plan,
) -> Laid:
    """Layers of each kind fill its tiles in the network's order; copies are those of the fastest bottleneck that the
    arrays of all kinds allow. Raises CapacityError where the chips that may be used lack arrays of a kind.
    """
    parts = chip.parts
    names = [part.kind for part in parts]
    kind = np.array([names.index(each) for each in kinds])
    size = np.array([op.matrices * len(table) for op, table in zip(ops, tables, strict=True)])
    room = np.array([part.arrays for part in parts])

    def needed(copies: Int[np.ndarray, " matrix"]) -> Int[np.ndarray, " kind"]:
        return np.bincount(kind, copies * size, len(parts)).astype(int)

    def lacking(copies: Int[np.ndarray, " matrix"]) -> int:
        return int((needed(copies) - limit * room).max())

    stated = stated_chips(chip, plan.budget, plan.overflow)
    one = needed(np.ones(len(ops), int))
    limit = stated or int((-(-one // room)).max())
    for name, many, there in zip(names, one.tolist(), (limit * room).tolist(), strict=True):
        require_capacity(f"mapping.kinds: {name}", many, there, "Put fewer layers there, or allow more chips.")
    pace = np.array([int(part.core.read_cycles()) for part in parts])[kind]
    arrays = {op.layer: int(each) for op, each in zip(ops, size, strict=True)}
    copies = replication(ops, plan.replicate, arrays, 0, lacking, pace)
    replicas = np.array([copies[op.layer] for op in ops])
    taken = needed(replicas // [op.matrices for op in ops])
    if stated is not None:
        for name, many, there in zip(names, taken.tolist(), (limit * room).tolist(), strict=True):
            require_capacity(f"mapping.replicate: {name}", many, there)
    blocks = replicated(tables, replicas)
    array = in_tiles(chip, kind[blocks[0]])
    none = np.zeros(len(array), int)
    return Laid(replicas, blocks, array, none, none, {}, int((-(-taken // room)).max()))


def in_tiles(chip: Chip, kind: Int[np.ndarray, " block"]) -> Int[np.ndarray, " block"]:
    """The array of each block, in order through the tiles of its kind, given the index of that among the parts."""
    parts, within = chip.parts, np.empty(len(kind), int)
    for index in range(len(parts)):
        within[kind == index] = np.arange((kind == index).sum())
    first, tiles, size = (
        np.array([getattr(part, field) for part in parts])[kind] for field in ("first", "tiles", "arrays_per_tile")
    )
    tile, slot = np.divmod(within, size)
    return (tile // tiles * chip.tiles + first + tile % tiles) * chip.arrays_per_tile + slot
