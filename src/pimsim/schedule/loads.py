"""What one inference lays on the resources that tiles and layers share, and how long it keeps the busiest of each."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from pimsim.chip import Chip, router_of
from pimsim.circuits import AbstractCircuit
from pimsim.mapping import Placement, locations, product
from pimsim.network.ops import MatrixOp, Op, ProductOp
from pimsim.schedule.traffic import Edge
from pimsim.units import Time

DIRECTIONS = ("east", "west", "south", "north")
AT_ONCE = 2**18
"""Routers of edges that are looked at together."""


class Load(NamedTuple):
    """The busiest of a shared resource."""

    resource: str
    place: str
    time: Time
    """For which one inference keeps it."""


def shared_loads(ops: Sequence[Op], placement: Placement, chip: Chip, edges: Sequence[Edge]) -> list[Load]:
    """The busiest link between chips, link of the mesh, bus of a tile, and, where they bound it, memory and tile.

    All that crosses chips is taken to leave from one. A router has a port for each tile and each direction, which share
    its rate; a bus passes bits at the rate for which its power is stated.
    """
    crossing = sum(edge.link_bits for edge in edges) / chip.link.bandwidth
    flits, bits = mesh_flits(edges, placement, chip), bus_bits(ops, placement, chip)
    direction, number, row, col = np.unravel_index(np.argmax(flits), flits.shape)
    bus, tile = chip.tile.bus, int(np.argmax(bits))
    link = f"chip {number}, router ({row}, {col}) {DIRECTIONS[direction]}" if flits.max() else ""
    loads = [
        Load("link", "all of one chip" if crossing else "", crossing),
        Load("mesh", link, float(flits.max() * port_time(chip))),
        Load("bus", f"tile {tile}", float(bits[tile] * seconds_an_event(bus) / bus.number)),
    ]
    if chip.memory is not None:
        loads.append(Load("memory", "of one chip", memory_time(edges, placement, chip)))
    if chip.tile.issue:
        started = started_by(ops, placement)
        loads.append(Load("issue", f"tile {started.argmax()}", float(started.max() * chip.tile.issue)))
    return loads


def started_by(ops: Sequence[Op], placement: Placement) -> Int[np.ndarray, " tile"]:
    """Matrix-vector operations that each tile starts for one inference."""
    vectors = {op.layer: op.vectors for op in ops}
    passing = placement.groups.passing(np.array([vectors[layer] for layer in placement.matrix]), placement.replication)
    return np.bincount(placement.groups.tile, passing, placement.chips * placement.tiles_per_chip).astype(int)


def memory_time(edges: Sequence[Edge], placement: Placement, chip: Chip) -> Time:
    """How long one inference keeps the memory of a chip, with equal parts of all tensors in that of each."""
    assert chip.memory is not None
    bits = sum(edge.memory_bits for edge in edges) / placement.chips
    return bits * seconds_an_event(chip.memory) / chip.memory.number


def port_time(chip: Chip) -> Time:
    """For which a flit keeps a port of a router."""
    router = chip.tile.router
    return (router.shared_by + len(DIRECTIONS)) * seconds_an_event(router)


def seconds_an_event(circuit: AbstractCircuit) -> Time:
    """The time of one event at the circuit's full rate; 0 where it states no power."""
    cost = circuit.cost()
    return float(cost.energy / cost.power) if np.all(cost.power) else 0.0


def mesh_flits(edges: Sequence[Edge], placement: Placement, chip: Chip) -> Float[np.ndarray, "direction chip row col"]:
    """Flits that pass each link in one inference, by the router that it leaves.

    A source sends its part of a tensor to each target along its row first, then along the target's column. What crosses
    chips goes along the row on its own chip and along the column on the other. The east link behind column c of a row
    thus carries (sources of the row up to c) × (targets beyond c, of any row); the others likewise.
    """
    shape = placement.chips, chip.mesh_rows, chip.mesh_cols
    total = np.zeros((len(DIRECTIONS), *shape))
    at_once = max(1, AT_ONCE // total[0].size)
    for first in range(0, len(edges), at_once):
        some = edges[first : first + at_once]
        source = _at_routers([edge.source for edge in some], shape, chip)
        target = _at_routers([edge.target for edge in some], shape, chip, [edge.share for edge in some])
        source *= np.array([edge.flits / len(edge.source) for edge in some])[:, None, None, None]
        to_col, from_row = target.sum(axis=(1, 2))[:, None, None, :], source.sum(axis=(1, 3))[:, None, :, None]
        total[0] += (_upto(source, 3) * _beyond(to_col, 3)).sum(axis=0)
        total[1] += (_down_to(source, 3) * _before(to_col, 3)).sum(axis=0)
        total[2] += (_upto(from_row, 2) * _beyond(target, 2)).sum(axis=0)
        total[3] += (_down_to(from_row, 2) * _before(target, 2)).sum(axis=0)
    return total


def bus_bits(ops: Sequence[Op], placement: Placement, chip: Chip) -> Float[np.ndarray, " tile"]:
    """Bits on the bus of each tile in one inference."""
    total = np.zeros(placement.chips * placement.tiles_per_chip)
    for tiles, bits in bus_bits_by_layer(ops, placement, chip).values():
        total += np.bincount(tiles, bits, len(total))
    return total


def bus_bits_by_layer(
    ops: Sequence[Op], placement: Placement, chip: Chip
) -> dict[str, tuple[Int[np.ndarray, " part"], Float[np.ndarray, " part"]]]:
    """Tiles, some more than once, and the bits on their buses in one inference: of each layer's, every block has its
    share by weights, and of a product of results every tile that works for it an equal part."""
    by_name = {op.layer: op for op in ops if isinstance(op, MatrixOp)}
    matrices = [by_name[layer] for layer in placement.matrix.tolist()]
    count, bits, events = placement.replication, chip.core.input_bits, chip.tile.matrix_events
    own = zip(matrices, placement.input_bits.tolist(), strict=True)
    group, of = placement.groups, placement.groups.matrix
    size = group.rows * group.cols
    whole = np.bincount(of, size) / count
    per_vector = np.array([events(op.rows, op.cols, op.cols, width)["bus_bit"] for op, width in own])
    bits_each = group.passing(np.array([op.vectors for op in matrices]), count) * size * (per_vector / whole)[of]
    bounds = np.searchsorted(of, np.arange(len(matrices) + 1)).tolist()
    found = {op.layer: (group.tile[a:b], bits_each[a:b]) for op, (a, b) in zip(matrices, pairwise(bounds), strict=True)}
    products = [op for op in ops if isinstance(op, ProductOp)]
    where = locations(ops, placement) if products else {}
    for op in products:
        tiles = where[op.layer]
        each = chip.tile.product_events(product(op), bits)["bus_bit"] / len(tiles)
        found[op.layer] = tiles, np.full(len(tiles), each)
    return found


def _at_routers(
    tiles: Sequence[Int[np.ndarray, " _"]],
    shape: tuple[int, int, int],
    chip: Chip,
    share: Sequence[Float[np.ndarray, " _"]] = (),
) -> Float[np.ndarray, "edge chip row col"]:
    """How many of the tiles of each edge stand at each router, or the sum of their shares."""
    routers = router_of(chip, np.concatenate(tiles))
    edge = np.repeat(np.arange(len(tiles)), [len(each) for each in tiles])
    size = prod(shape)
    weights = np.concatenate(share) if share else None
    return np.bincount(edge * size + routers, weights, len(tiles) * size).reshape(-1, *shape).astype(float)


def _upto(count: Float[np.ndarray, "..."], axis: int) -> Float[np.ndarray, "..."]:
    """At each place, the sum of those up to it."""
    return count.cumsum(axis=axis)


def _before(count: Float[np.ndarray, "..."], axis: int) -> Float[np.ndarray, "..."]:
    return count.cumsum(axis=axis) - count


def _beyond(count: Float[np.ndarray, "..."], axis: int) -> Float[np.ndarray, "..."]:
    return count.sum(axis=axis, keepdims=True) - count.cumsum(axis=axis)


def _down_to(count: Float[np.ndarray, "..."], axis: int) -> Float[np.ndarray, "..."]:
    return _beyond(count, axis) + count
