"""What travels between tiles and chips for one inference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from pimsim.chip import Chip, kind_of, on_mesh
from pimsim.mapping import Placement, demands, locations
from pimsim.network.ops import MatrixOp, Op, ProductOp


class Mesh(NamedTuple):
    """What of a chip decides what travels, and how far."""

    router: Int[np.ndarray, "tile 2"]
    """(row, col) of that of each tile of a chip."""
    kind: Int[np.ndarray, " tile"]
    """Which of the chip's parts each tile belongs to."""
    flit_bits: int
    has_memory: bool

    @classmethod
    def of(cls, chip: Chip) -> "Mesh":
        tiles = np.arange(chip.tiles)
        return cls(on_mesh(chip, tiles), kind_of(chip, tiles), chip.tile.router.flit_bits, chip.memory is not None)

    @property
    def tiles(self) -> int:
        return len(self.router)

    def distance(self, a: Int[np.ndarray, "*#n"], b: Int[np.ndarray, "*#n"]) -> Int[np.ndarray, "*n"]:
        """Links between the routers of two tiles, by their places on their own chips' meshes."""
        return np.abs(self.router[a % self.tiles] - self.router[b % self.tiles]).sum(axis=-1)


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
    memory_bits: float
    """Bits written to the chip's memory and read from it; 0 where there is none."""

    @property
    def received(self) -> float:
        """Values that arrive at all tiles together."""
        return self.values * float(self.share.sum())


def traffic(ops: Sequence[Op], placement: Placement, chip: Chip, image_values: int) -> list[Edge]:
    """Every tensor that moves, with XY-routed distances.

    A tile with blocks of a matrix receives what their rows take of the layer's inputs, as unicasts from the producing
    tiles in equal parts; staying in a tile costs no flit. What a recurrent layer gives back to itself travels likewise.
    A pool with a tile of its own receives its input. Other layers without a matrix work where their first input lies,
    on equal parts of it, and receive the matching parts of the others; what multiplies two results receives the whole
    right side wherever any of the left lies.

    On a chip with a memory tensors pass through that and not over the mesh: each is written once and put on the bus of
    the memory once for all matrices that it meets, whose tiles take what they need of it, and once for each sum or
    product, which waits for its other side. Tensors that are joined just lie there together.
    """
    where, needed = locations(ops, placement), demands(ops, placement)
    values, kept, taken = {"input": image_values}, {"input"}, set()
    edges, mesh = [], Mesh.of(chip)

    def send(source: str, op: Op, many: int, share: Float[np.ndarray, " target"]) -> None:
        together = isinstance(op, MatrixOp) and source in taken
        accesses = 2 - (source in kept) - together
        bits = many * placement.input_bits_of(op.layer, chip.core.input_bits)
        edges.append(_edge(op, source, many, where, share, mesh, bits, accesses))
        kept.add(source)
        taken.update([source] if isinstance(op, MatrixOp) else [])

    for op in ops:
        values[op.layer] = op.vectors * op.width
        if isinstance(op, MatrixOp):
            for source in op.inputs:
                send(source, op, values[source], needed[op.layer].share(values[source]))
            if op.recurrent:
                send(op.layer, op, op.vectors * op.recurrent, needed[op.layer].recurrent_share(op.recurrent))
        elif not mesh.has_memory or isinstance(op, ProductOp) or op.kind != "reshape":
            tiles = len(where[op.layer])
            for source in op.inputs if op.layer in placement.pool else op.inputs[1:]:
                send(source, op, values[source], np.full(tiles, 1.0 if isinstance(op, ProductOp) else 1 / tiles))
    return edges


def _edge(
    op: Op,
    producer: str,
    values: int,
    where: Mapping[str, Int[np.ndarray, " _"]],
    share: Float[np.ndarray, " target"],
    mesh: Mesh,
    bits: int,
    accesses: int,
) -> Edge:
    source, target = where[producer], where[op.layer]
    flits = 0.0 if mesh.has_memory else bits / mesh.flit_bits
    routers = np.where(source[:, None] == target, 0, 1 + mesh.distance(source[:, None], target))
    return Edge(
        producer=producer,
        consumer=op.layer,
        values=values,
        source=source,
        target=target,
        share=share,
        flits=flits,
        flit_hops=float(flits * (routers.mean(axis=0) @ share)),
        link_bits=bits * crossing(source // mesh.tiles, target // mesh.tiles, share),
        memory_bits=float(bits * accesses) if mesh.has_memory else 0.0,
    )


def crossing(
    source: Int[np.ndarray, " source"], target: Int[np.ndarray, " target"], share: Float[np.ndarray, " target"]
) -> float:
    """How often a tensor leaves one chip for another: what the tiles of a chip share crosses to it once, at most."""
    if source.max() == target.min() and source.min() == target.max():
        return 0.0
    on_chip = np.minimum(1.0, np.bincount(target, share))
    return float((on_chip * (source[:, None] != np.arange(len(on_chip))).mean(axis=0)).sum())
