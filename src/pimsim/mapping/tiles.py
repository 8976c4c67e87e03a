"""Which tiles layers have: shared with their neighbours in the network, or their own."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from pimsim.network.ops import MatrixOp, Op, VectorOp

Tiles = Literal["shared", "own"]
"""A layer goes on where the one before it ends, or begins with a tile of its own, as do pools."""


class OwnTiles(NamedTuple):
    """Where layers begin that have tiles of their own, in the network's order."""

    start: list[int]
    """The first array of each layer with a matrix."""
    pools: dict[str, int]
    """The tile of each pool."""


def own_tiles(ops: Sequence[Op], arrays: Mapping[str, int], per_tile: int) -> OwnTiles:
    """Whole tiles for layers of so many arrays, and one for each pool."""
    at, start, pools = 0, [], {}
    for op in ops:
        if isinstance(op, MatrixOp):
            start.append(at * per_tile)
            at += -(-arrays[op.layer] // per_tile)
        elif is_pool(op):
            pools[op.layer] = at
            at += 1
    return OwnTiles(start, pools)


def is_pool(op: Op) -> bool:
    return isinstance(op, VectorOp) and op.kind == "pool"
