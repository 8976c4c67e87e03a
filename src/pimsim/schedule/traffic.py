"""What travels between tiles and chips for one inference."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int

from pimsim.chip import Chip, on_mesh
from pimsim.mapping import Placement, locations
from pimsim.network.ops import MatrixOp, Op


@dataclass(frozen=True, eq=False)
class Edge:
    """One tensor on its way from the tiles that make it to those that need it."""

    producer: str
    consumer: str
    values: int
    source: Int[np.ndarray, " source"] = field(repr=False)
    """The tiles that make it, in equal parts."""
    target: Int[np.ndarray, " target"] = field(repr=False)
    """The tiles that receive it; each keeps its own copy."""
    flits: float
    """Of one copy."""
    flit_hops: float
    link_bits: float
    """Bits that leave one chip for another."""

    @property
    def copies(self) -> int:
        """Tiles that receive the tensor."""
        return len(self.target)


def traffic(ops: Sequence[Op], placement: Placement, chip: Chip, image_values: int) -> list[Edge]:
    """Every tensor that moves, with XY-routed distances.

    Layers without a matrix work where their first input lies. Each tile that works for a layer receives all of the
    layer's inputs, as unicasts from the producing tiles in equal parts; staying in a tile costs no flit. What a
    recurrent layer gives back to itself travels likewise.
    """
    where = locations(ops, placement)
    values = {"input": image_values}
    edges = []
    for op in ops:
        values[op.layer] = op.vectors * op.width
        travelling = op.inputs if isinstance(op, MatrixOp) or op.layer in placement.pool else op.inputs[1:]
        edges += [
            _edge(source, op.layer, values[source], where[source], where[op.layer], chip, placement)
            for source in travelling
        ]
        if isinstance(op, MatrixOp) and op.recurrent:
            own = where[op.layer]
            edges.append(_edge(op.layer, op.layer, op.vectors * op.recurrent, own, own, chip, placement))
    return edges


def _edge(
    producer: str,
    consumer: str,
    values: int,
    source: Int[np.ndarray, " source"],
    target: Int[np.ndarray, " target"],
    chip: Chip,
    placement: Placement,
) -> Edge:
    bits = values * placement.input_bits_of(consumer, chip.core.input_bits)
    flits = bits / chip.tile.router.flit_bits
    routers = np.where(source[:, None] == target, 0, 1 + distance(source[:, None], target, chip))
    other_chips = (source[:, None] // chip.tiles) != np.unique(target // chip.tiles)
    return Edge(
        producer=producer,
        consumer=consumer,
        values=values,
        source=source,
        target=target,
        flits=flits,
        flit_hops=float(flits * routers.mean(axis=0).sum()),
        link_bits=float(bits * other_chips.mean(axis=0).sum()),
    )


def distance(a: Int[np.ndarray, "*#n"], b: Int[np.ndarray, "*#n"], chip: Chip) -> Int[np.ndarray, "*n"]:
    """Links between the routers of two tiles, by their places on their own chips' meshes."""
    (row, col), (other_row, other_col) = (np.moveaxis(on_mesh(chip, tile), -1, 0) for tile in (a, b))
    return np.abs(row - other_row) + np.abs(col - other_col)
