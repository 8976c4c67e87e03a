"""ISAAC's layer pipeline, solved exactly: every vector starts when its window has arrived and its copy is free."""

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Shaped

from pimsim.chip import Chip
from pimsim.mapping import Placement
from pimsim.network.ops import MatrixOp, Op, without_products
from pimsim.schedule.traffic import Edge
from pimsim.units import Time, Times

IMAGE = "input"
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
    """How long one inference keeps the layer's busiest copy; 0 for layers without a matrix."""
    latency: Time
    interval: Time
    bottleneck: str
    """The layer, or "link", that sets the interval."""


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
    add no cycle of their own. What crosses chips waits for the links, which each tensor has to itself on its way; the
    interval is no shorter than all of them together take.
    """
    cycle = chip.core.cycle
    crossing = {(edge.producer, edge.consumer): edge.link_bits for edge in edges if edge.link_bits}
    ops = without_products(ops)
    latencies = {kind: chip.core.latency(signed=kind) for kind in set(signed.values())}
    image = max(
        (int(n.max()) for op in ops for name, n in zip(op.inputs, op.need, strict=True) if name == IMAGE), default=0
    )
    arrived = {IMAGE: np.zeros(1 + image, int)}
    spans, busy = [], []
    for op in ops:
        begin = functools.reduce(np.maximum, _arrivals(op, arrived, crossing, chip))
        depth = load = 0
        if isinstance(op, MatrixOp):
            depth, interval = latencies[signed[op.layer]]
            copies = placement.copies(op.layer)
            begin = paced(begin, 1, depth) if op.recurrent else paced(begin, copies, interval)
            load = -(-op.vectors // copies) * interval
        arrived[op.layer] = np.maximum.accumulate(begin + depth)
        spans.append((int(begin.min()), int(arrived[op.layer][-1])))
        busy.append(load)
    link = link_cycles(edges, chip)
    interval = max(*busy, link, 1)
    start, finish = np.array(spans).T
    return Timeline(
        layer=np.array([op.layer for op in ops]),
        start=start * cycle,
        finish=finish * cycle,
        busy=np.array(busy) * cycle,
        latency=float(finish[-1] * cycle),
        interval=float(interval * cycle),
        bottleneck="link" if link == interval else ops[int(np.argmax(busy))].layer,
    )


def _arrivals(
    op: Op,
    arrived: Mapping[str, Int[np.ndarray, " producer"]],
    crossing: Mapping[tuple[str, str], float],
    chip: Chip,
) -> Iterator[Int[np.ndarray, " vector"]]:
    """For each input of a layer, when what its vectors need of it is there."""
    for name, need in zip(op.inputs, op.need, strict=True):
        bits = crossing.get((name, op.layer))
        yield (transfer(arrived[name], bits, chip) if bits else arrived[name])[need]


def paced(ready: Int[np.ndarray, " vector"], copies: int, interval: int) -> Int[np.ndarray, " vector"]:
    """The earliest starts of vectors that become ready at given cycles, on copies that each start one every interval.

    With start[j] = max(ready[j], start[j-1] + I) on one copy, start[j] - j·I is the running maximum of ready[j] - j·I.
    """
    if copies >= len(ready):
        return ready
    waves = -(-len(ready) // copies)
    lag = np.arange(0, waves * interval, interval)[:, None]
    by_copy = np.full(waves * copies, ready[-1])
    by_copy[: len(ready)] = ready
    begin = by_copy.reshape(waves, copies) - lag
    np.maximum.accumulate(begin, axis=0, out=begin)
    begin += lag
    return begin.ravel()[: len(ready)]


def transfer(finished: Int[np.ndarray, " vector"], bits: float, chip: Chip) -> Int[np.ndarray, " vector"]:
    """When vectors of a tensor of which `bits` leave for other chips have arrived, one after the other.

    Several vectors share a cycle where they are short: each takes its part of the link's time, to the bit.
    """
    each = bits / len(finished) / chip.link.bandwidth / chip.core.cycle
    sent = each * np.arange(len(finished) + 1)
    arrival = np.maximum.accumulate(finished - sent[:-1]) + sent[1:]
    return np.ceil(arrival - ROUNDING).astype(int)


def link_cycles(edges: Sequence[Edge], chip: Chip) -> int:
    """Cycles for which one inference keeps a chip's links, were all that crosses to leave from one chip."""
    return math.ceil(sum(edge.link_bits for edge in edges) / chip.link.bandwidth / chip.core.cycle - ROUNDING)
