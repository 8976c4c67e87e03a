"""What each layer of an inference asks of the chip, in cycles."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pimsim.chip import Chip
from pimsim.mapping import Placement, is_pool, product, product_shares
from pimsim.network.ops import MatrixOp, Op, ProductOp
from pimsim.schedule.handover import shares_of
from pimsim.schedule.traffic import Edge

IMAGE = "input"
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
    """Cycles for which a vector keeps an array to itself, at least: wherever its tiles stand."""
    each: float = 0.0
    """Cycles, or a part of one, from one vector of a product to the next."""


def works_of(
    ops: Sequence[Op], placement: Placement, chip: Chip, signed: Mapping[str, bool], edges: Sequence[Edge]
) -> list[Work]:
    """The copies and the cycles of each layer. The vectors of a recurrent layer follow one another through the matrix,
    and copies serve other inferences. Of k blocks in an array each has every k-th read: a vector takes k times as long.
    """
    if chip.steps is not None:
        return stepwise(ops, placement, chip, signed, edges)
    names, cores = placement.matrix.tolist(), chip.cores
    kinds = {name: (kind, placement.precision(name), signed[name])
             for name, kind in zip(names, placement.kind.tolist(), strict=True)}  # fmt: skip
    latencies = {each: cores[each[0]].at(each[1]).latency(signed=each[2]) for each in set(kinds.values())}
    shares, cycle = product_shares(ops, placement), chip.tick
    works = []
    for op in ops:
        if isinstance(op, MatrixOp):
            (depth, interval), copies = latencies[kinds[op.layer]], placement.copies(op.layer)
            read, turns, rounds = interval, placement.sharing(op.layer), placement.rounds_of(op.layer)
            depth, interval = depth + (turns - 1) * read, turns * read
            own = (1, op.passes * depth) if op.recurrent else (copies, interval)
            works.append(Work(op, *own, depth, len(rounds) * -(-op.vectors // copies) * interval, rounds, read))
        elif isinstance(op, ProductOp):
            pace = chip.tile.product_pace(product(op), shares[op.layer], chip.core.input_bits)
            setup, busy = (math.ceil(time / cycle - ROUNDING) for time in (pace.setup, pace.busy(product(op))))
            works.append(Work(op, depth=setup, busy=busy, each=pace.each / cycle))
        else:
            works.append(Work(op))
    return works


def stepwise(
    ops: Sequence[Op], placement: Placement, chip: Chip, signed: Mapping[str, bool], edges: Sequence[Edge]
) -> list[Work]:
    """The same where the steps of a vector do not overlap, and pools and sums take time as well."""
    steps, core, results, works = chip.steps, chip.core, chip.tile.buffer, []
    assert steps is not None
    of_layer = shares_of(ops, placement, chip, edges)
    for op in ops:
        share = of_layer.get(op.layer)
        if share is None:
            works.append(Work(op))
            continue
        copies, rounds, least = 1, [0], 0.0
        if isinstance(op, MatrixOp):
            copies, rounds = 1 if op.recurrent else placement.copies(op.layer), placement.rounds_of(op.layer)
            time, least = (
                steps.matrix_time(each, core, results, signed[op.layer])
                for each in (share, share._replace(within=0, onward=0))
            )
        elif is_pool(op):
            time = steps.pool_time(share, core, results, chip.tile.pool)
        else:
            time = steps.sum_time(share, core, results)
        cycles, read = (math.ceil(each / chip.tick - ROUNDING) for each in (time, least))
        interval = cycles * (op.passes if isinstance(op, MatrixOp) else 1)
        works.append(Work(op, copies, interval, cycles, len(rounds) * -(-op.vectors // copies) * cycles, rounds, read))
    return works


def rewriting(placement: Placement, chip: Chip) -> list[int]:
    """Cycles that writing each round takes; none where arrays are written once, before the first inference."""
    if placement.rounds == 1:
        return [0]
    cores = [chip.core.at(placement.precision(layer)) for layer in placement.matrix.tolist()]
    blocks = zip(placement.block_matrix, placement.block_rows, placement.block_cols, strict=True)
    cells = [cores[matrix].cells(int(rows), int(cols)) for matrix, rows, cols in blocks]
    written = np.bincount(placement.block_round, weights=cells).astype(int).tolist()
    return [math.ceil(chip.core.rewriting(count) / chip.tick - ROUNDING) for count in written]


def vector_counts(ops: Sequence[Op]) -> dict[str, int]:
    """How many vectors each layer makes, and how many of the image anyone needs."""
    asked = (need for op in ops for name, need in zip(op.inputs, op.need, strict=True) if name == IMAGE)
    return {IMAGE: 1 + max((int(need.max()) for need in asked), default=0)} | {op.layer: op.vectors for op in ops}
