"""How results get from layer to layer on a chip whose steps do not overlap: what a vector is to a tile, and how far."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Int

from pimsim.chip import Chip, Share, on_mesh
from pimsim.mapping import Placement, is_pool, locations
from pimsim.network.ops import MatrixOp, Op, ProductOp, VectorOp
from pimsim.schedule.traffic import Edge


def shares_of(ops: Sequence[Op], placement: Placement, chip: Chip, edges: Sequence[Edge]) -> dict[str, Share]:
    """Of each layer that takes time, what one vector is to its busiest tile; `chip.steps` is not None."""
    values = {edge.producer: edge.values for edge in edges} | {op.layer: op.vectors * op.width for op in ops}
    where, found = one_copy(ops, placement), {}
    hops = links(ops, where, chip)
    for op in ops:
        new = sum(values.get(name, 0) for name in op.inputs) / op.vectors
        if isinstance(op, MatrixOp):
            rows, cols = (max(sizes) for sizes in zip(*placement.block_shapes(op.layer), strict=True))
            part, tiles = rows / op.rows, len(where[op.layer])
            arrays = len(placement.blocks(op.layer)) * placement.arrays_per_block
            cores = min(chip.tile.cores, -(-arrays // chip.core.arrays))
            fetched = part * (op.fresh or op.rows)
            share = Share(min(new * part, rows), fetched, rows, cols, cores, tiles, op.width, *hops[op.layer])
        elif isinstance(op, VectorOp) and takes_time(op):
            made = op.width if is_pool(op) else 0  # a sum leaves as it is made
            share = Share(new, op.operands / op.vectors, 0, made, 0, 1, op.width, *hops[op.layer])
        else:
            continue
        found[op.layer] = share
    return found


def one_copy(ops: Sequence[Op], placement: Placement) -> dict[str, Int[np.ndarray, " tile"]]:
    """Where the first copy of each layer's matrix works, and everything else."""
    where = locations(ops, placement)
    for op in ops:
        if isinstance(op, MatrixOp):
            where[op.layer] = where[op.layer][: -(-len(where[op.layer]) // placement.copies(op.layer))]
    return where


def takes_time(op: Op) -> bool:
    """Whether a layer without a matrix has steps of its own; others act on values passing by."""
    return is_pool(op) or (isinstance(op, VectorOp) and op.kind == "add")


def links(ops: Sequence[Op], where: Mapping[str, Int[np.ndarray, " tile"]], chip: Chip) -> dict[str, tuple[int, int]]:
    """For each layer the links from the tile that gathers its results to its farthest tile, and to the farthest that
    needs them. The tile with the shortest way gathers."""
    assert chip.steps is not None
    needed = readers(ops)
    places = {layer: on_mesh(chip, tiles) for layer, tiles in where.items()}
    for op in ops:
        if not is_pool(op) and takes_time(op):
            places[op.layer] = np.array([chip.steps.accumulator])
    found = {}
    for op in ops:
        own = places[op.layer]
        onto = [places[name] for name in needed[op.layer]]
        within = farthest(own, own)
        onward = farthest(own, np.concatenate(onto)) if onto else np.zeros(len(own), int)
        gathers = int(np.argmin(within + onward))
        found[op.layer] = int(within[gathers]), int(onward[gathers])
    return found


def readers(ops: Sequence[Op]) -> Mapping[str, list[str]]:
    """The layers that work on the results of each, through those that act on values passing by."""
    needed = defaultdict(list)
    for op in reversed(ops):
        acts = isinstance(op, MatrixOp | ProductOp) or takes_time(op)
        for name in op.inputs:
            needed[name] += [op.layer] if acts else needed[op.layer]
    return needed


def farthest(these: Int[np.ndarray, "place 2"], those: Int[np.ndarray, "other 2"]) -> Int[np.ndarray, " place"]:
    """Links from each of these routers to the farthest of those."""
    return np.abs(these[:, None] - those).sum(axis=-1).max(axis=1)
