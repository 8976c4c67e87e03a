"""Where tiles stand on the mesh: a local search for short ways, and for a busiest link that carries less."""

from collections.abc import Sequence
from dataclasses import replace
from operator import itemgetter

import numpy as np
from jaxtyping import Float, Int

from pimsim.chip import Chip, kind_of, router_of
from pimsim.mapping import Placement, Search, locations
from pimsim.mapping.location import IO_TILE
from pimsim.network.ops import Op
from pimsim.schedule.traffic import Edge, Mesh, traffic

SWEEPS = 50


def arrange(ops: Sequence[Op], placement: Placement, chip: Chip, image_values: int, search: Search) -> Placement:
    """The placement with tiles moved within their chips: no more flits on its busiest link × flits on all of them.

    Descends from the network's order by the best swap of each tile, for flits on all links, a quadratic assignment
    (Koopmans and Beckmann, Econometrica 25, 53, 1957); then tries random swaps and keeps those that lower the product.
    A tile changes places with one of its kind. One seed gives one result.
    """
    flow = flows(ops, placement, traffic(ops, placement, chip, image_values))
    rng, shape = np.random.default_rng(search.seed), (placement.chips, chip.mesh_rows, chip.mesh_cols)
    start = np.append(np.arange(len(flow) - 1), IO_TILE)
    routers = router_of(chip, start)
    kind = kind_of(chip, np.arange(len(start)))
    near = descend(flow, start, Mesh.of(chip), rng)
    cost, at = min(((_cost(flow, routers[each], shape), each) for each in (start, near)), key=itemgetter(0))
    for _ in range(search.swaps):
        i = int(rng.integers(len(at) - 1))
        j = int(rng.integers(chip.tiles)) + i // chip.tiles * chip.tiles
        if kind[i] != kind[j]:
            continue
        at[[i, j]] = at[[j, i]]
        if (new := _cost(flow, routers[at], shape)) < cost:
            cost = new
        else:
            at[[i, j]] = at[[j, i]]
    size = placement.arrays_per_tile
    array = at[placement.block_array // size] * size + placement.block_array % size
    return replace(placement, block_array=array, pool_tile=at[placement.pool_tile])


def flows(ops: Sequence[Op], placement: Placement, edges: Sequence[Edge]) -> Float[np.ndarray, "node node"]:
    """Flits from each tile to each other, and to and from the place where images enter, the last node."""
    where, tiles = locations(ops, placement), placement.chips * placement.tiles_per_chip
    nodes = {name: np.array([tiles]) if own is where["input"] else own for name, own in where.items()}
    flow = np.zeros((tiles + 1, tiles + 1))
    for edge in edges:
        source, target = nodes[edge.producer], nodes[edge.consumer]
        flow[np.ix_(source, target)] += edge.flits / len(source) * edge.share
    np.fill_diagonal(flow, 0.0)
    return flow


def descend(
    flow: Float[np.ndarray, "node node"], at: Int[np.ndarray, " node"], mesh: Mesh, rng: np.random.Generator
) -> Int[np.ndarray, " node"]:
    """The place of each node when no swap of two on one chip shortens the ways; the last node stays.

    Swapping i and j changes the sum over pairs by Σ_k (f[i,k] - f[j,k]) (d[j,k] - d[i,k]), without k = i and k = j.
    """
    at, both = at.copy(), flow + flow.T
    far = mesh.distance(at[:, None], at).astype(float)
    ways = (both * far).sum(axis=1)
    for _ in range(SWEEPS):
        moved = False
        for i in rng.permutation(len(at) - 1).tolist():
            first = i // mesh.tiles * mesh.tiles
            chip = slice(first, first + mesh.tiles)
            change = far[chip] @ both[i] + both[chip] @ far[i] - ways[i] - ways[chip] + 2 * both[i, chip] * far[i, chip]
            change[mesh.kind != mesh.kind[i - first]] = np.inf
            j = first + int(change.argmin())
            if change[j - first] < -1e-9 * max(1.0, ways[i]):
                at[[i, j]] = at[[j, i]]
                far[[i, j]] = far[[j, i]]
                far[:, [i, j]] = far[:, [j, i]]
                ways, moved = (both * far).sum(axis=1), True
        if not moved:
            break
    return at


def _cost(flow: Float[np.ndarray, "node node"], router: Int[np.ndarray, " node"], shape: tuple[int, int, int]) -> float:
    """Flits on the busiest link × flits on all of them."""
    loads = np.stack(link_loads(flow, router, shape))
    return float(loads.max() * loads.sum())


def link_loads(
    flow: Float[np.ndarray, "node node"], router: Int[np.ndarray, " node"], shape: tuple[int, int, int]
) -> list[Float[np.ndarray, "chip row col"]]:
    """Flits on the links of each router to the east, west, south and north, along the row first, then the column."""
    chips, rows, cols = shape
    size = chips * rows * cols
    stands = np.zeros((len(router), size))
    stands[np.arange(len(router)), router] = 1.0
    between = (stands.T @ flow @ stands).reshape(chips, rows, cols, chips, rows, cols)
    along = between.sum(axis=(3, 4))  # chip row col to_col
    down = between.sum(axis=(0, 2)).transpose(1, 3, 0, 2)  # to_chip col row to_row
    return [*_both_ways(along), *(load.swapaxes(1, 2) for load in _both_ways(down))]


def _both_ways(
    flow: Float[np.ndarray, "a b place place"],
) -> tuple[Float[np.ndarray, "a b place"], Float[np.ndarray, "a b place"]]:
    """What leaves each place of a line for higher and for lower places, wherever it comes from."""
    beyond = np.triu(np.ones(flow.shape[2:]), 1)
    up, down = flow.cumsum(axis=2), flow[:, :, ::-1].cumsum(axis=2)[:, :, ::-1]
    return (up * beyond).sum(axis=3), (down * beyond.T).sum(axis=3)
