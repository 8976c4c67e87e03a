"""What tiles and layers share, one transfer at a time: links of the mesh, buses of tiles, links between chips."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from pimsim.chip import Chip
from pimsim.mapping import Placement
from pimsim.schedule.flow import Flow
from pimsim.schedule.loads import DIRECTIONS, bus_bits_by_layer, mesh_flits, seconds_an_event
from pimsim.schedule.traffic import Edge


class Way(NamedTuple):
    """What one vector occupies at the same time, and for how many cycles, or parts of one."""

    servers: Int[np.ndarray, " server"]
    cycles: Float[np.ndarray, " server"]


class Shared(NamedTuple):
    """Servers, by number, and who needs them."""

    names: list[str]
    between: dict[tuple[str, str], Way]
    """For a vector on its way from one layer to another."""
    within: dict[str, Way]
    """For a vector that passes a layer."""


def shared_of(flow: Flow, placement: Placement, chip: Chip, edges: Sequence[Edge], contention: bool) -> Shared:
    """The servers of a placement. Each vector of a tensor, or of a layer, needs an equal part of what all of them do.

    Without contention tensors that cross chips have the links to themselves, and nothing else is shared. A memory of
    the chip and the issue of tiles are not replayed: images come no sooner than these allow, as in the schedule.
    """
    if not contention:
        pairs = [(a, b) for a, leaving in flow.leaving.items() for b in leaving]
        own = {(a, b): Way(np.array([i]), np.array([flow.leaving[a][b]])) for i, (a, b) in enumerate(pairs)}
        return Shared([f"link from {a} to {b}" for a, b in pairs], own, {})
    shape = (len(DIRECTIONS), placement.chips, chip.mesh_rows, chip.mesh_cols)
    places = [f"mesh, chip {n}, router ({row}, {col}) {DIRECTIONS[d]}" for d, n, row, col in np.ndindex(shape)]
    buses = [f"bus, tile {tile}" for tile in range(placement.chips * placement.tiles_per_chip)]
    return Shared(["link", *places, *buses], _between(flow, placement, chip, edges), {
        layer: Way(way.servers + 1 + len(places), way.cycles) for layer, way in _within(flow, placement, chip).items()
    })  # fmt: skip


def _between(flow: Flow, placement: Placement, chip: Chip, edges: Sequence[Edge]) -> dict[tuple[str, str], Way]:
    router = chip.tile.router
    flit = (router.shared_by + len(DIRECTIONS)) * seconds_an_event(router) / chip.tick
    between = {}
    for edge in edges:
        crossing = edge.link_bits / chip.link.bandwidth / chip.tick
        all_of_it = np.append(crossing, flit * mesh_flits([edge], placement, chip).ravel())
        used = np.flatnonzero(all_of_it)
        if len(used):
            between[edge.producer, edge.consumer] = Way(used, all_of_it[used] / flow.counts[edge.producer])
    return between


def _within(flow: Flow, placement: Placement, chip: Chip) -> dict[str, Way]:
    ops, bus = [work.op for work in flow.works], chip.tile.bus
    bit = seconds_an_event(bus) / bus.number / chip.tick
    within = {}
    for layer, (tiles, bits) in bus_bits_by_layer(ops, placement, chip).items():
        total = bit * np.bincount(tiles, bits)
        if len(used := np.flatnonzero(total)):
            within[layer] = Way(used, total[used] / flow.counts[layer])
    return within
