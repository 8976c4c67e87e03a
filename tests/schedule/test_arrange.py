"""Places of tiles on the mesh: the search sees the loads that the mesh has, and leaves no swap that helps."""

import itertools
from dataclasses import replace
from math import prod

import numpy as np
import pytest

from pimsim import load_chip, load_experiment, simulate
from pimsim.chip import router_of
from pimsim.errors import SpecError
from pimsim.mapping import Search, place
from pimsim.network.zoo import load_topology
from pimsim.schedule import arrange, schedule, traffic
from pimsim.schedule.arrange import flows, link_loads
from pimsim.schedule.loads import mesh_flits, port_time


def chip_of(rows, cols, shared=1, arrays=4):
    size = {"mesh_rows": rows, "mesh_cols": cols, "tile.router.shared_by": shared, "tile.cores": 1}
    return load_chip("isaac-ce", size | {"core.arrays": arrays})


def lenet():
    network = load_topology("lenet5")
    return network.ops(), prod(network.input_shape), network.signed_inputs()


def product(ops, table, chip, values):
    loads = mesh_flits(traffic(ops, table, chip, values), table, chip)
    return loads.max() * loads.sum()


@pytest.mark.parametrize(
    ("rows", "cols", "shared", "order"),
    [(3, 4, 1, "raster"), (2, 1, 2, "raster"), (2, 3, 2, "snake"), (3, 3, 1, "shells")],
)
def test_the_search_sees_the_loads_of_the_mesh(rows, cols, shared, order):
    """On one chip and on several: links by link what the edges of the placement lay on them."""
    chip = replace(chip_of(rows, cols, shared), order=order)
    ops, values, _ = lenet()
    table = place(ops, chip)
    edges = traffic(ops, table, chip, values)
    flow = flows(ops, table, edges)
    router = router_of(chip, np.append(np.arange(len(flow) - 1), 0))
    found = np.stack(link_loads(flow, router, (table.chips, rows, cols)))
    np.testing.assert_allclose(found, mesh_flits(edges, table, chip), rtol=1e-12, atol=1e-9)


def test_blocks_move_by_whole_tiles_and_one_seed_gives_one_result():
    chip = chip_of(3, 4)
    ops, values, _ = lenet()
    table = place(ops, chip)
    found, again, other = (arrange(ops, table, chip, values, Search(150, seed)) for seed in (1, 1, 2))
    assert found.block_array.tolist() == again.block_array.tolist() != other.block_array.tolist()
    size = table.arrays_per_tile
    moved = dict(zip((table.block_array // size).tolist(), (found.block_array // size).tolist(), strict=True))
    assert len(set(moved.values())) == len(moved) == table.tiles_on()
    assert (found.block_array % size == table.block_array % size).all()
    assert max(product(ops, each, chip, values) for each in (found, other)) < product(ops, table, chip, values)


def test_the_bound_of_the_links_is_below_every_arrangement():
    """Brute force over all places of four tiles: none has a busiest link below the bound, or below what search finds by
    more than the rest of its product."""
    chip = chip_of(2, 2, arrays=16)
    ops, values, signed = lenet()
    table = place(ops, chip, "none")
    edges = traffic(ops, table, chip, values)
    time = schedule(ops, table, chip, edges, signed)
    bound = dict(zip(time.bound.tolist(), time.least.tolist(), strict=True))["links"] / port_time(chip)
    flow, products, busiest = flows(ops, table, edges), [], []
    for at in itertools.permutations(range(4)):
        loads = np.stack(link_loads(flow, np.append(at, 0), (1, 2, 2)))
        busiest.append(loads.max())
        products.append(loads.max() * loads.sum())
    assert 0 < bound <= min(busiest)
    found = arrange(ops, table, chip, values, Search(swaps=120))
    assert product(ops, found, chip, values) == pytest.approx(min(products), rel=1e-9)


def test_a_search_is_asked_for_in_the_mapping():
    """And shortens the interval where the mesh sets it; it changes nothing else of an inference's work."""
    chip = {"chip.mesh_rows": 4, "chip.mesh_cols": 4, "chip.tile.router.shared_by": 1, "chip.tile.router.rate": "1 MHz"}
    asked = {"dataset": "none", "schedule.contention": True} | chip
    plain, searched = (
        simulate(load_experiment("isaac-lenet5", asked | more)) for more in ({}, {"mapping.search": {"swaps": 150}})
    )
    assert plain.timeline.bottleneck == "mesh"
    assert searched.timeline.interval < plain.timeline.interval
    assert searched.timeline.gap < plain.timeline.gap
    assert searched.cost.events()["conversion"] == plain.cost.events()["conversion"]
    with pytest.raises(SpecError, match=r"mapping.search.swaps: must be 0 to"):
        load_experiment("isaac-lenet5", {"mapping.search": {"swaps": -1}})


def test_pools_with_tiles_of_their_own_move_with_what_they_receive():
    """Every layer keeps its tiles apart, and the mesh carries what the search says that it does."""
    chip = chip_of(4, 4)
    ops, values, _ = lenet()
    table = place(ops, chip, "none", tiles="own")
    found = arrange(ops, table, chip, values, Search(50))
    taken = [found.tiles(layer) for layer in found.matrix.tolist()] + [found.pool_tile]
    assert len(set(np.concatenate(taken).tolist())) == sum(map(len, taken)) == table.tiles_on()
    assert product(ops, found, chip, values) < product(ops, table, chip, values)
    into = {edge.consumer: edge.target.tolist() for edge in traffic(ops, found, chip, values)}
    assert [into[pool] for pool in found.pool.tolist()] == found.pool_tile[:, None].tolist()
