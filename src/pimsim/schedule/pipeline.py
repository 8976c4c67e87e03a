"""ISAAC's layer pipeline, solved exactly: every vector starts when its window has arrived and its copy is free."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Real, Shaped

from pimsim.chip import Chip
from pimsim.mapping import Placement, product, product_shares
from pimsim.network.ops import MatrixOp, Op, ProductOp
from pimsim.schedule.traffic import Edge
from pimsim.units import Time, Times

ROUNDING = 1e-6
"""Cycles by which sums of fractions of a cycle may be off."""


@dataclass(frozen=True)
class Timeline:
    """When the layers of one inference work, and how soon the next can follow."""

    layer: Shaped[np.ndarray, " layer"]
    start: Times[np.ndarray, " layer"]
    """Of the layer's first vector."""
    finish: Times[np.ndarray, " layer"]
    """Of its last."""
    busy: Times[np.ndarray, " layer"]
    """How long one inference keeps the layer's busiest copy; of a product of results, its units. 0 for other
    layers."""
    latency: Time
    interval: Time
    bottleneck: str
    """The layer, "link" or "rewriting" that sets the interval."""


def schedule(
    ops: Sequence[Op],
    placement: Placement,
    chip: Chip,
    edges: Sequence[Edge],
    signed: Mapping[str, bool],
) -> Timeline:
    """Run one image through the pipeline, to the cycle.

        start[v] = max(arrival[need(v)], start[v - R] + interval)

    Vector v runs on copy v mod R; in a recurrent layer it waits for the one before to leave the matrix. Results are
    delivered in raster order: a vector has arrived when all before it have. Digital units keep pace with the arrays and
    add no cycle of their own; the vectors of a product of two results follow one another at the pace of the units that
    multiply them. What crosses chips waits for the links, which each tensor has to itself on its way; the interval is
    no shorter than all of them together take. Where arrays are rewritten (`mapping.overflow`), all of one round have
    finished before the next is written, and the next inference begins with the first round when the last is done.
    """
    cycle = chip.core.cycle
    crossing = {(edge.producer, edge.consumer): edge.link_bits for edge in edges}
    shares, writing = product_shares(ops, placement), rewriting(placement, chip)
    held, opened, free = -1, 0, 0
    arrived = {"input": np.zeros(1 + max(int(n.max()) for op in ops for n in op.need), int)}
    spans, busy = [], []
    for op in ops:
        sources = [transfer(arrived[name], crossing.get((name, op.layer), 0.0), chip) for name in op.inputs]
        ready = np.max([source[need] for source, need in zip(sources, op.need, strict=True)], axis=0)
        load, begin, finished = 0, ready, ready
        if isinstance(op, MatrixOp):
            latency = chip.core.latency(signed=signed[op.layer])
            copies = placement.copies(op.layer)
            turns = placement.rounds_of(op.layer)
            for turn in turns:
                held, opened = (held, opened) if turn == held else (turn, free + writing[turn])
                ready = np.maximum(ready, opened)
                begin = paced(ready, 1, latency.depth) if op.recurrent else paced(ready, copies, latency.interval)
                finished = begin + latency.depth
                free = max(free, int(finished.max()))
            load = len(turns) * -(-op.vectors // copies) * latency.interval
        elif isinstance(op, ProductOp):
            pace = chip.tile.product_pace(product(op), shares[op.layer], chip.core.input_bits)
            written = sources[1][op.need[1]] + math.ceil(pace.setup / cycle - ROUNDING)
            finished = following(np.maximum(ready, written), pace.each / cycle)
            load = math.ceil(pace.busy(product(op)) / cycle - ROUNDING)
        arrived[op.layer] = np.maximum.accumulate(finished)
        spans.append((int(begin.min()), int(finished.max())))
        busy.append(load)
    link = link_cycles(edges, chip)
    cycled = free if placement.rounds > 1 else 0
    interval = max(*busy, link, cycled, 1)
    start, finish = np.array(spans).T
    return Timeline(
        layer=np.array([op.layer for op in ops]),
        start=start * cycle,
        finish=finish * cycle,
        busy=np.array(busy) * cycle,
        latency=float(finish[-1] * cycle),
        interval=float(interval * cycle),
        bottleneck={link: "link", cycled: "rewriting"}.get(interval) or ops[int(np.argmax(busy))].layer,
    )


def rewriting(placement: Placement, chip: Chip) -> list[int]:
    """Cycles that writing each round takes; none where arrays are written once, before the first inference."""
    if placement.rounds == 1:
        return [0]
    cells = [chip.core.cells(int(r), int(c)) for r, c in zip(placement.block_rows, placement.block_cols, strict=True)]
    written = np.bincount(placement.block_round, weights=cells).astype(int).tolist()
    return [math.ceil(chip.core.rewriting(count) / chip.core.cycle - ROUNDING) for count in written]


def paced(ready: Int[np.ndarray, " vector"], copies: int, interval: int) -> Int[np.ndarray, " vector"]:
    """The earliest starts of vectors that become ready at given cycles, on copies that each start one every interval.

    With start[j] = max(ready[j], start[j-1] + I) on one copy, start[j] - j·I is the running maximum of ready[j] - j·I.
    """
    waves = -(-len(ready) // copies)
    lag = np.arange(waves)[:, None] * interval
    by_copy = np.pad(ready, (0, waves * copies - len(ready)), mode="edge").reshape(waves, copies)
    return (np.maximum.accumulate(by_copy - lag, axis=0) + lag).ravel()[: len(ready)]


def transfer(finished: Int[np.ndarray, " vector"], bits: float, chip: Chip) -> Int[np.ndarray, " vector"]:
    """When vectors of a tensor of which `bits` leave for other chips have arrived, one after the other.

    Several vectors share a cycle where they are short: each takes its part of the link's time, to the bit.
    """
    return following(finished, bits / len(finished) / chip.link.bandwidth / chip.core.cycle)


def following(ready: Real[np.ndarray, " vector"], each: float) -> Int[np.ndarray, " vector"]:
    """When vectors are done that take `each` cycles, or a part of one, and follow one another."""
    place = np.arange(len(ready))
    done = np.maximum.accumulate(ready - each * place) + each * (place + 1)
    return np.ceil(done - ROUNDING).astype(int)


def link_cycles(edges: Sequence[Edge], chip: Chip) -> int:
    """Cycles for which one inference keeps a chip's links, were all that crosses to leave from one chip."""
    return math.ceil(sum(edge.link_bits for edge in edges) / chip.link.bandwidth / chip.core.cycle - ROUNDING)
