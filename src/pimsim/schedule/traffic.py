"""What travels between tiles and chips for one inference."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from pimsim.chip import Chip
from pimsim.mapping import Placement, demands, locations
from pimsim.network.ops import MatrixOp, Op, ProductOp


@dataclass(frozen=True, eq=False)
class Edge:
    """One tensor on its way from the tiles that make it to those that need it."""

    producer: str
    consumer: str
    values: int
    source: Int[np.ndarray, " source"] = field(repr=False)
    """The tiles that make it, in equal parts."""
    target: Int[np.ndarray, " target"] = field(repr=False)
    """The tiles that receive any of it."""
    share: Float[np.ndarray, " target"] = field(repr=False)
    """How much of it each of them receives, and keeps for itself."""
    flits: float
    """Of the whole tensor."""
    flit_hops: float
    link_bits: float
    """Bits that leave one chip for another."""

    @property
    def received(self) -> float:
        """Values that arrive at all tiles together."""
        return self.values * float(self.share.sum())


def traffic(ops: Sequence[Op], placement: Placement, chip: Chip, image_values: int) -> list[Edge]:
    """Every tensor that moves, with XY-routed distances.

    A tile with blocks of a matrix receives what their rows take of the layer's inputs, as unicasts from the producing
    tiles in equal parts; staying in a tile costs no flit. What a recurrent layer gives back to itself travels likewise.
    Layers without a matrix work where their first input lies, on equal parts of it, and receive the matching parts of
    the others; what multiplies two results receives the whole right side wherever any of the left lies.
    """
    where, needed = locations(ops, placement), demands(ops, placement)
    values = {"input": image_values}
    edges = []
    for op in ops:
        values[op.layer] = op.vectors * op.width
        target = where[op.layer]
        for source in op.inputs if isinstance(op, MatrixOp) else op.inputs[1:]:
            if isinstance(op, MatrixOp):
                share = needed[op.layer].share(values[source])
            else:
                share = np.full(len(target), 1.0 if isinstance(op, ProductOp) else 1 / len(target))
            edges.append(_edge(source, op.layer, values[source], where[source], target, share, chip))
        if isinstance(op, MatrixOp) and op.recurrent:
            share, given_back = needed[op.layer].recurrent_share(op.recurrent), op.vectors * op.recurrent
            edges.append(_edge(op.layer, op.layer, given_back, target, target, share, chip))
    return edges


def _edge(
    producer: str,
    consumer: str,
    values: int,
    source: Int[np.ndarray, " source"],
    target: Int[np.ndarray, " target"],
    share: Float[np.ndarray, " target"],
    chip: Chip,
) -> Edge:
    bits = values * chip.core.input_bits
    flits = bits / chip.tile.router.flit_bits
    routers = np.where(source[:, None] == target, 0, 1 + distance(source[:, None], target, chip))
    return Edge(
        producer=producer,
        consumer=consumer,
        values=values,
        source=source,
        target=target,
        share=share,
        flits=flits,
        flit_hops=float(flits * (routers.mean(axis=0) @ share)),
        link_bits=bits * crossing(source // chip.tiles, target // chip.tiles, share),
    )


def crossing(
    source: Int[np.ndarray, " source"], target: Int[np.ndarray, " target"], share: Float[np.ndarray, " target"]
) -> float:
    """How often a tensor leaves one chip for another: what the tiles of a chip share crosses to it once, at most."""
    if source.max() == target.min() and source.min() == target.max():
        return 0.0
    on_chip = np.minimum(1.0, np.bincount(target, share))
    return float((on_chip * (source[:, None] != np.arange(len(on_chip))).mean(axis=0)).sum())


def distance(a: Int[np.ndarray, "*#n"], b: Int[np.ndarray, "*#n"], chip: Chip) -> Int[np.ndarray, "*n"]:
    """Links between the routers of two tiles, by their places on their own chips' meshes."""
    row, col = np.divmod(a % chip.tiles // chip.tile.router.shared_by, chip.mesh_cols)
    other_row, other_col = np.divmod(b % chip.tiles // chip.tile.router.shared_by, chip.mesh_cols)
    return np.abs(row - other_row) + np.abs(col - other_col)
