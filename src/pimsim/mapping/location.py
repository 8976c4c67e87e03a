"""Where layers work: a matrix where its arrays are, a pool in its own tile, the rest where the first input lies."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from pimsim.chip import Product
from pimsim.mapping.placement import Placement
from pimsim.network.ops import MatrixOp, Op, ProductOp

IO_TILE = 0
"""The tile at whose router images enter."""


def locations(ops: Sequence[Op], placement: Placement) -> dict[str, Int[np.ndarray, " tile"]]:
    """The tiles, counted on through the chips, of each layer and of "input"."""
    where = {"input": np.array([IO_TILE])}
    pools = dict(zip(placement.pool.tolist(), placement.pool_tile.tolist(), strict=True))
    for op in ops:
        if op.layer in pools:
            where[op.layer] = np.array([pools[op.layer]])
        else:
            where[op.layer] = placement.tiles(op.layer) if isinstance(op, MatrixOp) else where[op.inputs[0]]
    return where


def product_shares(ops: Sequence[Op], placement: Placement) -> dict[str, float]:
    """How many tiles each product of results has, in effect: those that meet on one tile share its units equally."""
    layers = [op.layer for op in ops if isinstance(op, ProductOp)]
    where = locations(ops, placement) if layers else {}
    products = {layer: where[layer].tolist() for layer in layers}
    meeting = Counter(tile for tiles in products.values() for tile in tiles)
    return {layer: sum(1 / meeting[tile] for tile in tiles) for layer, tiles in products.items()}


def product(op: ProductOp) -> Product:
    """The operation as a chip sees it."""
    return Product(op.heads, op.m, op.k, op.n, op.macs)
