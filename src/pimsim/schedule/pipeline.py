"""When the layers of an inference work: ISAAC's layer pipeline, solved exactly, and slower ways to take turns."""

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from pimsim.chip import Chip
from pimsim.mapping import Placement
from pimsim.network.ops import MatrixOp, Op, VectorOp, without_products
from pimsim.schedule.loads import shared_loads
from pimsim.schedule.timeline import SchedulePlan, Timeline
from pimsim.schedule.traffic import Edge

IMAGE = "input"
ROUNDING = 1e-6
"""Cycles by which sums of fractions of a cycle may be off."""


class Work(NamedTuple):
    """A layer as the schedule sees it."""

    op: MatrixOp | VectorOp
    copies: int
    """That take vectors in turn."""
    interval: int
    """Cycles until a copy can start its next vector."""
    depth: int
    """Cycles from a vector's start to its result."""
    busy: int
    """Cycles for which one inference keeps the busiest copy."""


class Span(NamedTuple):
    """Cycles from the start of a layer's first vector to the result of its last."""

    start: int
    finish: int


def schedule(
    ops: Sequence[Op],
    placement: Placement,
    chip: Chip,
    edges: Sequence[Edge],
    signed: Mapping[str, bool],
    plan: SchedulePlan | None = None,
) -> Timeline:
    """Run one image through the layers, to the cycle, and find what sets the pace of many.

    Digital units keep pace with the arrays and add no cycle of their own. What crosses chips waits for the links, which
    each tensor has to itself on its way; the interval is no shorter than all of them together take.
    """
    plan, cycle, ops = plan or SchedulePlan(), chip.core.cycle, without_products(ops)
    works = works_of(ops, placement, chip, signed)
    crossing = {(edge.producer, edge.consumer): edge.link_bits for edge in edges if edge.link_bits}
    spans = (layer_pipeline if plan.kind == "layer_pipeline" else one_after_another)(works, crossing, chip)
    start, finish = np.array(spans).T
    busy = np.array([work.busy for work in works])
    loads = shared_loads(ops, placement, chip, edges)
    pace = {work.op.layer: work.busy for work in works}
    if plan.kind == "sequential":
        pace = {ops[int(np.argmax(np.diff(finish, prepend=0)))].layer: spans[-1].finish}
    shared = {load.resource: load.time for load in loads if plan.contention or load.resource == "link"}
    pace = {name: math.ceil(time / cycle - ROUNDING) for name, time in shared.items()} | pace
    interval = max(*pace.values(), 1)
    return Timeline(
        layer=np.array([op.layer for op in ops]),
        start=start * cycle,
        finish=finish * cycle,
        busy=busy * cycle,
        latency=float(finish[-1] * cycle),
        interval=float(interval * cycle),
        bottleneck=max(pace, key=pace.__getitem__),
        kind=plan.kind,
        resource=np.array([load.resource for load in loads]),
        occupied=np.array([load.time for load in loads]),
        busiest=np.array([load.place for load in loads]),
    )


def works_of(
    ops: Sequence[MatrixOp | VectorOp], placement: Placement, chip: Chip, signed: Mapping[str, bool]
) -> list[Work]:
    """The copies and the cycles of each layer; digital units take none. The vectors of a recurrent layer follow one
    another through the matrix, and copies serve other inferences."""
    latencies = {kind: chip.core.latency(signed=kind) for kind in set(signed.values())}
    works = []
    for op in ops:
        if isinstance(op, VectorOp):
            works.append(Work(op, op.vectors, 0, 0, 0))
            continue
        (depth, interval), copies = latencies[signed[op.layer]], placement.copies(op.layer)
        own = (1, depth) if op.recurrent else (copies, interval)
        works.append(Work(op, *own, depth, -(-op.vectors // copies) * interval))
    return works


def layer_pipeline(works: Sequence[Work], crossing: Mapping[tuple[str, str], float], chip: Chip) -> list[Span]:
    """Every vector starts when its window has arrived and its copy is free.

        start[v] = max(arrival[need(v)], start[v - R] + interval)

    Vector v runs on copy v mod R. Results are delivered in raster order: a vector has arrived when all before it have.
    """
    needs = ((name, n) for work in works for name, n in zip(work.op.inputs, work.op.need, strict=True))
    arrived = {IMAGE: np.zeros(1 + max((int(n.max()) for name, n in needs if name == IMAGE), default=0), int)}
    spans = []
    for op, copies, interval, depth, _ in works:
        ready = functools.reduce(np.maximum, _arrivals(op, arrived, crossing, chip))
        begin = paced(ready, copies, interval)
        arrived[op.layer] = np.maximum.accumulate(begin + depth)
        spans.append(Span(int(begin.min()), int(arrived[op.layer][-1])))
    return spans


def one_after_another(works: Sequence[Work], crossing: Mapping[tuple[str, str], float], chip: Chip) -> list[Span]:
    """Each layer starts when the one before it is done and its own inputs have crossed the links, in turn."""
    spans, now = [], 0
    for op, copies, interval, depth, _ in works:
        bits = [crossing.get((name, op.layer), 0.0) for name in op.inputs]
        start = now + sum(math.ceil(each / chip.link.bandwidth / chip.core.cycle - ROUNDING) for each in bits)
        now = start + (-(-op.vectors // copies) - 1) * interval + depth
        spans.append(Span(start, now))
    return spans


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
