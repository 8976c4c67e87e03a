"""What no mapping of a network on the same arrays could beat."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from pimsim.chip import Chip
from pimsim.mapping import Placement
from pimsim.network.ops import MatrixOp
from pimsim.schedule.loads import DIRECTIONS, memory_time, port_time
from pimsim.schedule.traffic import Edge
from pimsim.schedule.work import Work
from pimsim.units import Time


def lower_bounds(works: Sequence[Work], placement: Placement, chip: Chip, edges: Sequence[Edge]) -> dict[str, Time]:
    """The least interval that arrays, their issue, the memory and the links of the mesh allow, each by itself."""
    matrices = {work.op.layer: (work.op, work.read) for work in works if isinstance(work.op, MatrixOp)}
    ordered = [matrices[layer] for layer in placement.matrix.tolist()]
    bounds = {"arrays": arrays_bound(ordered, placement, chip)}
    if chip.tile.issue:
        tiles = placement.chips * placement.tiles_per_chip
        started = sum(op.vectors * len({row for row, *_ in placement.blocks(op.layer)}) for op, _ in ordered)
        bounds["issue"] = started * chip.tile.issue / tiles
    if chip.memory is not None:
        bounds["memory"] = memory_time(edges, placement, chip)
    return bounds | {"links": links_bound(edges, placement, chip)}


def arrays_bound(matrices: Sequence[tuple[MatrixOp, int]], placement: Placement, chip: Chip) -> Time:
    """The interval if layers could have any fraction of a copy, though at least one, in tiles of their own kind; given,
    with each, the cycles for which a vector keeps an array.

    Copies that finish layers of t seconds in w seconds take Σ a · max(1, t / w) arrays, and no fewer than any choice of
    layers with one copy and the others with t / w: w is at least Σ a t of these over the arrays that those leave. Where
    arrays are shared, a is what a block's rows take of one; where they are rewritten, no layer needs one all along. No
    copy takes less than a whole vector.
    """
    share = placement.block_rows / chip.core.rows if placement.shares else None
    size = np.bincount(placement.block_matrix, share) / placement.replication
    size *= [op.matrices * placement.arrays_per_block for op, _ in matrices]
    time = np.array([op.vectors / op.matrices * read for op, read in matrices]) * chip.tick
    one_vector, rewritten = max(read for _, read in matrices) * chip.tick, placement.rounds > 1
    found = [one_vector]
    for part in chip.parts:
        own = placement.kind == part.kind
        if own.any():
            found.append(least_time(size[own], time[own], placement.chips * part.arrays, rewritten))
    return float(max(found))


def least_time(
    size: Float[np.ndarray, " matrix"], time: Float[np.ndarray, " matrix"], arrays: int, rewritten: bool
) -> Time:
    """The interval of layers that share so many arrays, given the arrays and the time of one copy."""
    order = np.argsort(time)
    size, time = size[order], time[order]
    held = np.zeros(1) if rewritten else np.concatenate([[0.0], size.cumsum()[:-1]])
    work = (size * time)[::-1].cumsum()[::-1][: len(held)]
    return float((work / (arrays - held)).max())


def links_bound(edges: Sequence[Edge], placement: Placement, chip: Chip) -> Time:
    """The time of the busiest link if every tile got what it needs from the nearest routers, over four links alike."""
    size = chip.tiles
    arriving = np.zeros(placement.chips * size)
    for edge in edges:
        on_chip = np.bincount(edge.source // size, minlength=placement.chips)[edge.target // size]
        far = np.maximum(0, on_chip - chip.tile.router.shared_by) / len(edge.source)
        arriving[edge.target] += edge.flits * edge.share * far
    links = 2 * (2 * chip.mesh_rows * chip.mesh_cols - chip.mesh_rows - chip.mesh_cols) * placement.chips
    busiest = max(arriving.max() / len(DIRECTIONS), arriving.sum() / links if links else 0.0)
    return float(busiest * port_time(chip))
