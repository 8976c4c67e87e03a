"""What each layer of an inference asks of the chip, in cycles."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pimsim.chip import Chip
from pimsim.mapping import Placement, product, product_shares
from pimsim.network.ops import MatrixOp, Op, ProductOp

ROUNDING = 1e-6
"""Cycles by which sums of fractions of a cycle may be off."""


class Work(NamedTuple):
    """A layer as the schedule sees it; digital units other than those of products take no cycle."""

    op: Op
    copies: int = 1
    """That take vectors in turn."""
    interval: int = 0
    """Cycles until a copy can start its next vector."""
    depth: int = 0
    """Cycles from a vector's start to its result; of a product, from its right side's arrival to its first vector."""
    busy: int = 0
    """Cycles for which one inference keeps the busiest copy, or the units of a product."""
    rounds: Sequence[int] = ()
    """In which the arrays hold any of it; in each, all vectors pass."""
    read: int = 0
    """Cycles for which a vector keeps an array to itself."""
    each: float = 0.0
    """Cycles, or a part of one, from one vector of a product to the next."""


def works_of(ops: Sequence[Op], placement: Placement, chip: Chip, signed: Mapping[str, bool]) -> list[Work]:
    """The copies and the cycles of each layer. The vectors of a recurrent layer follow one another through the matrix,
    and copies serve other inferences. Of k blocks in an array each has every k-th read: a vector takes k times as long.
    """
    latencies = {kind: chip.core.latency(signed=kind) for kind in set(signed.values())}
    shares, cycle = product_shares(ops, placement), chip.core.cycle
    works = []
    for op in ops:
        if isinstance(op, MatrixOp):
            (depth, interval), copies = latencies[signed[op.layer]], placement.copies(op.layer)
            read, turns, rounds = interval, placement.sharing(op.layer), placement.rounds_of(op.layer)
            depth, interval = depth + (turns - 1) * read, turns * read
            own = (1, depth) if op.recurrent else (copies, interval)
            works.append(Work(op, *own, depth, len(rounds) * -(-op.vectors // copies) * interval, rounds, read))
        elif isinstance(op, ProductOp):
            pace = chip.tile.product_pace(product(op), shares[op.layer], chip.core.input_bits)
            setup, busy = (math.ceil(time / cycle - ROUNDING) for time in (pace.setup, pace.busy(product(op))))
            works.append(Work(op, depth=setup, busy=busy, each=pace.each / cycle))
        else:
            works.append(Work(op))
    return works


def rewriting(placement: Placement, chip: Chip) -> list[int]:
    """Cycles that writing each round takes; none where arrays are written once, before the first inference."""
    if placement.rounds == 1:
        return [0]
    cells = [chip.core.cells(int(r), int(c)) for r, c in zip(placement.block_rows, placement.block_cols, strict=True)]
    written = np.bincount(placement.block_round, weights=cells).astype(int).tolist()
    return [math.ceil(chip.core.rewriting(count) / chip.core.cycle - ROUNDING) for count in written]
