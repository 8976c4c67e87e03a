"""Links of the mesh and buses against routes that are walked flit by flit, and counts by hand."""

from math import prod

import numpy as np
import pytest

from pimsim import load_chip
from pimsim.events import events_by_layer
from pimsim.mapping import place
from pimsim.network.ops import MatrixOp
from pimsim.network.zoo import load_topology
from pimsim.schedule import SchedulePlan, schedule, traffic
from pimsim.schedule.loads import DIRECTIONS, bus_bits, mesh_flits

STEPS = {"east": (0, 1), "west": (0, -1), "south": (1, 0), "north": (-1, 0)}


def walked(edges, placement, chip):
    """Every part of every tensor, from router to router: along the row, then along the column."""
    total = np.zeros((len(DIRECTIONS), placement.chips, chip.mesh_rows, chip.mesh_cols))
    for edge in edges:
        for a in edge.source.tolist():
            for b, share in zip(edge.target.tolist(), edge.share.tolist(), strict=True):
                (row, col), (last_row, last_col) = (
                    divmod(tile % chip.tiles // chip.tile.router.shared_by, chip.mesh_cols) for tile in (a, b)
                )
                while (row, col) != (last_row, last_col):
                    if col != last_col:
                        direction, where = ("east" if col < last_col else "west"), a
                    else:
                        direction, where = ("south" if row < last_row else "north"), b
                    part = share * edge.flits / len(edge.source)
                    total[DIRECTIONS.index(direction), where // chip.tiles, row, col] += part
                    row, col = row + STEPS[direction][0], col + STEPS[direction][1]
    return total


def placed(name, chip, replicate="balance"):
    network = load_topology(name)
    ops = network.ops()
    table = place(ops, chip, replicate)
    return ops, table, traffic(ops, table, chip, prod(network.input_shape)), network.signed_inputs()


@pytest.mark.parametrize(("cols", "rows", "shared"), [(3, 3, 1), (2, 1, 2), (1, 4, 1), (6, 7, 4)])
def test_every_link_carries_what_is_walked_over_it(cols, rows, shared):
    """On one chip and on several, with one tile or more at a router."""
    size = {"mesh_rows": rows, "mesh_cols": cols, "tile.router.shared_by": shared, "tile.cores": 1, "core.arrays": 4}
    chip = load_chip("isaac-ce", size)
    _, table, edges, _ = placed("lenet5", chip)
    assert (table.chips > 1) == (rows * cols * shared < 42 / 4)
    flits = mesh_flits(edges, table, chip)
    np.testing.assert_allclose(flits, walked(edges, table, chip), rtol=1e-12, atol=1e-9)
    assert flits.sum() > 0


@pytest.mark.parametrize("replicate", ["balance", "none"])
def test_links_and_hops_are_one_count(isaac, replicate):
    """A flit that leaves its tile passes one router more than links: Σ links = Σ hops - flits that leave a tile."""
    _, table, edges, _ = placed("resnet-18", isaac, replicate)
    leaving = sum(
        edge.flits * (edge.share * (1 - np.isin(edge.target, edge.source) / len(edge.source))).sum() for edge in edges
    )
    hops = sum(edge.flit_hops for edge in edges)
    assert mesh_flits(edges, table, isaac).sum() == pytest.approx(hops - leaving, rel=1e-12)


@pytest.mark.parametrize("name", ["lenet5", "mobilenet-v1"])
def test_buses_carry_what_is_charged_for(isaac, name):
    """All tiles together: the bits that energy is counted for, with copies and grouped layers."""
    ops, table, edges, signed = placed(name, isaac)
    charged = sum(counts.get("bus_bit", 0.0) for counts in events_by_layer(ops, table, isaac, edges, signed))
    assert bus_bits(ops, table, isaac).sum() == pytest.approx(charged, rel=1e-12)


def test_a_tensor_to_the_next_router_by_hand():
    """a, 16 × 16, in tile 0; b, 16 × 48, in tiles 1 to 3 of a square; 3 flits of 32 bits to each.

    Tile 1 lies east, tile 2 south, tile 3 east and south: 6 flits leave router 0 to the east, 3 to the south, and 3
    router 1 to the south. A router of a tile and four directions has 5 ports: each passes a fifth of 1 flit a second,
    so the busiest link takes 30 s, far more than 22 cycles of 1 s.
    """
    size = {"mesh_rows": 2, "mesh_cols": 2, "tile.router.shared_by": 1, "tile.cores": 1, "core.arrays": 4,
            "core.rows": 16, "core.columns": 12, "core.weight_bits": 6, "core.input_bits": 6,
            "core.columns_per_adc": 12,
            "core.cycle": "1 s", "tile.router.rate": "1 Hz"}  # fmt: skip
    chip = load_chip("isaac-ce", size)
    need = (np.zeros(1, int),)
    ops = [MatrixOp("a", ("input",), 16, 16, 1, 1, need), MatrixOp("b", ("a",), 16, 48, 1, 1, need)]
    table = place(ops, chip, "none")
    edges = traffic(ops, table, chip, 16)
    flits = mesh_flits(edges, table, chip)
    assert {(DIRECTIONS[d], r, c): n for (d, _, r, c), n in np.ndenumerate(flits) if n} == {
        ("east", 0, 0): 6, ("south", 0, 0): 3, ("south", 0, 1): 3,
    }  # fmt: skip
    free, bound = (
        schedule(ops, table, chip, edges, {"a": False, "b": False}, SchedulePlan(contention=contention))
        for contention in (False, True)
    )
    assert (free.bottleneck, free.interval) == ("a", free.busy.max())
    assert (bound.bottleneck, bound.interval, bound.latency) == ("mesh", 30, free.latency)
    assert bound.busiest[bound.resource.tolist().index("mesh")] == "chip 0, router (0, 0) east"


@pytest.mark.parametrize("resource", ["mesh", "bus"])
def test_contention_only_lengthens_the_interval(isaac, resource):
    """Half the rate of what sets the pace is twice the interval; a resource that is free enough sets none."""
    slow = {"mesh": "tile.router.rate", "bus": "tile.bus.rate"}[resource]
    found = []
    for rate in ("1 MHz", "500 kHz"):
        chip = load_chip("isaac-ce", {slow: rate})
        ops, table, edges, signed = placed("lenet5", chip)
        found.append(schedule(ops, table, chip, edges, signed, SchedulePlan(contention=True)))
    free = schedule(ops, table, isaac, edges, signed)
    assert [timeline.bottleneck for timeline in found] == [resource] * 2
    assert found[1].interval == pytest.approx(2 * found[0].interval, rel=1e-6, abs=isaac.core.cycle)
    assert all(timeline.interval > free.interval and timeline.latency == free.latency for timeline in found)
