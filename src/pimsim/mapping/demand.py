"""What each tile of a layer takes of the layer's inputs: what the rows that it holds need."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from pimsim.mapping.placement import Placement
from pimsim.network.ops import MatrixOp, Op


class Demand(NamedTuple):
    """Of one layer, tile by tile."""

    tiles: Int[np.ndarray, " tile"]
    rows: Int[np.ndarray, " tile"]
    """Rows of the matrix on the tile, those of each replica by themselves."""
    channels: Float[np.ndarray, " tile"]
    """Share of an input vector's values that these rows take, at most; beyond 1 where replicas take the same."""
    driven: Int[np.ndarray, " tile"]
    """Values that one inference drives into these rows; what windows share counts for each of them."""

    def share(self, values: int) -> Float[np.ndarray, " tile"]:
        """Of a tensor of so many values: no less than the tile takes, and no more than all, or than it is driven by."""
        return np.minimum(1.0, np.minimum(self.channels, self.driven / values))

    def recurrent_share(self, width: int) -> Float[np.ndarray, " tile"]:
        """Of vectors of so many values that a layer gives back to itself."""
        return np.minimum(1.0, self.rows / width)


def demands(ops: Sequence[Op], placement: Placement) -> dict[str, Demand]:
    """What the tiles of each matrix take.

    n rows of a convolution's matrix take at most n channels of the image, and of a grouped one those of the groups that
    they meet; a replica is driven by its rows' values of every vector that passes it.
    """
    widths = {op.layer: op.width for op in ops}
    by_name = {op.layer: op for op in ops if isinstance(op, MatrixOp)}
    matrices = [by_name[layer] for layer in placement.matrix.tolist()]
    group, of = placement.groups, placement.groups.matrix
    width = np.array([widths.get(op.inputs[0], 1) for op in matrices])  # of an image only the number of values is known
    groups, vectors = (np.array([getattr(op, field) for op in matrices]) for field in ("groups", "vectors"))
    tall = np.array([op.rows for op in matrices]) // groups
    met = (group.row + group.rows - 1) // tall[of] - group.row // tall[of] + 1
    channels = np.minimum(group.rows / width[of], met / groups[of])
    driven = group.rows * group.passing(vectors, placement.replication)
    first = np.ones(len(of), bool)
    first[1:] = (of[1:] != of[:-1]) | (group.tile[1:] != group.tile[:-1])
    starts = np.flatnonzero(first)
    columns = (group.tile[starts], *(np.add.reduceat(each, starts) for each in (group.rows, channels, driven)))
    ends = np.searchsorted(of[starts], np.arange(len(matrices) + 1))
    return {
        op.layer: Demand(*(column[a:b] for column in columns))
        for op, a, b in zip(matrices, ends[:-1].tolist(), ends[1:].tolist(), strict=True)
    }
